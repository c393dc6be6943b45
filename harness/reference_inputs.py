"""What `preprocess.py` made for the reference, beside what it made for the cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.judge.compare import compare
from harness.judge.matching import matched
from harness.judge.within import verdict_of
from harness.observation import Ending, Observation
from harness.opened import Opened, read_copy
from harness.store.layout import SweepFolder
from harness.store.record import RECORDED_INPUTS, SweepRecord
from harness.store.saved import Saved, read_tensors
from harness.tensor import Tensor
from harness.verdict import Reference, Verdict

__all__ = [
    "EqualInputs",
    "equal_inputs",
    "inputs_of",
    "notes_on_inputs",
    "source_of",
    "were_fed",
]

_NO_REFERENCE_INPUTS = (
    "preprocess.py: whether a divergence begins in it cannot be told, since expected.npz comes"
    " without inputs.npz, what preprocess.py returned where the model was made"
)


@dataclass(frozen=True, slots=True)
class EqualInputs:
    """What `preprocess.py` made for the reference, and the cells where it made something else."""

    source: str
    """The reference's cell, or `inputs.npz` where they were recorded."""
    file: Path
    cells: tuple[str, ...]


def equal_inputs(folder: SweepFolder, record: SweepRecord) -> EqualInputs | None:
    """Return which cells must be run once more on the reference's inputs, to tell the model apart.

    None where the model has no preprocessing, or nothing to measure it against.

    Raises:
        NoReferenceError: the reference that was asked for does not exist or has no outputs.
        ResultsError: the saved copy of `inputs.npz` cannot be read.
    """
    if not record.model.preprocesses:
        return None
    opened = Opened(folder, record)
    source = source_of(opened, opened.elect())
    if source is None:
        return None
    reference = inputs_of(opened, source)
    differing = tuple(
        cell
        for cell, observation in opened.saved.observations.items()
        if cell != source and _differs(opened.saved, observation, reference)
    )
    return EqualInputs(source, _file(folder, source), differing)


def source_of(opened: Opened, reference: Reference) -> str | None:
    """Return where the inputs are that gave the reference's outputs; None where nobody knows.

    A cell's own, even where inputs were recorded: the outputs it is the reference with are of
    these. `inputs.npz` goes with `expected.npz`.
    """
    if not opened.record.model.preprocesses:
        return None
    if reference.cell is None:
        return RECORDED_INPUTS if opened.record.model.inputs is not None else None
    observation = opened.saved.observations.get(reference.cell)
    has_any = observation is not None and observation.preprocessed is not None
    return reference.cell if has_any else None


def _file(folder: SweepFolder, source: str) -> Path:
    return folder.inputs if source == RECORDED_INPUTS else folder.cell(source).preprocessed


def inputs_of(opened: Opened, source: str) -> Mapping[str, Tensor] | None:
    """Return the inputs of a source; None where they cannot be read any more."""
    if source == RECORDED_INPUTS:
        return read_copy(read_tensors, opened.folder.inputs)
    try:
        return opened.saved.preprocessed(opened.saved.observations[source])
    except (KeyError, ValueError):
        return None


def were_fed(opened: Opened, inputs: Mapping[str, Tensor]) -> bool:
    """Tell whether the cells were run once more on these inputs: the reference may be another."""
    source = opened.record.equal_inputs
    if source is None:
        return False
    fed = inputs_of(opened, source)
    return fed is not None and _identical(fed, inputs)


def _differs(
    saved: Saved, observation: Observation, reference: Mapping[str, Tensor] | None
) -> bool:
    if observation.ending is not Ending.COMPLETED or observation.preprocessed is None:
        return False
    try:
        own = saved.preprocessed(observation)
    except ValueError:
        return False
    return reference is not None and not _identical(own, reference)


def _identical(actual: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> bool:
    if actual is reference:
        return True
    named = matched(actual, reference)
    if named is None:
        return False
    return verdict_of(compare(named, reference, {}, decide=False)) is Verdict.IDENTICAL


def notes_on_inputs(
    opened: Opened, reference: Reference, inputs: Mapping[str, Tensor] | None
) -> tuple[str, ...]:
    """Say what a reader should know of the preprocessing beside the verdicts."""
    model = opened.record.model
    if not model.preprocesses:
        return ()
    if reference.cell is None:
        told = inputs is not None or not opened.folder.expected.exists()
        return () if told else (_NO_REFERENCE_INPUTS,)
    if model.inputs is None or inputs is None:
        return ()
    recorded = inputs_of(opened, RECORDED_INPUTS)
    if recorded is None or _identical(inputs, recorded):
        return ()
    return (
        f"preprocess.py gives other inputs in the reference, {reference.cell}, than inputs.npz"
        " has: cells are measured against the former, since no expected.npz goes with the latter",
    )
