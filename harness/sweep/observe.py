"""What an attempt left behind, read as hostile input, to an observation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from harness.environments.engine import CellFailure, Environment, Lock, RunOutcome
from harness.observation import (
    Ending,
    Failure,
    InputFacts,
    Observation,
    ProbeReport,
    Seconds,
    Stage,
)
from harness.store.observations import Arrays
from harness.sweep.arrays import sound_variations, unsound_arrays, unsound_inputs, unsound_outputs
from harness.sweep.report_file import Unreadable, read_report
from harness.sweep.request import Inputs

__all__ = ["Asked", "Observed", "observe_failure", "observe_run"]

# The process ended, but not the way a probe ends by itself.
_CUT_SHORT = (Ending.SIGNAL, Ending.TIMEOUT, Ending.OUT_OF_MEMORY, Ending.OUTPUT_LIMIT, Ending.EXIT)

_Source = Literal["inputs.npz", "generated", "preprocess.py", "reference"]
_SOURCES: dict[Inputs, _Source] = {
    "recorded": "inputs.npz",
    "generated": "generated",
    "raw": "preprocess.py",
    "reference": "reference",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the harness itself knows of the attempt it observes."""

    cell: str
    key: str
    engine: Literal["docker", "venv"]
    loader: str
    lock: Lock | None = None
    environment: Environment | None = None
    inputs: Inputs = "generated"
    checked: bool = False
    """Whether CUDA's libraries are looked at and nothing is run, for want of a GPU."""
    output_bytes: int = 0


class Observed(NamedTuple):
    """An observation, and the files it is about."""

    observation: Observation
    arrays: Arrays
    """Those that are sound; none where the attempt did not complete."""


def observe_failure(asked: Asked, failure: CellFailure) -> Observation:
    """Return the observation of a cell that ended before its probe could start."""
    observed = _observation(
        asked,
        ending=failure.ending,
        stage=failure.stage,
        failure=Failure(type=failure.type, message=failure.message[-60_000:]),
    )
    return observed.model_copy(update={"packages": failure.packages})


def observe_run(asked: Asked, outcome: RunOutcome, out: Path) -> Observed:
    """Return what is seen of an attempt that wrote into `out`, which nothing changes any more."""
    if outcome.ending is Ending.INFRASTRUCTURE:
        broken = Failure(type="Infrastructure", message=outcome.message)
        return _bare(_observation(asked, ending=outcome.ending, stage=Stage.START, failure=broken))
    report = read_report(out, asked.loader)
    if isinstance(report, Unreadable):
        return _bare(_without_report(asked, outcome, report))
    if report.completed and not asked.checked:
        return _completed(asked, outcome, report, out)
    ending = outcome.ending
    if ending in (Ending.COMPLETED, Ending.EXIT):
        ending = Ending.EXIT if report.failure is None else Ending.EXCEPTION
    failure = report.failure
    if asked.checked and ending is Ending.EXCEPTION and _is_checked(report):
        ending = Ending.SKIPPED
    if failure is None and outcome.message:
        failure = Failure(type="", message=outcome.message)
    return _bare(
        _observation(
            asked,
            ending=ending,
            stage=report.stage,
            failure=failure,
            outcome=outcome,
            report=report,
        )
    )


def _is_checked(report: ProbeReport) -> bool:
    """Tell whether a probe that had no GPU did all that can be done without one."""
    return report.failure is not None and report.failure.type == "NoGPUError"


def _bare(observation: Observation) -> Observed:
    return Observed(observation, Arrays())


def _completed(asked: Asked, outcome: RunOutcome, report: ProbeReport, out: Path) -> Observed:
    unsound = _unsound(asked, report, out)
    if unsound is not None:
        return _bare(
            _observation(
                asked,
                ending=Ending.INVALID,
                stage=Stage.COLLECT,
                failure=Failure(type="InvalidOutputs", message=unsound),
                outcome=outcome,
                report=report,
            )
        )
    warnings = []
    repeat = _repeat(asked, report, out)
    if isinstance(repeat, Unreadable):
        warnings.append(f"what a second inference gave cannot be compared: {repeat.why}")
    variations, varied = sound_variations(report, out, asked.output_bytes)
    if outcome.ending in _CUT_SHORT:
        how = outcome.signal or outcome.ending.value
        warnings.append(f"the process ended by {how} after its results were written")
    observation = _observation(
        asked,
        ending=Ending.COMPLETED,
        stage=None,
        outcome=outcome,
        report=report,
        warnings=tuple(warnings),
    ).model_copy(update={"variations": variations})
    arrays = Arrays(
        outputs=out / "outputs.npz",
        repeat=repeat if isinstance(repeat, Path) else None,
        preprocessed=out / "preprocessed.npz" if asked.inputs == "raw" else None,
        variations=varied,
    )
    return Observed(observation, arrays)


