"""What judgement rests on: the observations of one sweep, and a way to their arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.observation import Observation
from harness.tensor import Tensor

__all__ = ["Arrays", "Seen"]

Arrays = Callable[[Observation], Mapping[str, Tensor]]
"""Gives arrays of an observation that completed, by name; raises ValueError where they are not
there, or not what the observation says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One sweep of one model; everything goes by cell id."""

    observations: Mapping[str, Observation]
    """Of the first loader, whose outcome is the cell's verdict."""
    others: Mapping[str, tuple[Observation, ...]]
    """Of the further loaders, in the order of `harness.model.loaders`."""
    equal_inputs: Mapping[str, Observation]
    """Of the first loader, fed what `preprocess.py` made in the reference's environment."""
    outputs: Arrays
    repeat: Arrays
    """Outputs of a second inference in the same process, where it gave other bits."""
    preprocessed: Arrays
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Why the observation of a cell, which is there, cannot be used."""
