"""Which cell to deploy, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from packaging.version import Version

from harness.cell import Cell, Device, Resolution
from harness.judge.flips import flipped, gravest_flip
from harness.plan.plan import PlannedCell
from harness.verdict import Judgement, Reference, Verdict

__all__ = ["Recommendation", "recommend"]

_AGREES = (Verdict.IDENTICAL, Verdict.EQUIVALENT)


class Recommendation(NamedTuple):
    """The cell to deploy, None where there is none, and why in one sentence."""

    cell: str | None
    why: str


def recommend(
    cells: Sequence[PlannedCell], judgements: Sequence[Judgement], reference: Reference
) -> Recommendation:
    """Return the newest cell that agrees with the reference, decisions included.

    Only cells with default pins and flags count. Those in which decisions changed on near ties are
    taken where there are no others, and it is said; clear calls may not change. Those within
    tolerance go before those that it takes noise to explain, then those whose repeats agree before
    those whose do not, environments resolved as of the release before those resolved today, then
    the newest TensorFlow, CPU, the newest Python. Only the first loader counts.
    """
    planned = {planned.cell.id: planned.cell for planned in cells}
    agreeing = [judgement for judgement in judgements if _agrees(judgement)]
    tied = {judgement.cell for judgement in agreeing if flipped(judgement.divergence).near_ties}
    plain = [judgement for judgement in agreeing if _is_plain(planned[judgement.cell])]
    candidates = [judgement for judgement in plain if judgement.cell not in tied] or plain
    if not candidates:
        return Recommendation(None, _why_none(judgements, agreeing))
    close = [judgement for judgement in candidates if not _by_noise(judgement)] or candidates
    steady = [judgement for judgement in close if judgement.deterministic is not False] or close
    best = max(steady, key=lambda judgement: _standing(planned[judgement.cell]))
    told = "deterministic " if len(steady) < len(close) else ""
    within = " within tolerance" if len(close) < len(candidates) else ""
    alike = [one for one in agreeing if best.cell in tied or one.cell not in tied]
    which = _which([planned[judgement.cell] for judgement in alike], len(judgements), told, within)
    twice = "" if best.deterministic is not False else "; running it twice gave different bits"
    newest = Version(planned[best.cell].tensorflow)
    over = [one for one in plain if Version(planned[one.cell].tensorflow) > newest]
    passed = _passed_over(sum(one.cell in tied for one in over))
    return Recommendation(best.cell, f"{which}: {_distance(best, reference)}{twice}{passed}")


def _agrees(judgement: Judgement) -> bool:
    return judgement.verdict in _AGREES and not flipped(judgement.divergence).clear


def _passed_over(count: int) -> str:
    """Say that newer cells would come first, but for near ties."""
    if not count:
        return ""
    agree = "1 newer cell agrees" if count == 1 else f"{count} newer cells agree"
    return f"; {agree} too, but for decisions that changed on near ties"


def _by_noise(judgement: Judgement) -> bool:
    """Tell whether some output is beyond tolerance, and agrees by its noise only."""
    divergence = judgement.divergence
    outputs = () if divergence is None else divergence.outputs.values()
    return any(output.within == "noise" for output in outputs)


def _is_plain(cell: Cell) -> bool:
    return cell.pins.name == "default" and cell.flags.name == "default"


def _standing(cell: Cell) -> tuple[bool, Version, bool, Version]:
    return (
        cell.resolution is Resolution.AS_RELEASED,
        Version(cell.tensorflow),
        cell.device is Device.CPU,
        Version(cell.python),
    )


def _which(agreeing: Sequence[Cell], total: int, told: str, within: str) -> str:
    """Return what the best cell is among those that agree, as far as that chose it.

    `told` and `within` are what set it apart beside its age: each empty, or `deterministic ` and
    ` within tolerance`.
    """
    if len(agreeing) == 1:
        one = "the only cell, and it" if total == 1 else f"the only one of {total} cells that"
        return f"{one} agrees with the reference"
    plain = [cell for cell in agreeing if _is_plain(cell)]
    several = len({cell.resolution for cell in plain}) > 1
    resolved = f"{Resolution.AS_RELEASED.value} " if several else ""
    settings = "" if len(plain) == len(agreeing) else " with default pins and flags"
    count = len(agreeing)
    among = f"{total}, which all" if count == total else f"the {count} (of {total}) that"
    return f"the newest {told}{resolved}cell{within}{settings} of {among} agree with the reference"


def _distance(best: Judgement, reference: Reference) -> str:
    if best.cell == reference.cell:
        return "it is the reference itself"
    if best.verdict is Verdict.IDENTICAL:
        return "its outputs equal the reference's bit for bit"
    divergence = best.divergence
    far = None if divergence is None else divergence.max_abs
    by = "" if far is None else f" by at most {far:.2g}"
    within = "tolerance or measured noise" if _by_noise(best) else "tolerance"
    return f"its outputs differ from the reference{by}, within {within}, and {_changed(best)}"


def _changed(best: Judgement) -> str:
    count = flipped(best.divergence).near_ties
    if not count:
        return "no decision changed"
    decisions = (
        "1 decision changed, on a near tie"
        if count == 1
        else f"{count} decisions changed, all on near ties"
    )
    worst = gravest_flip(best.divergence)
    return f"{decisions}{'' if worst is None else f' ({worst})'}"


def _why_none(judgements: Sequence[Judgement], agreeing: Sequence[Judgement]) -> str:
    if agreeing:
        return (
            "only environments with other than default pins or flags agree with the reference: "
            f"{len(agreeing)} of {_cells(len(judgements))}"
        )
    counts = Counter(judgement.verdict for judgement in judgements)
    listed = ", ".join(
        f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict]
    )
    flipped = ", those equivalent with changed decisions" if counts[Verdict.EQUIVALENT] else ""
    return f"no cell agrees with the reference ({listed}{flipped})"


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"
