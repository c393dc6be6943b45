"""Which base each Python, and each pair of CUDA and cuDNN, gets on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from harness.cell import Value
from harness.environments.docker.bases.choose import Bases
from harness.environments.docker.bases.cuda import CudaImage
from harness.environments.docker.daemon import DOCKER_ERRORS, explain, find_daemon
from harness.environments.options import BaseSource
from harness.errors import NoEngineError
from harness.observation import Base

__all__ = ["ListedBase", "find_bases", "list_bases"]


class ListedBase(Value):
    """What one entry of `bases.yaml` comes to."""

    wanted: str
    """`Python 3.11`, or `CUDA 11.2 with cuDNN 8.1`."""
    source: str | None = None
    """None: it gets none."""
    reference: str | None = None
    """Without the digest; of what is still to be made, what it is to be made from."""
    digest: str | None = None
    """None: it is still to be made."""
    remark: str | None = None
    """Why there is none, or what a reader should know of the one there is."""


def find_bases(wanted: BaseSource) -> Bases:
    """Return the bases of the Docker daemon that answers.

    Raises:
        NoEngineError: none does.
        BasesError: `bases.yaml` is wrong.
    """
    daemon = find_daemon()
    if isinstance(daemon, str):
        raise NoEngineError(
            f"bases: no Docker daemon answers ({daemon})\n  Start Docker or set DOCKER_HOST."
        )
    return Bases(daemon, wanted)


def list_bases(bases: Bases) -> tuple[ListedBase, ...]:
    """Return what every entry of `bases.yaml` comes to; nothing is downloaded or made.

    Raises:
        NoEngineError: the daemon answered before and does not now.
    """
    try:
        return (*_pythons(bases), *_cuda(bases))
    except DOCKER_ERRORS as error:
        raise NoEngineError(
            f"bases: the daemon went away ({explain(error)[1]})\n"
            "  Start Docker and run the same command again."
        ) from error


def _pythons(bases: Bases) -> Iterator[ListedBase]:
    for python in bases.pinned.python:
        found = bases.preview(python)
        kind = found.kind if isinstance(found, Base) else None
        yield _listed(f"Python {python}", found, kind)


def _cuda(bases: Bases) -> Iterator[ListedBase]:
    for pair in bases.pinned.cuda:
        found = bases.cuda_images.preview(pair.cuda, pair.cudnn)
        kind = found.kind if isinstance(found, CudaImage) else None
        yield _listed(f"CUDA {pair.cuda} with cuDNN {pair.cudnn}", found, kind)


def _listed(wanted: str, found: Base | CudaImage | str, source: str | None) -> ListedBase:
    if isinstance(found, str):
        return ListedBase(wanted=wanted, remark=found)
    return ListedBase(
        wanted=wanted,
        source=source,
        reference=found.reference.partition("@")[0],
        digest=found.digest,
        remark=found.note,
    )
