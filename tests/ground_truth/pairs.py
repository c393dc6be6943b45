"""Pairs of runs that are known to be alike or not, as the harness judges them and as others do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.judge.matching import matched
from harness.judging import judged_table
from harness.observation import Ending
from harness.report.table import CellRow
from harness.store.layout import SweepFolder
from harness.store.results import load_record
from harness.store.saved import Saved
from harness.tensor import NumericTensor, Tensor
from harness.verdict import Verdict
from tests.ground_truth.folders import Label
from tests.ground_truth.subjects import SUBJECTS, Subject
from tests.ground_truth.sweep import DRAWS, REFERENCE

__all__ = ["FIXED", "FLOORS", "Pair", "Unrun", "read_pairs"]

FIXED = (1e-5, 1e-3)
"""What others take for `atol=rtol`, whatever the model."""

FLOORS = ("ulp-inputs", "ulp-weights", "halves", "one-thread")
"""What a floor can be taken from: the largest distance of such runs from the plain one."""

_Arrays = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A run beside the plain one."""

    subject: str
    kind: str
    change: str
    label: Label
    verdict: Verdict
    code: str
    """Of the reason; empty without."""
    max_abs: float
    """Over all outputs, in units of the output."""
    scale: float
    """Largest |reference| of the output that differs most for its size."""
    max_ulp: int | None
    decisions: int | None
    decisions_changed: int | None
    tolerated: bool
    """Whether it is within the tolerances of the harness, whatever the noise."""
    fixed: Mapping[float, bool]
    """Whether it passes `atol=rtol`, by tolerance."""
    needed: float
    """The smallest `atol=rtol` that it passes."""
    share: float
    """Largest difference as a share of the output's scale, over the outputs."""
    floors: Mapping[str, float]
    """Largest difference as a multiple of each floor, over the outputs; inf where that is 0."""

    @property
    def inert(self) -> bool:
        """Whether a harmful change has no effect at all on what the model was fed."""
        return self.label is Label.HARMFUL and self.verdict is Verdict.IDENTICAL

    @property
    def passes(self) -> bool:
        """Whether the harness says they are alike."""
        return self.verdict in (Verdict.IDENTICAL, Verdict.EQUIVALENT)


@dataclass(frozen=True, slots=True)
class Unrun:
    """What gave no pair."""

    subject: str
    change: str
    verdict: Verdict
    why: str


def read_pairs(folder: Path) -> tuple[tuple[Pair, ...], tuple[Unrun, ...]]:
    """Judge everything below `folder`, a subject after the other, and what could not be run."""
    pairs: list[Pair] = []
    unrun: list[Unrun] = []
    for subject in SUBJECTS:
        if (folder / subject.name).is_dir():
            for one in _of_subject(subject, folder):
                (pairs if isinstance(one, Pair) else unrun).append(one)  # type: ignore[arg-type]
    return tuple(pairs), tuple(unrun)


def _of_subject(subject: Subject, folder: Path) -> list[Pair | Unrun]:
    sweep = SweepFolder(folder / subject.name)
    record = load_record(sweep)
    outputs = _outputs(sweep)
    draws = folder / f"{subject.name}-{DRAWS}"
    plain = outputs(REFERENCE)
    floors = _floors(plain, outputs, _outputs(SweepFolder(draws))) if draws.is_dir() else {}
    found: list[Pair | Unrun] = []
    for row in judged_table(sweep, record, REFERENCE).cells:
        if row.id == REFERENCE:
            continue
        if row.divergence is None:
            why = "" if row.reason is None else row.reason.message
            found.append(Unrun(subject.name, _change(row), row.verdict, why))
            continue
        found.append(_pair(subject, row, outputs(row.id), plain, floors))
    return found


def _change(row: CellRow) -> str:
    """Return what is other than in the plain run."""
    return row.flags if row.tensorflow == "2.15.1" else f"TensorFlow {row.tensorflow}"


