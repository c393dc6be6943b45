"""`examples/causes/expected.yaml`: what the table must say of every model there."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from harness.observation import Stage
from harness.verdict import TrainingState, Verdict

__all__ = ["CAUSES", "Cause", "Expectation", "LoaderExpectation", "causes", "mismatches"]

CAUSES = Path(__file__).parents[2] / "examples" / "causes"
_AGREES = (Verdict.IDENTICAL, Verdict.EQUIVALENT)


def _several(value: object) -> object:
    if value == "agrees":
        return _AGREES
    return (value,) if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LoaderExpectation(_Strict):
    """What a loader must come to. Only what is named is compared, a null among it."""

    verdict: Annotated[tuple[Verdict, ...], BeforeValidator(_several)]
    stage: Stage | None = None
    reason: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    words: tuple[str, ...] = ()
    training: TrainingState | None = None
    training_words: tuple[str, ...] = ()


class Expectation(LoaderExpectation):
    """What a row of the table must say."""

    deterministic: bool | None = None
    loaders: dict[str, LoaderExpectation] = Field(default_factory=dict)


class _Said(_Strict):
    refused: tuple[str, ...] = ()
    cells: dict[str, Expectation] = Field(default_factory=dict)


class _Document(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    models: dict[str, _Said]


class Cause(_Strict):
    """One model folder, its matrix and what the table must say of it."""

    name: str
    """Its path below `examples/causes`."""
    refused: tuple[str, ...]
    """Words of the error it is refused with; empty where it is run."""
    cells: dict[str, Expectation]
    """By pattern of cell ids; the first that fits counts."""

    @property
    def path(self) -> Path:
        """The model's folder."""
        return CAUSES / self.name

    @property
    def matrix(self) -> Path:
        """The nearest `matrix.yaml`."""
        chain = (self.path, *self.path.parents)
        return next(folder / "matrix.yaml" for folder in chain if (folder / "matrix.yaml").exists())

    def pattern_of(self, cell_id: str) -> str | None:
        """Return the pattern that counts for a cell; None where none fits."""
        return next((pattern for pattern in self.cells if fnmatchcase(cell_id, pattern)), None)


def causes() -> dict[str, Cause]:
    """Return all of `expected.yaml`, by the folder's path below `examples/causes`."""
    text = (CAUSES / "expected.yaml").read_text(encoding="utf-8")
    document = _Document.model_validate(yaml.safe_load(text))
    return {
        name: Cause(name=name, refused=said.refused, cells=said.cells)
        for name, said in document.models.items()
    }


def mismatches(expectation: Expectation, row: dict[str, Any]) -> list[str]:
    """Return what a row of `table.json` does not say as it must."""
    found = _mismatches(expectation, row)
    if "deterministic" in expectation.model_fields_set:
        found += _other("deterministic", row["deterministic"], (expectation.deterministic,))
    loaders = {loader["name"]: loader for loader in row["loaders"]}
    for name, wanted in expectation.loaders.items():
        if name not in loaders:
            found.append(f"no loader {name} among {', '.join(loaders)}")
            continue
        found += [f"{name}: {said}" for said in _mismatches(wanted, loaders[name])]
    return found


def _mismatches(wanted: LoaderExpectation, row: dict[str, Any]) -> list[str]:
    reason, training = row["reason"] or {}, row["training"] or {}
    found = _other("verdict", row["verdict"], wanted.verdict)
    if "stage" in wanted.model_fields_set:
        found += _other("stage", row["stage"], (wanted.stage,))
    if wanted.reason:
        found += _other("reason", reason.get("code"), wanted.reason)
    found += _absent(wanted.words, "\n".join(str(value) for value in reason.values()))
    if wanted.training is not None:
        found += _other("training", training.get("state"), (wanted.training,))
    return found + _absent(wanted.training_words, training.get("message", ""))


def _other(what: str, said: object, wanted: tuple[object, ...]) -> list[str]:
    return [] if said in wanted else [f"{what} is {said}, not {' or '.join(map(str, wanted))}"]


def _absent(words: tuple[str, ...], text: str) -> list[str]:
    flat = " ".join(text.split())
    return [f"{word!r} is not in {flat!r}" for word in words if word not in flat]
