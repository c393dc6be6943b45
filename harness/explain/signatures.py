"""Records of known failures: the pattern each is known by, its cause and its remedy.

The records lie in `signatures/*.yaml`, drawn from public issue threads and from runs of real
releases; each names its sources and carries samples that a test holds it to.
"""

from __future__ import annotations

import re
from functools import cache, cached_property
from importlib.resources import files
from string import Formatter
from typing import Annotated, Self

import yaml
from pydantic import BeforeValidator, Field, model_validator

from harness.cell import Value
from harness.observation import Stage
from harness.text import one_line
from harness.verdict import Reason

__all__ = ["FailureSignature", "Found", "find", "load_signatures"]

_HEAD_CHARACTERS, _TAIL_CHARACTERS = 4_000, 12_000
"""How much of the begin and the end of a text is searched. Errors that show tensors or graphs say
in their first line what is wrong, tracebacks and logs in their last."""


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class FailureSignature(Value):
    """One way to fail, and how it is recognised."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """The code of the reason; stable, as people and tools filter by it."""
    stage: tuple[Stage, ...] = Field(min_length=1)
    """Where it happens."""
    priority: int = Field(ge=0, le=100)
    """Where several match, the highest is the reason; 0 marks a wrapper that hides the reason."""
    pattern: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_several)]
    """Python regular expression (DOTALL, MULTILINE), found anywhere in an error's text; or several,
    of which one is enough. Repeats are bounded, so that a hostile text cannot make the search
    slow."""
    cause: str
    """One line; `{name}` stands for the group of that name, which every pattern has."""
    remedy: str
    source: tuple[str, ...] = Field(min_length=1)
    """Where it was seen: issues (`owner/repository#number`), documents, own runs."""
    sample: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_several)]
    """Texts of errors it explains: each pattern is found in one of them."""

    @model_validator(mode="after")
    def _check_cause(self) -> Self:
        named = {name for _, name, _, _ in Formatter().parse(self.cause) if name is not None}
        for expression in self.expressions:
            unknown = named - set(expression.groupindex)
            if unknown:
                raise ValueError(f"{self.id}: the cause names groups that do not exist: {unknown}")
        return self

    @cached_property
    def expressions(self) -> tuple[re.Pattern[str], ...]:
        """The compiled patterns."""
        return tuple(re.compile(pattern, re.DOTALL | re.MULTILINE) for pattern in self.pattern)

    def search(self, text: str) -> re.Match[str] | None:
        """Return the last of the patterns' first matches in `text`, None where there is none."""
        found = [match for expression in self.expressions if (match := expression.search(text))]
        return max(found, key=lambda match: match.start(), default=None)


class Found(Value):
    """A signature that was found in a text."""

    signature: FailureSignature
    groups: dict[str, str]

    def reason(self, evidence: str) -> Reason:
        """Return the reason it gives."""
        return Reason(
            code=self.signature.id,
            message=self.signature.cause.format(**self.groups),
            evidence=evidence,
            remedy=self.signature.remedy,
        )


@cache
def load_signatures() -> tuple[FailureSignature, ...]:
    """Return every record, read once; a broken one is an error of this program."""
    folder = files("harness.explain") / "signatures"
    texts = [
        path.read_text(encoding="utf-8")
        for path in sorted(folder.iterdir(), key=lambda path: path.name)
        if path.name.endswith(".yaml")
    ]
    return tuple(
        FailureSignature.model_validate(record) for text in texts for record in yaml.safe_load(text)
    )


def find(text: str, stage: Stage | None) -> Found | None:
    """Return the signature that explains `text`, None where none does.

    Of those that match, the one of highest priority; of equals the one that matches last, as the
    last error is the one that ended the run. An unknown stage rules none out.
    """
    if len(text) > _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        text = f"{text[:_HEAD_CHARACTERS]}\n{text[-_TAIL_CHARACTERS:]}"
    best: tuple[int, int] = (-1, -1)
    found: Found | None = None
    for signature in load_signatures():
        if stage is not None and stage not in signature.stage:
            continue
        match = signature.search(text)
        if match is not None and (signature.priority, match.start()) > best:
            best = (signature.priority, match.start())
            groups = {name: one_line(text or "", 80) for name, text in match.groupdict().items()}
            found = Found(signature=signature, groups=groups)
    return found
