"""What a run left behind, read as hostile input, to an observation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from harness.environments.engine import CellFailure, Environment, Lock, RunOutcome
from harness.npz import NpzError, read_npz
from harness.observation import (
    Ending,
    Failure,
    InputFacts,
    Observation,
    ProbeReport,
    Seconds,
    Stage,
)
from harness.tensor import decode_outputs
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["Asked", "observe_failure", "observe_run"]

_REPORT_BYTES = 16 * 1024**2
"""A report of 2,000 packages and 1,000 tensors is under 1 MB."""

# The process ended, but not the way a probe ends by itself.
_CUT_SHORT = (Ending.SIGNAL, Ending.TIMEOUT, Ending.OUT_OF_MEMORY, Ending.OUTPUT_LIMIT, Ending.EXIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the harness itself knows of the cell it observes."""

    cell: str
    key: str
    engine: Literal["docker", "venv"]
    loader: str
    lock: Lock | None = None
    environment: Environment | None = None
    inputs: Literal["inputs.npz", "generated"] = "generated"
    output_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Why a report or its arrays cannot be believed."""

    why: str


def observe_failure(asked: Asked, failure: CellFailure) -> Observation:
    """Return the observation of a cell that ended before its probe could start."""
    return _observation(
        asked,
        ending=failure.ending,
        stage=failure.stage,
        failure=Failure(type=failure.type, message=failure.message[-60_000:]),
    )


def observe_run(asked: Asked, outcome: RunOutcome, out: Path) -> Observation:
    """Return the observation of a run: how it ended, and as much of its report as is sound."""
    if outcome.ending is Ending.INFRASTRUCTURE:
        broken = Failure(type="Infrastructure", message=outcome.message)
        return _observation(asked, ending=outcome.ending, stage=Stage.START, failure=broken)
    report = _read_report(out / "report.json")
    if isinstance(report, _Unreadable):
        return _without_report(asked, outcome, report)
    if report.completed:
        return _completed(asked, outcome, report, out)
    ending = outcome.ending
    if ending in (Ending.COMPLETED, Ending.EXIT):
        ending = Ending.EXIT if report.failure is None else Ending.EXCEPTION
    failure = report.failure
    if failure is None and outcome.message:
        failure = Failure(type="", message=outcome.message)
    return _observation(
        asked, ending=ending, stage=report.stage, failure=failure, outcome=outcome, report=report
    )


def _completed(asked: Asked, outcome: RunOutcome, report: ProbeReport, out: Path) -> Observation:
    unreadable = _check_arrays(asked, report, out)
    if unreadable is not None:
        return _observation(
            asked,
            ending=Ending.INVALID,
            stage=Stage.COLLECT,
            failure=Failure(type="InvalidOutputs", message=unreadable.why),
            outcome=outcome,
            report=report,
        )
    warnings: tuple[str, ...] = ()
    if outcome.ending in _CUT_SHORT:
        how = outcome.signal or outcome.ending.value
        warnings = (f"the process ended by {how} after its results were written",)
    return _observation(
        asked,
        ending=Ending.COMPLETED,
        stage=None,
        outcome=outcome,
        report=report,
        warnings=warnings,
    )


def _without_report(asked: Asked, outcome: RunOutcome, unreadable: _Unreadable) -> Observation:
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
        seconds=seconds,
        warnings=warnings if lock is None or lock.note is None else (lock.note, *warnings),
        observed=datetime.now(UTC),
    )
    return observed if report is None else _with_report(observed, asked, report)


def _with_report(observed: Observation, asked: Asked, report: ProbeReport) -> Observation:
    return observed.model_copy(
        update={
            "loader": report.loader,
            "actual": report.actual,
            "packages": report.packages,
            "signature": report.signature,
            "inputs": InputFacts(
                source=asked.inputs, digest=report.inputs_digest, tensors=tuple(report.inputs)
            ),
            "outputs": tuple(report.outputs),
            "deterministic": report.deterministic,
            "peak_memory_bytes": report.peak_memory_bytes,
            "warnings": (*report.warnings, *observed.warnings),
        }
    )


def _read_report(path: Path) -> ProbeReport | _Unreadable:
    try:
        with open_regular(path) as stream:
            data = stream.read(_REPORT_BYTES + 1)
    except FileNotFoundError:
        return _Unreadable("the probe wrote no report")
    except UntrustedFileError as error:
        return _Unreadable(f"report.json {error}")
    if len(data) > _REPORT_BYTES:
        return _Unreadable(f"report.json is larger than {_REPORT_BYTES} bytes")
    try:
        return ProbeReport.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:200]
        return _Unreadable(f"report.json breaks its schema at {place or 'the top'}: {first['msg']}")


def _check_arrays(asked: Asked, report: ProbeReport, out: Path) -> _Unreadable | None:
    try:
        arrays = read_npz(out / "outputs.npz", max_bytes=asked.output_bytes, what="outputs.npz")
        decode_outputs(report.outputs, arrays)
        if asked.inputs == "generated":
            read_npz(out / "inputs.npz", max_bytes=asked.output_bytes, what="inputs.npz")
    except (NpzError, ValueError) as error:
        return _Unreadable(str(error))
    return None
