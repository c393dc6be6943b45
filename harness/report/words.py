"""Short words for numbers and verdicts, and text from elsewhere on one line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from packaging.version import Version

from harness.divergence import OutputDivergence
from harness.judge.flips import flipped, gravest_flip, of_output
from harness.observation import Image, Stage
from harness.report.layout import NONE
from harness.report.table import CellRow, Table
from harness.sizes import shown_size
from harness.text import printable
from harness.verdict import Verdict

__all__ = [
    "NEAR_TIES",
    "SENSITIVE",
    "UNSTABLE",
    "counts",
    "deploy",
    "disk",
    "flat",
    "lines",
    "marks",
    "moved",
    "moved_decisions",
    "names",
    "near_ties_only",
    "number",
    "plural",
    "shared",
    "varied",
    "verdict_words",
    "which",
    "why",
]

UNSTABLE = "*"
"""Marks a verdict whose cell gave other bits when the inference was repeated."""

NEAR_TIES = "~"
"""Marks changed decisions that are all near ties."""
SENSITIVE = "!"
"""Marks a verdict whose cell has outputs that one unit in the last place of the inputs moves beyond
tolerance."""

_LONGEST = 600
"""Characters of an error that are shown."""

_IDS = 6
"""Cells that are named where they have no releases of their own."""

_MOVED = 5
"""Groups of cells with moved decisions that are told, the worst first."""

_EXPONENT_FROM = 1_000_000
"""Whole numbers from here on are shown as powers of ten."""


def flat(text: str) -> str:
    """Return `text` printable and on one line, nothing left out."""
    return " ".join(printable(text).split())


def lines(text: str) -> tuple[str, ...]:
    """Return the lines of `text` that are not blank, printable.

    The middle of a long text is left out and said to be: errors of Keras reach 9 kB, and their
    end says most.
    """
    whole = printable(text).strip()
    left_out = len(whole) - _LONGEST
    if left_out > 0:
        head, tail = whole[: _LONGEST // 4], whole[-3 * _LONGEST // 4 :]
        whole = f"{head} [... {left_out} characters are only in table.json ...] {tail}"
    return tuple(" ".join(line.split()) for line in whole.split("\n") if line.strip())


def number(value: float | None) -> str:
    """Return a distance in at most 8 characters: `0`, `1.2e-07`, `3`."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    if isinstance(value, int) and abs(value) < _EXPONENT_FROM:
        return str(value)
    return f"{value:.1e}" if math.isfinite(value) else str(float(value))


def verdict_words(verdict: Verdict, stage: Stage | None) -> str:
    """Return the verdict, with the stage where the run did not complete: `failed at import`."""
    return verdict.value if stage is None else f"{verdict.value} at {stage.value}"


def marks(cell: CellRow) -> str:
    """Return the marks of a verdict that is not to be read without its finding."""
    if cell.deterministic is False:
        return UNSTABLE
    sensitive = cell.reason is not None and cell.reason.code == "ill-conditioned"
    return SENSITIVE if sensitive else ""


def varied(cell: CellRow) -> tuple[str, ...]:
    """Return what was varied in a cell to measure its noise floor, beside the plain repeat."""
    by = {} if cell.noise_floor is None else cell.noise_floor.by
    return tuple(name for name in by if name != "repeat")