def _outputs(folder: SweepFolder) -> Callable[[str], _Arrays]:
    """Return a way to the outputs of a sweep's cells, by name and as float64."""
    record = load_record(folder)
    saved = Saved(folder, record.model, record.plan.cells)

    def outputs(change: str) -> _Arrays:
        cell = change if change in saved.observations else f"{REFERENCE}+{change}"
        observation = saved.observations[cell]
        assert observation.ending is Ending.COMPLETED, (folder.path.name, cell, observation.failure)
        return {name: _array(tensor) for name, tensor in saved.outputs(observation).items()}

    return outputs


def _array(tensor: Tensor) -> NDArray[np.float64]:
    assert isinstance(tensor, NumericTensor)
    return tensor.array.astype(np.float64)


def _floors(
    plain: _Arrays, outputs: Callable[[str], _Arrays], draws: Callable[[str], _Arrays]
) -> Mapping[str, Mapping[str, float]]:
    """Return, by kind of floor and output, how far runs that ought to agree lie from the plain."""
    first, second = draws("half-first"), draws("half-second")
    of = {
        "ulp-inputs": [draws(f"ulp-inputs-{draw}") for draw in range(4)],
        "ulp-weights": [draws(f"ulp-weights-{draw}") for draw in range(2)],
        "halves": [{name: np.concatenate([first[name], second[name]]) for name in plain}],
        "one-thread": [outputs("one-thread")],
    }
    return {
        kind: {name: max(_far(run[name], plain[name]) for run in runs) for name in plain}
        for kind, runs in of.items()
    }


def _far(actual: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    return float(np.abs(actual - reference).max())


def _pair(
    subject: Subject,
    row: CellRow,
    actual: _Arrays,
    plain: _Arrays,
    floors: Mapping[str, Mapping[str, float]],
) -> Pair:
    assert row.divergence is not None
    change = _change(row)
    actual = _renamed(actual, plain)
    far = {name: _far(actual[name], plain[name]) for name in plain}
    scales = {name: float(np.abs(plain[name]).max()) for name in plain}
    shares = {name: _times(far[name], scales[name]) for name in plain}
    worst = max(shares, key=lambda name: shares[name])
    decisions = [output.decisions for output in row.divergence.outputs.values()]
    return Pair(
        subject=subject.name,
        kind=subject.kind,
        change=change,
        label=Label.HARMFUL if change in (*subject.edits, *subject.mistakes) else Label.HARMLESS,
        verdict=row.verdict,
        code="" if row.reason is None else row.reason.code,
        max_abs=max(far.values()),
        scale=scales[worst],
        max_ulp=row.divergence.max_ulp,
        decisions=max((count for count in decisions if count is not None), default=None),
        decisions_changed=row.divergence.decisions_changed,
        tolerated=all(
            _close(actual[name], plain[name], output.atol or 0, output.rtol or 0)
            for name, output in row.divergence.outputs.items()
        ),
        fixed={
            tolerance: all(
                _close(actual[name], plain[name], tolerance, tolerance) for name in plain
            )
            for tolerance in FIXED
        },
        needed=max(_needed(actual[name], plain[name]) for name in plain),
        share=shares[worst],
        floors={
            kind: max(_times(far[name], floor[name]) for name in plain)
            for kind, floor in floors.items()
        },
    )


def _close(
    actual: NDArray[np.float64], reference: NDArray[np.float64], atol: float, rtol: float
) -> bool:
    return bool(np.allclose(actual, reference, atol=atol, rtol=rtol, equal_nan=True))


def _renamed(actual: _Arrays, plain: _Arrays) -> _Arrays:
    """Return the outputs under the names of the plain ones, as the judge does."""
    tensors = {
        side: {name: NumericTensor("float64", array) for name, array in arrays.items()}
        for side, arrays in (("actual", actual), ("plain", plain))
    }
    named = matched(tensors["actual"], tensors["plain"])
    assert named is not None, (list(actual), list(plain))
    return {name: _array(tensor) for name, tensor in named.items()}


def _needed(actual: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Return the smallest t with |actual - reference| <= t + t * |reference| everywhere."""
    return float((np.abs(actual - reference) / (1 + np.abs(reference))).max())


def _times(far: float, floor: float) -> float:
    if far == 0:
        return 0.0
    return far / floor if floor else math.inf
