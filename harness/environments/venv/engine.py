"""The venv engine: uv environments from this machine's interpreters; no daemon, no sandbox."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Literal

from harness.cell import Cell, Device, Platform
from harness.environments.abandoned import remove_abandoned
from harness.environments.cpus import CpuPool
from harness.environments.cuda import system_cuda
from harness.environments.engine import (
    CellFailure,
    Environment,
    Lock,
    Progress,
    Run,
    RunOutcome,
)
from harness.environments.folders import remove_folder, tree_bytes
from harness.environments.gpu import gpu_names, no_gpu
from harness.environments.interpreters import (
    Interpreter,
    host_platform,
    inspections_directory,
    managed_pythons,
    provide_interpreter,
)
from harness.environments.keeping.kept import EVERYTHING, Inventory, Selection
from harness.environments.keeping.room import Room
from harness.environments.keeping.uses import Uses
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
    venv_location,
)
from harness.environments.venv.keeping import VenvPlace, clean_some, venv_inventory
from harness.environments.venv.run import run_in_venv
from harness.observation import Ending, Stage
from harness.paths import cache_directory
from harness.sizes import shown_size

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
        self._uses = Uses("venv")
        self._room = Room(VenvPlace(), self._uses, limit_bytes=None)

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
        gpu = cell.device is Device.CUDA and bool(gpu_names())
        if cell.device is Device.CUDA and not gpu:
            if not self._options.check_cuda:
                return no_gpu()
            if system_cuda(cell) is not None:
                return _no_cuda(cell)
        interpreter = provide_interpreter(cell.python)
        if isinstance(interpreter, str):
            return _no_interpreter(interpreter)
        made = self._build_in_room(cell, lock, interpreter, progress)
        return made if isinstance(made, CellFailure) else made.model_copy(update={"gpu": gpu})

    def run(self, environment: Environment, run: Run, progress: Progress) -> tuple[RunOutcome, ...]:
        """Run every attempt; returns when nothing of them is left running."""
        if self._stopped.is_set():
            return (stopped_run(),) * len(run.attempts)
        return run_in_venv(
            environment, run, cpus=self._cpus, stopped=self._stopped, progress=progress
        )

    def release(self, environment: Environment) -> None:
        """Leave the venv where it is: it shares its files with others and with uv's cache."""
        self._room.leave(environment.location)

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

    def dropped(self) -> frozenset[str]:
        """Return nothing: no venv is removed for others."""
        return self._room.dropped

    def inventory(self) -> Inventory:
        """Return what is kept in the harness's cache."""
        return venv_inventory(self._uses)

    def clean(self, which: Selection = EVERYTHING) -> tuple[str, ...]:
        """Remove venvs, locks, interpreters and wheels of the harness, or some of them.

        A user's uv cache stays.
        """
        if which.dry_run or not which.everything or self._uses.others_at_work():
            return tuple(clean_some(self._uses, which))
        before = venv_inventory(self._uses).total_bytes
        folders = (
            environments_directory(),
            locks_directory(),
            managed_pythons(),
            inspections_directory(),
            cache_directory() / "uv",
            cache_directory() / "index",
            self._uses.folder,
        )
        removed = [said for folder in folders if (said := remove_folder(folder)) is not None]
        freed = max(0, before - venv_inventory(self._uses).total_bytes)
        return (*removed, f"freed {shown_size(freed)}") if removed else ()

    def _build_in_room(
        self, cell: Cell, lock: Lock, interpreter: Interpreter, progress: Progress
    ) -> Environment | CellFailure:
        """Make the venv, or find it, once the disk has room for it."""
        name = str(venv_location(lock, interpreter))
        expected = self._uses.expected_bytes(cell)
        full = self._room.enter(name, expected, stopped=self._stopped, progress=progress)
        if full is not None:
            return full
        made: Environment | CellFailure | None = None
        try:
            made = build_venv(cell, lock, interpreter, progress=progress, stopped=self._stopped)
        finally:
            if isinstance(made, Environment):
                self._room.made(name)
            else:
                self._room.leave(name)
        if isinstance(made, Environment) and not made.reused:
            self._uses.note_size(cell, tree_bytes(Path(name)))
        return made


def _no_cuda(cell: Cell) -> CellFailure:
    return CellFailure(
        stage=Stage.BUILD,
        ending=Ending.SKIPPED,
        type="NoCudaBase",
        message=(
            f"no NVIDIA GPU here, and nothing to check: TensorFlow {cell.tensorflow} takes CUDA"
            " from the system, a venv brings none; --engine docker takes it from an image"
        ),
    )


def _no_interpreter(why: str) -> CellFailure:
    return CellFailure(stage=Stage.BUILD, ending=Ending.SKIPPED, type="NoInterpreter", message=why)
