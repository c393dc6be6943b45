"""How often verdicts are right: `python -m tests.ground_truth.table [--quick] [--keep DIR]`.

`--from DIR` judges once more what an earlier run kept, without TensorFlow.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tabulate import tabulate

from harness.verdict import Verdict
from tests.ground_truth.folders import Label
from tests.ground_truth.pairs import FIXED, FLOORS, Pair, Unrun, read_pairs
from tests.ground_truth.subjects import SUBJECTS
from tests.ground_truth.sweep import sweep

__all__ = ["confusion", "errors", "listed", "rendered", "rules", "told_apart"]

_VERDICTS = (Verdict.IDENTICAL, Verdict.EQUIVALENT, Verdict.DIVERGED)
_LABELS = (Label.HARMLESS, Label.HARMFUL)
Rows = list[Sequence[object]]


def confusion(pairs: Sequence[Pair]) -> tuple[Sequence[str], Rows]:
    """Return the table's headers and rows: what is right by construction, and who said what.

    Changes that turned out to have no effect at all, bit for bit, are a row of their own.
    """
    headers = ["", "pairs", *_VERDICTS, *(f"{t:g}: {end}" for t in FIXED for end in _ENDS)]
    rows: Rows = []
    for name, found in (
        ("harmless", [pair for pair in pairs if pair.label is Label.HARMLESS]),
        ("harmful", [pair for pair in pairs if pair.label is Label.HARMFUL and not pair.inert]),
        ("harmful, without effect", [pair for pair in pairs if pair.inert]),
    ):
        said = [sum(pair.verdict is verdict for pair in found) for verdict in _VERDICTS]
        for tolerance in FIXED:
            passed = sum(pair.fixed[tolerance] for pair in found)
            said += [passed, len(found) - passed]
        rows.append((name, len(found), *said))
    return headers, rows


_ENDS = ("pass", "fail")


def errors(pairs: Sequence[Pair]) -> tuple[Sequence[str], Rows]:
    """Return how many false alarms and misses each way of judging makes."""
    ways: list[tuple[str, Callable[[Pair], bool]]] = [("the harness", lambda pair: pair.passes)]
    ways += [(f"atol=rtol={t:g}", lambda pair, t=t: pair.fixed[t]) for t in FIXED]  # type: ignore[misc]
    harmless = [pair for pair in pairs if pair.label is Label.HARMLESS]
    harmful = [pair for pair in pairs if pair.label is Label.HARMFUL and not pair.inert]
    rows: Rows = [
        (
            way,
            f"{sum(not passes(pair) for pair in harmless)} of {len(harmless)}",
            f"{sum(passes(pair) for pair in harmful)} of {len(harmful)}",
        )
        for way, passes in ways
    ]
    return ("judged by", "false alarms", "misses"), rows


def listed(pairs: Iterable[Pair]) -> tuple[Sequence[str], Rows]:
    """Return a row for each pair, with the numbers that a rule could be made of."""
    headers = (
        *("model", "change", "is", "verdict", "max abs", "scale", "share", "ULP", "decisions"),
        *(f"{tolerance:g}" for tolerance in FIXED),
        *(f"x {kind}" for kind in FLOORS),
    )
    return headers, [
        (
            *(pair.subject, pair.change, pair.label, pair.verdict),
            *(f"{number:.2g}" for number in (pair.max_abs, pair.scale, pair.share)),
            "-" if pair.max_ulp is None else pair.max_ulp,
            "-" if pair.decisions is None else f"{pair.decisions_changed} of {pair.decisions}",
            *("pass" if pair.fixed[tolerance] else "fail" for tolerance in FIXED),
            *(f"{pair.floors[kind]:.3g}" if pair.floors else "" for kind in FLOORS),
        )
        for pair in pairs
    ]


def told_apart(pairs: Sequence[Pair]) -> tuple[Sequence[str], Rows]:
    """Return, for every number a rule could be made of, how well one threshold tells them apart.

    The best threshold is the one with the fewest false alarms and misses together; there is none
    better for these pairs, so the row is a bound and no promise.
    """
    numbers: list[tuple[str, Callable[[Pair], float]]] = [
        ("max abs", lambda pair: pair.max_abs),
        ("share of the scale", lambda pair: pair.share),
        ("ULP", lambda pair: float(pair.max_ulp or 0)),
        ("atol=rtol needed", lambda pair: pair.needed),
        *((f"x {kind}", lambda pair, kind=kind: pair.floors[kind]) for kind in FLOORS),  # type: ignore[misc]
        ("x the larger of both ULP floors", lambda pair: _least(pair, "ulp-inputs", "ulp-weights")),
        ("x the largest floor", lambda pair: _least(pair, *FLOORS)),
    ]
    harmless = [pair for pair in pairs if pair.label is Label.HARMLESS]
    harmful = [pair for pair in pairs if pair.label is Label.HARMFUL and not pair.inert]
    rows: Rows = []
    for name, number in numbers if pairs else ():
        alike = [number(pair) for pair in harmless]
        other = [number(pair) for pair in harmful]
        mistakes = {
            limit: (sum(one > limit for one in alike), sum(one <= limit for one in other))
            for limit in {0.0, *alike, *other}
        }
        best = min(mistakes, key=lambda limit: (sum(mistakes[limit]), limit))
        largest, smallest = max(alike), min(other)
        rows.append((name, f"{largest:.3g}", f"{smallest:.3g}", f"{best:.3g}", *mistakes[best]))
    headers = ("number", "most, harmless", "least, harmful", "best limit", "false alarms", "misses")
    return headers, rows


def rules(pairs: Sequence[Pair]) -> tuple[Sequence[str], Rows]:
    """Return the errors of rules that call alike what is no more than some times a floor.

    The floor is the largest of what a probe can measure by itself: inputs moved by one unit in the
    last place, the batch in halves, one thread. "or tolerance": what the harness's tolerances
    allow is alike, too.
    """
    harmless = [pair for pair in pairs if pair.label is Label.HARMLESS]
    harmful = [pair for pair in pairs if pair.label is Label.HARMFUL and not pair.inert]
    rows: Rows = []
    for times in (1, 2, 3, 4, 6, 8, 16, 32, 64) if pairs else ():
        row: list[object] = [times]
        for tolerant in (False, True):
            alike = [
                {id(pair) for pair in found if _allows(pair, times, tolerant=tolerant)}
                for found in (harmless, harmful)
            ]
            row += [len(harmless) - len(alike[0]), len(alike[1])]
        rows.append(row)
    headers = ("x floor", "false alarms", "misses", "or tolerance: false alarms", "misses")
    return headers, rows


def _allows(pair: Pair, times: float, *, tolerant: bool) -> bool:
    floor = _least(pair, "ulp-inputs", "halves", "one-thread")
    return floor <= times or (tolerant and pair.tolerated)


def _least(pair: Pair, *kinds: str) -> float:
    """Return the multiple of the largest of several floors."""
    return min(pair.floors[kind] for kind in kinds)


def rendered(pairs: Sequence[Pair], unrun: Sequence[Unrun], form: str) -> str:
    """Return everything as text; `form` is one of tabulate's formats."""
    wrong = [pair for pair in pairs if pair.passes != (pair.label is Label.HARMLESS)]
    drawn = [pair for pair in pairs if pair.floors]
    parts = [
        ("Verdicts", confusion(pairs)),
        ("Errors", errors(pairs)),
        ("Where the harness is wrong", listed(pair for pair in wrong if not pair.inert)),
        ("Without any effect", listed(pair for pair in pairs if pair.inert)),
        ("Rules made of a floor", rules(drawn)),
        ("How well one threshold tells them apart", told_apart(drawn)),
        ("All pairs", listed(pairs)),
        (
            "Not run",
            (
                ("model", "change", "verdict", "why"),
                [(one.subject, one.change, one.verdict, one.why[:90]) for one in unrun],
            ),
        ),
    ]
    return "\n\n".join(
        f"{title}\n\n{tabulate(rows, headers, form, disable_numparse=True)}"
        for title, (headers, rows) in parts
        if rows
    )


def main() -> None:
    """Sweep, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some models, one release")
    parser.add_argument("--keep", type=Path, help="a new folder for what was observed")
    parser.add_argument("--from", type=Path, dest="kept", help="what an earlier run kept")
    parser.add_argument("--only", nargs="*", default=(), help="names of models")
    parser.add_argument("--format", default="simple", help="of tabulate: simple, github")
    chosen = parser.parse_args()
    if chosen.kept is not None:
        sys.stdout.write(rendered(*read_pairs(chosen.kept), chosen.format) + "\n")
        return
    subjects = [
        subject
        for subject in SUBJECTS
        if (subject.quick or not chosen.quick) and (subject.name in chosen.only or not chosen.only)
    ]
    absent = [subject.name for subject in subjects if not subject.there]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) if chosen.keep is None else chosen.keep
        there = [subject for subject in subjects if subject.there]
        sweep(there, place, quick=chosen.quick)
        text = rendered(*read_pairs(place), chosen.format)
    if absent:
        text += f"\n\nNot on this machine: {', '.join(absent)}"
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
