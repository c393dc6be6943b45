"""Images that hold the libraries of CUDA and cuDNN, for releases whose wheels do not bring them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from harness.cell import Value
from harness.environments.docker.bases.local_image import local_image
from harness.environments.docker.bases.pinned import PinnedBases, PinnedImage
from harness.environments.docker.bases.registry import Found, Registry
from harness.environments.docker.daemon import Daemon
from harness.environments.engine import CellFailure, Progress
from harness.environments.options import BaseSource
from harness.observation import Ending, Stage

__all__ = ["CudaImage", "CudaImages"]

_OFFICIAL = "tensorflow/tensorflow"


class CudaImage(Value):
    """An image with the run-time libraries of a CUDA and a cuDNN."""

    reference: str
    """What a Dockerfile names it by; of a registry's image with its digest."""
    digest: str
    """The registry's, or the id of an image that only this machine has."""
    kind: Literal["registry", "local-image"] = "registry"
    note: str | None = None
    """What a reader should know: that it is not the one that was pinned."""

    @property
    def name(self) -> str:
        """Which image it is, beyond doubt: with its digest."""
        return self.reference if "@" in self.reference else f"{self.reference}@{self.digest}"


class CudaImages:
    """The images of each pair of CUDA and cuDNN: a registry's, else those of this machine.

    Neither is made here: where bases are to be, both are looked at.
    """

    def __init__(
        self, daemon: Daemon, registry: Registry, pinned: PinnedBases, wanted: BaseSource
    ) -> None:
        self._daemon = daemon
        self._registry = registry
        self._pinned = pinned
        self._asks_registry = wanted != "local-image"
        self._looks_here = wanted != "registry"

    def preview(self, cuda: str, cudnn: str, tensorflow: str | None = None) -> CudaImage | str:
        """Return the image of a pair, nothing downloaded, or one line that says why there is none.

        Of several official images of TensorFlow, that of release `tensorflow` comes first.

        Raises:
            Those of `DOCKER_ERRORS`: the daemon does not answer.
        """
        found = self._find(cuda, cudnn, tensorflow)
        return _image(found) if isinstance(found, Found) else found

    def get(
        self, cuda: str, cudnn: str, tensorflow: str, progress: Progress
    ) -> CudaImage | CellFailure:
        """Return the image of a pair, pulled if it is not there.

        Raises:
            Those of `DOCKER_ERRORS`: the registry or the daemon failed.
        """
        found = self._find(cuda, cudnn, tensorflow)
        if isinstance(found, str):
            return CellFailure(
                stage=Stage.BUILD,
                ending=Ending.SKIPPED,
                type="NoCudaBase",
                message=self._missing(cuda, cudnn, tensorflow, found),
            )
        if isinstance(found, Found):
            self._registry.pull(found, progress)
            return _image(found)
        return found

    def _missing(self, cuda: str, cudnn: str, tensorflow: str, why: str) -> str:
        images = _own_first(self._pinned.of_cuda(cuda, cudnn), tensorflow)
        names = " or ".join(self._registry.reference(image) for image in images)
        advice = "name a registry that has it with HARNESS_BASE_REGISTRY"
        return (
            f"TensorFlow {tensorflow} takes CUDA {cuda} and cuDNN {cudnn} from the system, and no"
            f" image with them is to be had: {why}"
            + (f". Give Docker {names}, or {advice}" if names else "")
        )

    def _find(self, cuda: str, cudnn: str, tensorflow: str | None) -> Found | CudaImage | str:
        images = tuple(_own_first(self._pinned.of_cuda(cuda, cudnn), tensorflow))
        if not images:
            return f"{self._pinned.file} names none for them; add one there"
        reasons: dict[str, None] = {}
        for image in images if self._asks_registry else ():
            found = self._registry.find(image)
            if isinstance(found, Found):
                return found
            reasons[found] = None
        for image in images if self._looks_here else ():
            reference = self._registry.reference(image)
            here = local_image(self._daemon, reference)
            if here is not None:
                return CudaImage(reference=reference, digest=here, kind="local-image")
        if self._looks_here:
            reasons["no such image on this machine"] = None
        return "; ".join(reasons)


def _own_first(images: tuple[PinnedImage, ...], tensorflow: str | None) -> Iterator[PinnedImage]:
    """Yield NVIDIA's images, then the release's own, then those of other releases."""
    yield from (image for image in images if image.repository != _OFFICIAL)
    official = [image for image in images if image.repository == _OFFICIAL]
    yield from sorted(official, key=lambda image: image.tag != f"{tensorflow}-gpu")


def _image(found: Found) -> CudaImage:
    return CudaImage(reference=found.reference, digest=found.digest, note=found.note)
