"""Cells that benchmarks are about: exact releases on exact Pythons, as the index has them."""

from __future__ import annotations

import os

from harness.cell import Cell, Distribution
from harness.plan.index import read_index

__all__ = ["cell_of"]


def cell_of(version: str, python: str) -> Cell:
    """Return the CPU cell of a release, dated as it was uploaded."""
    release = read_index(os.environ).release("tensorflow-cpu", version)
    if release is None:
        raise SystemExit(f"the package index has no tensorflow-cpu {version}")
    uploaded = min(wheel.uploaded for wheel in release.wheels)
    distribution = Distribution(name="tensorflow-cpu", version=version, released=uploaded)
    return Cell(tensorflow=version, python=python, distribution=distribution)
