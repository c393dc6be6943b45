"""Whose a container or process is: a label that outlives the harness, and a check that it lives."""

from __future__ import annotations

import os
import socket

import psutil

__all__ = ["LABEL", "VARIABLE", "is_orphan", "owner"]

LABEL = "tensorflow-environment-matrix"
"""Prefix of every Docker label and image name of the harness."""

VARIABLE = "TENSORFLOW_ENVIRONMENT_MATRIX_OWNER"
"""In the environment of every process that the harness starts: the label of the harness."""


def owner() -> str:
    """Return the label of this harness process: host, process id, start time."""
    started = psutil.Process().create_time()
    return f"{socket.gethostname()}:{os.getpid()}:{started:.2f}"


def is_orphan(label: str) -> bool:
    """Tell whether `label` names a process of this host that no longer lives.

    A label of another host, or one that is not ours, is never an orphan.
    """
    host, _, rest = label.rpartition(":")[0].partition(":")
    started = label.rpartition(":")[2]
    if host != socket.gethostname() or not rest.isdigit():
        return False
    try:
        return f"{psutil.Process(int(rest)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
