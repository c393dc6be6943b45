"""What stands above the table: engine, model, reference, how current the index was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.plan.plan import IndexState
from harness.report.table import CellRow, ModelRow, Table
from harness.report.words import flat, plural

__all__ = ["head", "index_words"]


def head(table: Table) -> tuple[tuple[str, str], ...]:
    """Return pairs of label and text; the first names the engine and what it stands on."""
    return (
        ("Engine", _engine(table)),
        ("Model", _model(table.model)),
        ("Reference", _reference(table)),
        ("Index", index_words(table.index)),
        *(("Registry", text) for text in _registry(table.cells)),
        *(("Note", flat(note)) for note in table.notes),
    )


def index_words(index: IndexState) -> str:
    """Return of when the index's answers are, and why they are not new where they are not."""
    if index.note is not None:
        return flat(index.note)
    cached = "" if index.source == "network" else ", from the cache"
    return f"package index as of {index.retrieved:%Y-%m-%d %H:%M} UTC{cached}"


def _engine(table: Table) -> str:
    # The label says what it is; the description says it too, as it also stands alone.
    return flat(table.engine_description).replace(f"{table.engine} engine:", f"{table.engine}:", 1)


def _registry(cells: Sequence[CellRow]) -> Iterator[str]:
    """Say that a registry has images, and where it stands by which digests."""
    images = [cell.image for cell in cells if cell.image is not None]
    pushed = {image.pushed for image in images if image.pushed is not None}
    if pushed:
        places = sorted({reference.partition("@")[0] for reference in pushed})
        count = len({image.digest for image in images})
        yield flat(
            f"has {len(pushed)} of {plural(count, 'image')}, as {', '.join(places)};"
            " digests in table.json"
        )


def _model(model: ModelRow) -> str:
    wrote = f", written by {flat(model.wrote)}" if model.wrote is not None else ""
    return f"{flat(model.name)}, {model.format}, sha256 {model.digest[:12]}{wrote}"


def _reference(table: Table) -> str:
    cell = table.reference.cell
    return flat(table.reference.why if cell is None else f"{cell}: {table.reference.why}")
