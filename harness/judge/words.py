"""Why a cell diverged, or how it came to agree, in one sentence and with the numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_UP, Context, Decimal

from harness.divergence import Divergence, OutputDivergence, WorstElement
from harness.judge.compare import WITHOUT_DISTANCE
from harness.judge.flips import changed_words, flip_words, of_output
from harness.text import one_line
from harness.verdict import Reason

__all__ = ["describe", "gravest", "why_diverged", "worst_first"]

# The first of these that a cell shows is its reason: a missing output tells more than a number.
_ORDER = ("missing", "extra", "dtype", "shape", "nonfinite", "diverged", "equivalent")
_EVIDENCE_LINES = 20
_FLIPS = 3
"""Changed decisions of each output that are told, the gravest ones."""
_CLOSE_ENOUGH = (
    "Where that is close enough, set `tolerances` in model.yaml; else take another cell."
)
_PARTS = (
    (re.compile(r"/row_splits_\d+"), "other row lengths", "another number of rows"),
    (re.compile(r"/indices"), "values at other places", "another number of values"),
    (re.compile(r"/dense_shape"), "another dense shape", "another number of dimensions"),
    (re.compile(r"/values"), "", "another number of values"),
)
"""What it means that a part of a ragged or sparse output has other numbers, or another shape."""


def why_diverged(divergence: Divergence) -> Reason:
    """Return the reason of a cell that has outputs beyond tolerance.

    Codes: `missing-output`, `extra-output`, `dtype`, `shape`, `nonfinite`, and for numbers beyond
    tolerance `decisions` where one changed that was a clear call, else `numbers`. The evidence has
    each output, with the gravest of its changed decisions.
    """
    (_, worst), *others = gravest(divergence)
    lines = [describe(name, output) for name, output in gravest(divergence)]
    plural = "" if len(others) == 1 else "s"
    message = lines[0] + (f" (and {len(others)} more output{plural})" if others else "")
    if worst.status == "missing":
        message += _instead(divergence.outputs)
    code = _code(worst)
    return Reason(
        code=code,
        message=message,
        evidence="\n".join(_evidence(divergence)[:_EVIDENCE_LINES]),
        remedy=_CLOSE_ENOUGH if code == "numbers" else "",
    )


def _evidence(divergence: Divergence) -> list[str]:
    lines = []
    for name, output in gravest(divergence):
        flips = () if output.decided is None else output.decided.flips[:_FLIPS]
        lines += [describe(name, output), *(flip_words(output, flip) for flip in flips)]
    return lines


def gravest(divergence: Divergence) -> list[tuple[str, OutputDivergence]]:
    """Return the outputs that are beyond tolerance, by name, the one that tells most first."""
    return [(name, output) for name, output in worst_first(divergence) if _is_beyond(output)]


def worst_first(divergence: Divergence) -> list[tuple[str, OutputDivergence]]:
    """Return the outputs that differ at all, by name, the one that tells most first."""
    differing = [
        (name, output)
        for name, output in divergence.outputs.items()
        if output.status != "identical"
    ]
    return sorted(differing, key=lambda pair: _rank(pair[1]))


def describe(name: str, output: OutputDivergence, what: str = "output") -> str:
    """Return one line on one output (or `what` else it is): what differs and by how much."""
    quoted = f"{what} '{one_line(name, 80)}'"
    match output.status:
        case "missing":
            return f"{quoted} is missing"
        case "extra":
            return f"{quoted} is not in the reference"
        case "dtype" | "shape":
            meaning = _meaning(name, output)
            means = f": {meaning}" if meaning else ""
            return f"{quoted} has {output.status} {output.message}{means}"
        case "nonfinite":
            return f"{quoted}: {output.message}{_where(name, output.worst)}"
        case "identical":
            return f"{quoted} is identical"
        case "equivalent" | "diverged":
            meaning = _meaning(name, output)
            means = f"{meaning}, " if meaning else ""
            more = f"; {output.message}" if output.message else ""
            return f"{quoted}: {means}{_numbers(name, output)}{more}"


def _numbers(name: str, output: OutputDivergence) -> str:
    where = _where(name, output.worst)
    differ = f"{output.mismatched} of {output.total} elements differ"
    if output.max_abs is None:
        return f"{differ}, the first{where}" if where else differ
    if output.atol is None:
        return f"{differ}, by up to {output.max_abs:.6g}{where}"
    share = "" if output.max_rel is None else f" (rel {output.max_rel:.2g})"
    text = (
        f"differs by up to {output.max_abs:.2g}{share}{where}, {output.mismatched} of "
        f"{output.total} elements beyond atol {output.atol:g}, rtol {output.rtol:g}"
    )
    if output.mismatched and output.tolerance_needed is not None:
        text += f" (atol = rtol = {_rounded_up(output.tolerance_needed)} would pass)"
    if output.decisions_changed is not None:
        text += f"; {changed_words(output)}"
    return text


def _where(name: str, worst: WorstElement | None) -> str:
    """Say where an element is; empty for a scalar. The rows of a part of an output are no samples.

    The index of a sample with one value says nothing more than the sample.
    """
    if worst is None or not worst.index:
        return ""
    at = f" at {list(worst.index)}"
    if worst.sample is None or _part(name) is not None:
        return at
    return f" in sample {worst.sample}" + (at if len(worst.index) > 1 else "")


def _meaning(name: str, output: OutputDivergence) -> str:
    part = _part(name)
    if part is None or output.status == "dtype":
        return ""
    numbers, shape = part
    return shape if output.status == "shape" else numbers


def _part(name: str) -> tuple[str, str] | None:
    """Return what differences in a part of a ragged or sparse output mean; None for others."""
    for suffix, numbers, shape in _PARTS:
        found = suffix.search(name)
        if found is not None and found.end() == len(name):
            return numbers, shape
    return None


def _rounded_up(tolerance: float) -> str:
    """Return two digits of a tolerance, so that what is shown passes too."""
    # What it was rounded up by itself would make 0.51 of 0.5.
    exact = Decimal(tolerance * (1 - 2**-49))
    up = Context(prec=2, rounding=ROUND_UP).create_decimal(exact)
    return f"{float(up):g}"


def _is_beyond(output: OutputDivergence) -> bool:
    return output.status != "equivalent" and output.status in _ORDER


def _rank(output: OutputDivergence) -> tuple[int, int, int, float]:
    near, clear = of_output(output)
    share = float("inf") if output.max_rel is None else output.max_rel
    return _ORDER.index(output.status), -clear, -near, -share


def _code(output: OutputDivergence) -> str:
    if output.status in ("missing", "extra"):
        return f"{output.status}-output"
    if output.status in WITHOUT_DISTANCE:
        return output.status
    return "decisions" if of_output(output).clear else "numbers"


def _instead(outputs: Mapping[str, OutputDivergence]) -> str:
    extra = [f"'{one_line(name, 80)}'" for name in outputs if outputs[name].status == "extra"]
    if not extra:
        return ""
    more = f" and {len(extra) - 3} more" if len(extra) > 3 else ""  # noqa: PLR2004
    return f"; the cell gives {', '.join(extra[:3])}{more} instead"
