"""Whether what ran is what the cell says: declared against seen."""

from __future__ import annotations

from packaging.utils import canonicalize_name

from harness.cell import Cell, Device
from harness.judge.versions import same, same_minor, version
from harness.observation import Observation
from harness.text import one_line

__all__ = ["mislabels"]


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
    return (f"the outputs were computed on {_shown(seen)}, the cell says {cell.device.value}",)


def _packages(observation: Observation) -> tuple[str, ...]:
    if observation.locked and not observation.packages:
        return ("which packages are installed could not be seen",)
    installed = {canonicalize_name(name): seen for name, seen in observation.packages.items()}
    sentences = []
    for name in sorted(observation.locked):
        locked, seen = observation.locked[name], installed.get(canonicalize_name(name))
        if seen is None:
            sentences.append(f"{name} {locked} is locked but not installed")
        elif not same(locked, seen):
            sentences.append(f"{name} {_shown(seen)} is installed, {locked} is locked")
    return tuple(sentences)


def _shown(text: str) -> str:
    return one_line(text, 80)