def plural(count: int, thing: str) -> str:
    """Return `1 cell`, `2 cells`."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def names(cells: Sequence[str]) -> str:
    """Return cell ids for a sentence: `1 cell: a`, `2 cells: a, b`."""
    return f"{plural(len(cells), 'cell')}: {', '.join(cells)}"


def which(chosen: Sequence[CellRow], among: Sequence[CellRow]) -> str:
    """Return cells for a sentence, in few words: `all 9 cells`, `6 cells (2.16.2 - 2.21.0)`.

    `chosen` are some of `among`. They are named by the releases they span where those are all
    theirs, else by id.
    """
    if len(chosen) == 1:
        return chosen[0].id
    count = plural(len(chosen), "cell")
    if len(chosen) == len(among):
        return "both cells" if len(chosen) == 2 else f"all {count}"  # noqa: PLR2004
    versions = {cell.id: Version(cell.tensorflow) for cell in among}
    lowest, highest = (pick(versions[cell.id] for cell in chosen) for pick in (min, max))
    if sum(lowest <= one <= highest for one in versions.values()) == len(chosen):
        return f"{count} ({lowest}{f' - {highest}' if highest != lowest else ''})"
    more = len(chosen) - _IDS
    ids = ", ".join(cell.id for cell in chosen[:_IDS])
    return f"{count} ({ids}{f' and {more} more' if more > 0 else ''})"


def moved(table: Table) -> tuple[str, ...]:
    """Return sentences on cells whose numbers moved: those that decide as before, and others."""
    compared = [
        cell
        for cell in table.cells
        if cell.divergence is not None and cell.verdict in (Verdict.EQUIVALENT, Verdict.DIVERGED)
    ]
    decided = [cell for cell in compared if moved_decisions(cell) is not None]
    groups: dict[tuple[int, int, int], list[CellRow]] = {}
    for cell in decided:
        groups.setdefault(_ties(cell), []).append(cell)
    said = []
    still = [cell for (changed, *_), cells in groups.items() if not changed for cell in cells]
    if still:
        said.append(f"{plural(len(still), 'cell')}: numbers moved, no decision moved")
    tipped = sorted((pair for pair in groups.items() if pair[0][0]), reverse=True, key=_share)
    said += [_moved(group, cells, table.cells) for group, cells in tipped[:_MOVED]]
    left_out = sum(len(cells) for _, cells in tipped[_MOVED:])
    if left_out:
        said.append(f"fewer decisions moved in {plural(left_out, 'more cell')}")
    return tuple(said)


def _ties(cell: CellRow) -> tuple[int, int, int]:
    """Return how many decisions moved, of how many, and how many of them on near ties."""
    output = _most_moved(cell)
    near = 0 if output is None else of_output(output).near_ties
    return *(moved_decisions(cell) or (0, 0)), near


def _share(group: tuple[tuple[int, int, int], list[CellRow]]) -> tuple[bool, float]:
    (changed, of, near), _ = group
    return changed > near, changed / of


def _moved(group: tuple[int, int, int], cells: Sequence[CellRow], among: Sequence[CellRow]) -> str:
    changed, of, near = group
    text = f"{which(cells, among)}: {changed} of {plural(of, 'decision')} moved"
    if not near:
        return text
    ties = "a near tie" if near == 1 else "near ties"
    if near < changed:
        return f"{text}, {near} of them on {ties}"
    worst = next((said for cell in cells if (said := gravest_flip(cell.divergence))), None)
    return f"{text}, on {ties}{'' if worst is None else f' ({worst})'}"


def near_ties_only(cell: CellRow) -> bool:
    """Tell whether decisions changed in a cell, and all of them on near ties."""
    near, clear = flipped(cell.divergence)
    return near > 0 and not clear


def moved_decisions(cell: CellRow) -> tuple[int, int] | None:
    """Return how many decisions moved, and of how many; None where the outputs decide nothing."""
    output = _most_moved(cell)
    if output is None:
        return None
    return output.decisions_changed or 0, output.decisions or 0


def _most_moved(cell: CellRow) -> OutputDivergence | None:
    """Return the output in which most decisions changed; None where they decide nothing."""
    if cell.divergence is None or cell.divergence.decisions_changed is None:
        return None
    changed = cell.divergence.decisions_changed
    asked = [
        output
        for output in cell.divergence.outputs.values()
        if output.decisions_changed == changed and output.decisions
    ]
    return max(asked, key=lambda output: output.decisions or 0, default=None)


def counts(table: Table) -> str:
    """Return how many cells have which verdict: `10 cells: 9 identical, 1 failed`."""
    count = Counter(cell.verdict for cell in table.cells)
    listed = ", ".join(f"{count[verdict]} {verdict}" for verdict in Verdict if count[verdict])
    reused = sum(cell.cached for cell in table.cells)
    more = f"; {reused} reused from earlier sweeps" if reused else ""
    return f"{plural(len(table.cells), 'cell')}: {listed}{more}"


def shared(same: Mapping[str, str]) -> tuple[str, ...]:
    """Return a line on columns, by header, that have one value; none where there are none."""
    said = ", ".join(f"{header} {value}" for header, value in same.items())
    return (f"In every cell that ran: {said}",) if said else ()


def why(table: Table) -> tuple[str, ...]:
    """Return a line on why that cell is to be deployed; none where `deploy` says why not."""
    chosen = table.recommendation
    return () if chosen.cell is None else (f"Recommended: {flat(chosen.why)}",)


def deploy(table: Table) -> str:
    """Return the sentence that names the cell, and its image, to deploy, or says why none."""
    chosen = table.recommendation.cell
    if chosen is None:
        return f"Deploy none of these: {flat(table.recommendation.why)}"
    for cell in table.cells:
        if cell.id == chosen and cell.image is not None:
            gone = ", which was dropped and is to be made again" if cell.dropped else ""
            return f"Deploy {chosen}, image {_image(cell.image)}{gone}"
    mounted = any(cell.id == chosen and cell.builder == "mounted" for cell in table.cells)
    makes = "it was mounted; --bake always" if mounted else "--engine docker"
    return f"Deploy {chosen} (no image: {makes} makes one)"


def disk(table: Table) -> tuple[str, ...]:
    """Return a sentence on what the images take together; none where that is not known."""
    images = {
        cell.image.digest: cell
        for cell in table.cells
        if cell.image is not None and cell.image.size_bytes is not None
    }
    sizes = [(cell.image, cell.base) for cell in images.values()]
    own = sum((image.size_bytes or 0) - (image.base_bytes or 0) for image, _ in sizes if image)
    bases = {
        base.reference if base else "": image.base_bytes or 0 for image, base in sizes if image
    }
    if not images:
        return ()
    gone = sum(cell.dropped for cell in images.values())
    return (
        f"{plural(len(images), 'image')}, {shown_size(own + sum(bases.values()))} on disk"
        f" (shared layers counted once){f', {gone} of them dropped since' if gone else ''}",
    )


def _image(image: Image) -> str:
    algorithm, _, digest = image.digest.rpartition(":")
    here = f"{image.tag} ({algorithm or 'sha256'}:{digest[:12]})"
    return flat(here if image.pushed is None else f"{image.pushed}, here {here}")
