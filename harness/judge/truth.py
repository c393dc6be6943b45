"""Whether what ran is what the cell says: declared against seen."""

from __future__ import annotations

from harness.cell import Cell, Device
from harness.installed import NOT_AS_LOCKED, unlike_lock
from harness.judge.cuda import cuda_trouble
from harness.observation import Observation, Stage
from harness.text import one_line
from harness.versions import same, same_minor, version

__all__ = ["mislabels", "not_as_locked"]


def mislabels(cell: Cell, observation: Observation) -> tuple[str, ...]:
    """Return, a sentence each, in what the environment that completed is not the cell's.

    Compared are TensorFlow's version as it gives itself, Python, the device the outputs were
    computed on, and every locked package with what was found installed. Packages beside the lock
    (pip, setuptools) do not count. What was not seen is not believed, but for a CPU: nothing
    else is there unless it is asked for.
    """
    return (
        *_tensorflow(cell, observation),
        *_python(cell, observation),
        *_device(cell, observation),
        *_packages(observation),
    )


def not_as_locked(observation: Observation) -> tuple[str, ...]:
    """Return, a sentence each, in what an environment is not what its lock says.

    Of one that was looked at when it was made, and in which therefore nothing was run; empty for
    every other end.
    """
    failure = observation.failure
    if observation.stage is not Stage.BUILD or failure is None or failure.type != NOT_AS_LOCKED:
        return ()
    return tuple(_shown(line, 300) for line in failure.message.splitlines() if line)


def _tensorflow(cell: Cell, observation: Observation) -> tuple[str, ...]:
    seen = observation.actual.tensorflow
    if seen is None:
        return ("which TensorFlow ran could not be seen",)
    declared, actual = version(cell.tensorflow), version(seen)
    # A post release repacks a release, which goes on to name itself (2.15.0.post1).
    repacked = (
        declared is not None
        and declared.is_postrelease
        and actual is not None
        and declared.release == actual.release
        and actual.public == actual.base_version
        and actual.local is None
    )
    if same(cell.tensorflow, seen) or repacked:
        return ()
    return (f"TensorFlow {_shown(seen)} ran, the cell says {cell.tensorflow}",)


def _python(cell: Cell, observation: Observation) -> tuple[str, ...]:
    seen = observation.actual.python
    if seen is None:
        return ("which Python ran could not be seen",)
    if same_minor(seen, cell.python):
        return ()
    return (f"Python {_shown(seen)} ran, the cell says {cell.python}",)


def _device(cell: Cell, observation: Observation) -> tuple[str, ...]:
    seen = observation.actual.device
    if seen is None:
        unseen = "which device computed could not be seen"
        return (unseen,) if cell.device is Device.CUDA else ()
    on_gpu = seen.upper().startswith("GPU")
    if on_gpu == (cell.device is Device.CUDA):
        return ()
    said = f"the outputs were computed on {_shown(seen)}, the cell says {cell.device.value}"
    return (f"{said}{_why_no_gpu(observation) if cell.device is Device.CUDA else ''}",)


def _why_no_gpu(observation: Observation) -> str:
    """Return why TensorFlow fell back on the CPU, as far as what was seen of CUDA tells."""
    cuda = observation.cuda
    if cuda is None:
        return ""
    trouble = cuda_trouble(observation)
    if trouble is not None:
        return f": {one_line(trouble.text, 200)}"
    if cuda.driver is None:
        return ": the driver's library is not there"
    if not cuda.gpus:
        return ": all libraries are there, but TensorFlow sees no GPU"
    return f": it was not used, though there is {_shown(cuda.gpus[0])}"


def _packages(observation: Observation) -> tuple[str, ...]:
    if observation.locked and not observation.packages:
        return ("which packages are installed could not be seen",)
    return unlike_lock(observation.locked, observation.packages)


def _shown(text: str, limit: int = 80) -> str:
    return one_line(text, limit)
