"""The bases of images for a terminal: which there are here, and what a refresh changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.environments.docker.bases.listing import ListedBase
from harness.environments.docker.bases.refresh import Refreshed
from harness.report.layout import NONE, Column, fit, wrapped
from harness.report.words import flat, plural

__all__ = ["render_bases", "render_refreshed"]

_SHOWN = len("sha256:") + 12


def render_bases(bases: Sequence[ListedBase], *, width: int) -> str:
    """Return a table of `bases`, why some have none, and what is said of the others."""
    none = [base for base in bases if base.source is None]
    some = [base for base in bases if base.source is not None]
    blocks = (
        fit(_COLUMNS, (), bases, width)[0],
        _block("None for:", ((base.wanted, base.remark) for base in none), width),
        _block("Notes:", ((base.wanted, base.remark) for base in some), width),
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def render_refreshed(images: Sequence[Refreshed], *, file: str, width: int) -> str:
    """Return what a refresh of `file` changed, one image to a line, and what it could not."""
    changed = [image for image in images if image.new not in (None, image.old)]
    kept = [image for image in images if image.new is None]
    same = len(images) - len(changed) - len(kept)
    summary = (
        f"{file}: {plural(len(changed), 'digest')} changed, {same} as before,"
        f" {len(kept)} not to be had."
    )
    blocks = (
        "\n".join(f"{image.name}: {image.old or 'not pinned'} -> {image.new}" for image in changed),
        _block("Left as they were:", ((image.name, image.why) for image in kept), width),
        wrapped(flat(summary), width),
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def _block(title: str, said: Iterable[tuple[str, str | None]], width: int) -> str:
    """Return what is said of several things as a list, each text once; empty where nothing is."""
    by_text: dict[str, list[str]] = {}
    for name, text in said:
        if text is not None:
            by_text.setdefault(flat(text), []).append(name)
    items = [
        wrapped(f"{', '.join(names)}: {text}", width, first="- ", rest="  ")
        for text, names in by_text.items()
    ]
    return "\n".join((title, *items)) if items else ""


def _digest(base: ListedBase) -> str:
    if base.source is None:
        return NONE
    return base.digest[:_SHOWN] if base.digest else "still to be made"


_COLUMNS: tuple[Column[ListedBase], ...] = (
    Column("for", lambda base: base.wanted),
    Column("source", lambda base: base.source or NONE),
    Column("base", lambda base: flat(base.reference or NONE)),
    Column("digest", _digest),
)
