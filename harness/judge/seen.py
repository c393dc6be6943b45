"""What judgement rests on: the observations of one sweep, and a way to their arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.observation import Observation
from harness.tensor import StringTensor, Tensor

__all__ = ["Arrays", "Seen", "Varied", "keeping"]

Arrays = Callable[[Observation], Mapping[str, Tensor]]
"""Gives arrays of an observation that completed, by name; raises ValueError where they are not
there, or not what the observation says."""

Varied = Callable[[Observation, str], Mapping[str, Tensor]]
"""Gives what one variation of the inference gave, by its name, where it gave other bits; raises
ValueError as `Arrays` does."""


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
    variation: Varied
    preprocessed: Arrays
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Why the observation of a cell, which is there, cannot be used."""


def keeping(give: Arrays, max_bytes: int) -> Arrays:
    """Return a way to what `give` gives that keeps it in memory, up to `max_bytes` in all.

    So outputs that are small are read once, where `give` hands out again what is in use.
    """
    kept: dict[int, Mapping[str, Tensor]] = {}
    total = 0

    def take(observation: Observation) -> Mapping[str, Tensor]:
        nonlocal total
        found = give(observation)
        if id(found) not in kept:
            size = sum(map(_size_bytes, found.values()))
            if total + size <= max_bytes:
                total += size
                kept[id(found)] = found
        return found

    return take


def _size_bytes(tensor: Tensor) -> int:
    if isinstance(tensor, StringTensor):
        return sum(map(len, tensor.strings))
    return tensor.array.nbytes
