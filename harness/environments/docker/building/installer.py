"""The image that holds nothing but uv, from which builds take it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.environments.docker import names
from harness.environments.docker.bases.archive import write_archive
from harness.environments.docker.bases.host_slice import EPOCH
from harness.environments.docker.daemon import Daemon, find_image, import_archive
from harness.environments.engine import CellFailure
from harness.environments.folders import private_folder
from harness.environments.interpreters import host_platform
from harness.environments.process import Completed
from harness.environments.uv import run_uv, uv_program, uv_version
from harness.environments.uv_failures import classify
from harness.observation import Stage

__all__ = ["installer_program", "provide_installer"]

_TIMEOUT_SECONDS = 600.0


def provide_installer(daemon: Daemon) -> str | CellFailure:
    """Return the reference of the image with uv, made if it is not there.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon or the disk failed.
    """
    version = uv_version().removeprefix("uv ")
    reference = f"{names.INSTALLERS}:{version}"
    if find_image(daemon, reference) is not None:
        return reference
    with private_folder() as folder:
        program = _program(daemon, version, folder / "downloaded")
        if isinstance(program, CellFailure):
            return program
        root = folder / "root"
        root.mkdir()
        shutil.copy(program, root / "uv")
        write_archive(root, folder / "uv.tar", mtime=EPOCH)
        import_archive(
            daemon,
            folder / "uv.tar",
            repository=names.INSTALLERS,
            tag=version,
            changes=(f"LABEL {names.ROLE}=installer",),
        )
    return reference


@contextmanager
def installer_program(daemon: Daemon) -> Iterator[Path | CellFailure]:
    """Yield the path of a uv that runs in the daemon's containers, or why there is none."""
    with private_folder() as folder:
        yield _program(daemon, uv_version().removeprefix("uv "), folder / "downloaded")


def _program(daemon: Daemon, version: str, folder: Path) -> Path | CellFailure:
    """Return a uv for the daemon's platform: the harness's own, or one from the index."""
    host = host_platform()
    if (host.system, host.machine) == ("linux", daemon.machine):
        return uv_program()
    completed: Completed = run_uv(
        [
            *("pip", "install", "--target", folder, "--no-deps", "--only-binary", ":all:"),
            *("--python-platform", f"{daemon.machine}-manylinux_2_28", f"uv=={version}"),
        ],
        timeout_seconds=_TIMEOUT_SECONDS,
    )
    if completed.status != 0:
        return classify(Stage.BUILD, completed, distribution="uv")
    return folder / "bin" / "uv"
