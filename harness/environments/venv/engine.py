"""The venv engine: uv environments from this machine's interpreters; no daemon, no sandbox."""

from __future__ import annotations

import shutil
import threading
from typing import Literal

from harness.cell import Cell, Device, Platform
from harness.environments.abandoned import remove_abandoned
from harness.environments.cpus import CpuPool
from harness.environments.engine import (
    CellFailure,
    Environment,
    Lock,
    Progress,
    Run,
    RunOutcome,
)
from harness.environments.folders import remove_folder
from harness.environments.gpu import gpu_names, no_gpu
from harness.environments.interpreters import (
    host_platform,
    managed_pythons,
    provide_interpreter,
)
from harness.environments.lock import locks_directory, resolve
from harness.environments.options import Options
from harness.environments.owner import is_orphan
from harness.environments.process import stop_programs
from harness.environments.stopping import stopped_build, stopped_run
from harness.environments.uv import uv_version
from harness.environments.venv.build import (
    TEMPORARY,
    build_venv,
    environments_directory,
)
from harness.environments.venv.run import run_in_venv
from harness.observation import Ending, Stage
from harness.paths import cache_directory

__all__ = ["VenvEngine"]


class VenvEngine:
    """Makes venvs and runs probes in them, as the user who runs the harness.

    Once stopped it stays stopped: every later call is answered at once.
    """

    name: Literal["venv"] = "venv"

    def __init__(self, options: Options = Options()) -> None:  # noqa: B008 - immutable
        self._options = options
        self._stopped = threading.Event()
        self._cpus = CpuPool()

    @property
    def platform(self) -> Platform:
        """This machine's."""
        return host_platform()

    def describe(self) -> str:
        """Return one line for the first line of the output and every report."""
        return (
            f"venv engine: {uv_version()}, CPython from this machine;"
            " no sandbox: the model runs with your rights"
        )

    def unobtainable(self, pythons: frozenset[str]) -> dict[str, str]:
        """Return the Pythons that neither this machine nor uv has, each with the reason."""
        provided = {python: provide_interpreter(python) for python in sorted(pythons)}
        return {python: why for python, why in provided.items() if isinstance(why, str)}

    def lock(
        self, cell: Cell, requirements: tuple[str, ...], progress: Progress
    ) -> Lock | CellFailure:
        """Resolve with the interpreter the venv will have."""
        if self._stopped.is_set():
            return stopped_build()
        interpreter = provide_interpreter(cell.python)
        if isinstance(interpreter, str):
            return _no_interpreter(interpreter)
        return resolve(
            cell,
            requirements,
            interpreter=interpreter,
            platform=self.platform,
            progress=progress,
            refresh=self._options.refresh,
        )

    def build(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
        """Make the venv of `lock`, or return the one that is there."""
        if self._stopped.is_set():
            return stopped_build()
        if cell.device is Device.CUDA and not gpu_names():
            return no_gpu()
        interpreter = provide_interpreter(cell.python)
        if isinstance(interpreter, str):
            return _no_interpreter(interpreter)
        return build_venv(cell, lock, interpreter, progress=progress, stopped=self._stopped)

    def run(
        self, environment: Environment, run: Run, progress: Progress
    ) -> tuple[RunOutcome, ...]:
        """Run every attempt; returns when nothing of them is left running."""
        if self._stopped.is_set():
            return (stopped_run(),) * len(run.attempts)
        return run_in_venv(
            environment, run, cpus=self._cpus, stopped=self._stopped, progress=progress
        )

    def release(self, environment: Environment) -> None:
        """Leave the venv where it is: it shares its files with others and with uv's cache."""

    def stop(self) -> None:
        """End everything in flight, for good."""
        self._stopped.set()
        stop_programs()

    def remove_leftovers(self) -> tuple[str, ...]:
        """Remove processes and folders of harness processes that were killed."""
        removed = list(remove_abandoned())
        for folder in sorted(environments_directory().glob(f"*{TEMPORARY}*")):
            if is_orphan(folder.name.partition(TEMPORARY)[2]):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(f"removed {folder}")
        return tuple(removed)

    def clean(self) -> tuple[str, ...]:
        """Remove venvs, locks, interpreters and wheels of the harness; a user's uv cache stays."""
        folders = (
            environments_directory(),
            locks_directory(),
            managed_pythons(),
            cache_directory() / "uv",
            cache_directory() / "index",
        )
        return tuple(said for folder in folders if (said := remove_folder(folder)) is not None)


def _no_interpreter(why: str) -> CellFailure:
    return CellFailure(stage=Stage.BUILD, ending=Ending.SKIPPED, type="NoInterpreter", message=why)
