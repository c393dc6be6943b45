"""What a user can ask of an engine beside the matrix."""

from __future__ import annotations

from typing import Literal

from harness.cell import Value

__all__ = ["BAKES", "BASE_SOURCES", "ENGINES", "BaseSource", "Options"]

ENGINES = ("auto", "docker", "venv")

BaseSource = Literal["auto", "registry", "local-image", "host-slice", "debian"]
BASE_SOURCES = ("auto", "registry", "local-image", "host-slice", "debian")
BAKES = ("always", "never")


class Options(Value):
    """How environments are made. None of it changes what a cell is."""

    refresh: bool = False
    """Resolve locks again even where one is kept."""
    base: BaseSource = "auto"
    """Where the bases of images come from: a registry; an image of that name on this machine; an
    interpreter of this machine; a Debian suite's own Python. `auto`: the first that there is."""
    bake: Literal["always", "never"] = "always"
    """`never`: environments are not made images but mounted, read-only, into containers of their
    bases: quicker, for exploring."""
    pull: str | None = None
    """Prefix of a registry, such as `registry.example/team/`, whose images are used where it has
    them."""
    push: str | None = None
    """Prefix of a registry that is given every image that was used."""
    check_cuda: bool = False
    """Make CUDA environments on a machine without a GPU too, to check their libraries."""
    disk_bytes: int | None = None
    """Most bytes that environments may take at once; those that are done with are dropped for
    others. None: as much as there is."""
