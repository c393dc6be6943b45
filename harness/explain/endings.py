"""Reasons that lie in how a run ended, whatever it printed."""

from __future__ import annotations

import re

from harness.observation import Ending, Failure, Observation, Stage
from harness.text import one_line
from harness.verdict import Reason
from harness.versions import version

__all__ = ["NO_GPU", "by_ending", "by_signal"]

NO_GPU = "Run it on a machine with an NVIDIA GPU and its driver."
"""What to do about a cell that only lacks a GPU."""

_KERAS_3 = 3

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def by_ending(observation: Observation) -> Reason | None:
    """Return the reason that the ending alone gives, None where the error's text has to."""
    if observation.signal == "SIGILL" and observation.ending is Ending.SIGNAL:
        return by_signal(observation)
    return _by_limit(observation) or _by_harness(observation)


def _by_limit(observation: Observation) -> Reason | None:
    where = _at(observation)
    match observation.ending:
        case Ending.TIMEOUT:
            return Reason(
                code="timeout",
                message=f"it was not done within the time limit{where}",
                remedy=_timeout_remedy(observation),
            )
        case Ending.OUT_OF_MEMORY:
            return Reason(
                code="out-of-memory",
                message=f"it needed more memory than limits.memory allows{where}",
                remedy="Raise limits.memory in matrix.yaml.",
            )
        case Ending.OUTPUT_LIMIT:
            return Reason(
                code="output-limit",
                message=f"it wrote more than limits.output allows{where}",
                remedy="Raise limits.output in matrix.yaml, or feed fewer samples.",
            )
    return None


def _by_harness(observation: Observation) -> Reason | None:
    match observation.ending:
        case Ending.INVALID:
            return Reason(
                code="invalid-report",
                message="what came back cannot be believed: " + _said(observation, "no report"),
                remedy="Look at probe.log; a model's own code can write over the report.",
            )
        case Ending.INFRASTRUCTURE:
            return Reason(
                code="infrastructure",
                message=_said(observation, "the machine, its network or its engine failed"),
                remedy="Run the same command again; what is done is not repeated.",
            )
        case Ending.SKIPPED:
            return Reason(
                code=_kebab(observation.failure) or "skipped",
                message=_said(observation, "this machine lacks what it needs"),
                remedy=_skipped_remedy(observation.failure),
            )
    return None


def by_signal(observation: Observation) -> Reason:
    """Return what the signal, or the early exit, says by itself."""
    where = _at(observation)
    match observation.signal:
        case "SIGILL":
            return Reason(
                code="illegal-instruction",
                message=f"it used an instruction that this processor does not have{where}",
                remedy="Run it on another machine; TensorFlow's wheels need AVX since 1.6.",
            )
        case "SIGSEGV":
            return Reason(
                code="segmentation-fault",
                message=f"native code crashed{where} (SIGSEGV)",
                remedy="Where the model has Lambda layers, take the Python that wrote it: bytecode "
                "of another one can crash.",
            )
        case "SIGABRT":
            return Reason(code="aborted", message=f"native code gave up{where} (SIGABRT)")
        case None:
            status = observation.exit_status
            said = "" if status is None else f" with status {status}"
            return Reason(code="early-exit", message=f"the process left by itself{where}{said}")
        case name:
            return Reason(code="signal", message=f"the process was killed by {name}{where}")


def _at(observation: Observation) -> str:
    return "" if observation.stage is None else f" at {observation.stage.value}"


def _timeout_remedy(observation: Observation) -> str:
    keras = version(observation.actual.keras)
    if observation.stage is Stage.LOAD and keras is not None and keras.major >= _KERAS_3:
        return (
            "Keras 3 before 3.15 never ends on .h5 files with a model inside a model: take "
            "TensorFlow 2.15 or older, or the SavedModel. Else raise limits.timeout in matrix.yaml."
        )
    return "Raise limits.timeout in matrix.yaml."


def _skipped_remedy(failure: Failure | None) -> str:
    if failure is None or failure.type != "NoGPU":
        return ""
    return f"{NO_GPU} With --check-cuda its libraries are checked without one."


def _kebab(failure: Failure | None) -> str:
    """Return the type of a failure as a code: `NoGPU` is `no-gpu`; empty where it has none."""
    found = _WORDS.findall(failure.type) if failure is not None else []
    return "-".join(word.lower() for word in found)


def _said(observation: Observation, otherwise: str) -> str:
    failure = observation.failure
    return (one_line(failure.message) if failure is not None else "") or otherwise