def _unsound(asked: Asked, report: ProbeReport, out: Path) -> str | None:
    """Return why what came with a report is not what it says; None where it is."""
    most = asked.output_bytes
    unsound = unsound_outputs(out / "outputs.npz", report.outputs, most)
    if unsound is None and asked.inputs == "generated":
        unsound = unsound_arrays(out / "inputs.npz", most)
    if unsound is None and asked.inputs == "raw":
        if report.preprocessed is None:
            return "the report does not say what preprocess.py returned"
        unsound = unsound_inputs(out / "preprocessed.npz", report.preprocessed, most)
    return unsound


def _repeat(asked: Asked, report: ProbeReport, out: Path) -> Path | Unreadable | None:
    """Return the outputs of a second inference; None where they are the same bits.

    A model with random outputs may give other shapes the second time: that is no fault.
    """
    if report.deterministic is not False:
        return None
    path = out / "repeat.npz"
    unsound = unsound_outputs(path, report.outputs, asked.output_bytes)
    return path if unsound is None else Unreadable(unsound)


def _without_report(asked: Asked, outcome: RunOutcome, unreadable: Unreadable) -> Observation:
    """A run that ended before its first report, or forged or broke it."""
    ending = outcome.ending if outcome.ending in _CUT_SHORT else Ending.INVALID
    message = "; ".join(part for part in (outcome.message, unreadable.why) if part)
    failure = Failure(type="NoReport", message=message)
    return _observation(asked, ending=ending, stage=Stage.START, failure=failure, outcome=outcome)


def _observation(
    asked: Asked,
    *,
    ending: Ending,
    stage: Stage | None,
    failure: Failure | None = None,
    outcome: RunOutcome | None = None,
    report: ProbeReport | None = None,
    warnings: tuple[str, ...] = (),
) -> Observation:
    environment, lock = asked.environment, asked.lock
    seconds = report.seconds if report is not None else Seconds()
    if environment is not None:
        seconds = seconds.model_copy(update={"build": environment.build_seconds})
    observed = Observation(
        cell=asked.cell,
        key=asked.key,
        engine=asked.engine,
        loader=asked.loader,
        ending=ending,
        stage=stage,
        failure=failure,
        exit_status=outcome.exit_status if outcome is not None else None,
        signal=outcome.signal if outcome is not None else None,
        environment=environment.facts if environment is not None else None,
        locked=lock.packages if lock is not None else {},
        # Told of every end, since it is what tells these attempts from those on own inputs.
        inputs=InputFacts(source="reference") if asked.inputs == "reference" else None,
        seconds=seconds,
        warnings=(*_notes(asked), *warnings),
        observed=datetime.now(UTC),
    )
    return observed if report is None else _with_report(observed, asked, report)


def _notes(asked: Asked) -> tuple[str, ...]:
    """What a reader should know of the lock and the environment."""
    locked = None if asked.lock is None else asked.lock.note
    made = () if asked.environment is None else asked.environment.notes
    return made if locked is None else (locked, *made)


def _with_report(observed: Observation, asked: Asked, report: ProbeReport) -> Observation:
    preprocessed = None if report.preprocessed is None else tuple(report.preprocessed)
    return observed.model_copy(
        update={
            "actual": report.actual,
            "packages": report.packages,
            "signature": report.signature,
            "inputs": InputFacts(
                source=_SOURCES[asked.inputs],
                digest=report.inputs_digest,
                tensors=tuple(report.inputs),
            ),
            "preprocessed": preprocessed if asked.inputs == "raw" else None,
            "outputs": tuple(report.outputs),
            "deterministic": report.deterministic,
            "restored": report.restored,
            "training": report.training,
            "cuda": report.cuda,
            "peak_memory_bytes": report.peak_memory_bytes,
            "warnings": (*report.warnings, *observed.warnings),
        }
    )
