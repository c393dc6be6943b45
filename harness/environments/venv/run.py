"""One probe run in a venv: a process of its own with a clean environment, watched to its end."""

from __future__ import annotations

import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import IO

from harness.environments.cpus import CpuPool, pinned
from harness.environments.endings import ending_of
from harness.environments.engine import Environment, Run, RunOutcome
from harness.environments.folders import private_folder, tree_bytes
from harness.environments.log import BoundedLog
from harness.environments.owner import VARIABLE, owner
from harness.environments.request import fill_request
from harness.environments.variables import probe_variables
from harness.environments.venv.watch import ProcessTree, watch
from harness.observation import Ending

__all__ = ["run_in_venv"]

_RUN_VARIABLE = "TENSORFLOW_ENVIRONMENT_MATRIX_RUN"
_CHUNK_BYTES = 64 * 1024
_READER_SECONDS = 5.0


def run_in_venv(
    environment: Environment, run: Run, *, cpus: CpuPool, stopped: threading.Event
) -> RunOutcome:
    """Run the probe once and return when nothing of it is left running."""
    try:
        with private_folder() as folder, cpus.reserve(run.limits.cpus) as chosen:
            return _run(Path(environment.location), run, folder, chosen, stopped)
    except OSError as error:
        message = f"the probe cannot be started: {error.strerror}: {error.filename}"
        return RunOutcome(ending=Ending.INFRASTRUCTURE, message=message)


def _run(
    venv: Path, run: Run, folder: Path, cpus: frozenset[int], stopped: threading.Event
) -> RunOutcome:
    request = folder / "request.json"
    inputs = None if run.inputs is None else str(run.inputs)
    request.write_text(fill_request(run.request, model=str(run.model), inputs=inputs))
    variables = _variables(venv, folder, run)
    started = time.monotonic()
    with pinned(cpus):
        process = subprocess.Popen(
            [venv / "bin" / "python", run.probe, "--request", request, "--out", run.out],
            env=variables,
            cwd=folder / "tmp",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    log = BoundedLog()
    reader = threading.Thread(target=_read, args=(process.stdout, log), daemon=True)
    reader.start()
    tree = ProcessTree(process, _RUN_VARIABLE, variables[_RUN_VARIABLE])
    try:
        broken = watch(
            process,
            tree,
            run.limits,
            written_bytes=lambda: tree_bytes(run.out) + log.total_bytes,
            stopped=stopped,
        )
    finally:
        tree.kill()
        reader.join(_READER_SECONDS)
    outcome = broken or ending_of(process.returncode)
    seconds = time.monotonic() - started
    return outcome.model_copy(update={"log": log.text(), "seconds": seconds})


def _variables(venv: Path, folder: Path, run: Run) -> dict[str, str]:
    """Return all the environment variables of the run: nothing of the harness's own is passed on.

    In particular no LD_LIBRARY_PATH, which would mix this machine's CUDA libraries with the
    environment's.
    """
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    return {
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        **probe_variables(run),
        VARIABLE: owner(),
        _RUN_VARIABLE: uuid.uuid4().hex,
    }


def _read(stream: IO[bytes], log: BoundedLog) -> None:
    with stream:
        while chunk := stream.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
            log.add(chunk)
