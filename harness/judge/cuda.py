"""What is wrong with the CUDA that was seen, and in which words TensorFlow says so itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from harness.environments.cuda import versions_for
from harness.observation import Cuda, Library, Observation, Stage
from harness.text import one_line
from harness.versions import version

__all__ = ["CudaTrouble", "cuda_trouble", "seen_of_cuda", "wanted_cudnn"]


class CudaTrouble(NamedTuple):
    """Why a TensorFlow cannot use a GPU, whatever GPU there is."""

    stage: Stage
    """`import`: libraries cannot be opened. `load`: they are refused when they are started."""
    text: str
    """TensorFlow's own words, where it has some."""


def cuda_trouble(observation: Observation) -> CudaTrouble | None:
    """Return what is wrong with the CUDA libraries a run had; None where nothing is, or unseen.

    TensorFlow wants every library by a name that holds a major version, and of cuDNN "matching
    major version and equal or higher minor version" (`cuda_dnn.cc`, in every release from 1.15).
    """
    cuda = observation.cuda
    if cuda is None:
        return None
    if cuda.wanted is None:
        return CudaTrouble(Stage.IMPORT, "this TensorFlow is not built for CUDA")
    if not cuda.libraries and cuda.own_check is False:
        return CudaTrouble(Stage.IMPORT, "Cannot dlopen some GPU libraries")
    return _missing(cuda) or _older_cudnn(observation, cuda)


def _missing(cuda: Cuda) -> CudaTrouble | None:
    missing = [one for one in cuda.libraries if one.needed and one.path is None]
    if missing:
        # What other versions are there of tells more than what there is nothing of.
        first = min(missing, key=lambda one: _instead(cuda, one) is None)
        return CudaTrouble(Stage.IMPORT, _not_opened(cuda, first))
    return None


def _older_cudnn(observation: Observation, cuda: Cuda) -> CudaTrouble | None:
    loaded = next((one for one in cuda.libraries if one.needed and _is_cudnn(one)), None)
    wanted = wanted_cudnn(observation)[0]
    if loaded is None or loaded.version is None or wanted is None:
        return None
    here, built = version(loaded.version), version(wanted)
    if here is None or built is None or (here.major, here.minor) >= (built.major, built.minor):
        return None
    return CudaTrouble(
        Stage.LOAD,
        f"Loaded runtime CuDNN library: {_short(loaded.version)} but source was compiled with:"
        f" {_short(wanted)}. CuDNN library needs to have matching major version and equal or"
        " higher minor version.",
    )


def wanted_cudnn(observation: Observation) -> tuple[str | None, str]:
    """Return the cuDNN that TensorFlow was compiled against, and how exactly that is known."""
    cuda = observation.cuda
    if cuda is None or cuda.wanted_cudnn is None:
        return None, ""
    if cuda.wanted_cudnn_by is not None:
        return cuda.wanted_cudnn, f"its package asks for {cuda.wanted_cudnn_by}"
    told = observation.actual.tensorflow
    pair = versions_for(told) if told is not None and version(told) is not None else None
    if pair is not None and pair.cudnn.partition(".")[0] == cuda.wanted_cudnn:
        return pair.cudnn, "the version it was tested with"
    return cuda.wanted_cudnn, "no minor version is known"


def seen_of_cuda(observation: Observation) -> tuple[str, ...]:
    """Return lines on what TensorFlow was compiled against and what of it is there."""
    cuda = observation.cuda
    if cuda is None:
        return ()
    wanted, known = wanted_cudnn(observation)
    return (
        f"compiled against CUDA {_short(cuda.wanted)}, cuDNN {_short(wanted)} ({_short(known)})",
        *_present(cuda),
        *_absent(cuda),
        f"driver: {'none' if cuda.driver is None else f'for CUDA {_short(cuda.driver)}'}",
        *_leaks(observation, cuda),
        *_second_witness(cuda),
    )


def _present(cuda: Cuda) -> Iterator[str]:
    there = [one for one in cuda.libraries if one.needed and one.path is not None]
    if there:
        listed = ", ".join(_opened(one) for one in there)
        yield f"opened as TensorFlow does: {listed}"


def _opened(library: Library) -> str:
    """Name a library by its version; some do not tell it without a driver (CUDA 11's runtime)."""
    if library.version is None:
        return _short(library.name)
    return f"{_stem(library)} {_short(library.version)}"


def _absent(cuda: Cuda) -> Iterator[str]:
    absent = [one for one in cuda.libraries if one.needed and one.path is None]
    if absent:
        yield f"cannot be opened: {', '.join(_short(one.name) for one in absent)}"
    others = [one for one in cuda.libraries if not one.needed]
    if others:
        listed = ", ".join(f"{_short(one.name)} ({_short(one.version)})" for one in others)
        yield f"there instead: {listed}"


def _leaks(observation: Observation, cuda: Cuda) -> Iterator[str]:
    """Say which libraries are this machine's: a venv does not keep them out."""
    leaked = [one for one in cuda.libraries if one.outside and one.path is not None]
    if observation.engine == "venv" and leaked:
        listed = ", ".join(_short(one.path) for one in leaked)
        yield f"from this machine, not from the environment: {listed}"


def _second_witness(cuda: Cuda) -> Iterator[str]:
    found = all(one.path is not None for one in cuda.libraries if one.needed)
    if cuda.own_check is not None:
        agrees = "agrees" if cuda.own_check == found else "says otherwise"
        yield f"TensorFlow's own check of its libraries {agrees}"


def _not_opened(cuda: Cuda, library: Library) -> str:
    other = _instead(cuda, library)
    if other is not None:
        name, here = _short(library.name), _short(other.version)
        return f"{name} is wanted, there is {_short(other.name)} of version {here}"
    return f"Could not load dynamic library '{_short(library.name)}'; dlerror: {library.error}"


def _instead(cuda: Cuda, library: Library) -> Library | None:
    others = (one for one in cuda.libraries if not one.needed and _stem(one) == _stem(library))
    return next(others, None)


def _is_cudnn(library: Library) -> bool:
    return _stem(library) == "cudnn"


def _stem(library: Library) -> str:
    return one_line(library.name, 60).removeprefix("lib").partition(".so")[0]


def _short(text: str | None) -> str:
    return "?" if text is None else one_line(text, 120)
