"""The environment variables of a probe's process, the same whatever the engine."""

from __future__ import annotations

from harness.environments.engine import Run

__all__ = ["probe_variables"]


def probe_variables(run: Run) -> dict[str, str]:
    """Return the variables `run` adds to its process; those of its flags win.

    A fixed hash seed keeps Python from being the source of differences. `CUDA_VISIBLE_DEVICES=-1`
    hides every GPU (CUDA C++ Programming Guide, "CUDA Environment Variables"), so that a CPU cell
    computes on the CPU on every machine.
    """
    variables = {
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
    }
    if not run.gpu:
        variables["CUDA_VISIBLE_DEVICES"] = "-1"
    if run.flags.intra_op_threads is not None:
        variables["OMP_NUM_THREADS"] = str(run.flags.intra_op_threads)
    return variables | run.flags.variables
