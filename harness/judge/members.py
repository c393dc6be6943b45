"""Whose outputs can be held against each other, and which of them are the same bits."""

from __future__ import annotations

import hashlib
import mmap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from harness.judge.seen import Seen
from harness.judge.truth import mislabels
from harness.observation import Ending, Observation
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, StringTensor, Tensor

__all__ = ["EXPECTED", "Member", "digest", "members"]

EXPECTED = "expected.npz"
"""Name of the recorded outputs among the members; no cell has such an id."""

_BLOCK_BYTES = 1 << 24

_MAPPED_BYTES = 1 << 20
"""What an array mapped from a file counts for: it takes no memory, but an open file, of which a
process often may have 1,024."""


@dataclass(frozen=True, slots=True)
class Member:
    """A cell that completed, or the recorded outputs; its arrays are only read when asked for."""

    name: str
    """Id of the cell, or `EXPECTED`."""
    loader: str | None
    layout: tuple[tuple[str, str, tuple[int, ...]], ...]
    """Name, dtype and shape of each output, sorted by name."""
    digests: tuple[bytes, ...]
    """Of each output, in the order of `layout`."""
    own: Mapping[str, str]
    """What an output of `layout` is called in its arrays."""
    held_bytes: int
    """What its arrays take in memory while they are in use; little for those that are mapped."""
    read: Callable[[], Mapping[str, Tensor]]


def members(
    cells: Sequence[PlannedCell], seen: Seen, expected: Mapping[str, Tensor] | None
) -> tuple[Member, ...]:
    """Return the cells that can be compared, in the plan's order, and `expected` at the end.

    Those are the cells whose first loader completed, which are what they say, were fed alike (as
    most of them were) and whose outputs can be read. Each one's outputs are read once here.
    """
    found = []
    for observation in _alike(_completed(cells, seen)):
        read = partial(seen.outputs, observation)
        try:
            outputs = read()
        except ValueError:
            continue
        found.append(_member(observation.cell, observation.loader, outputs, read))
        del outputs
    if expected is not None:
        found.append(_member(EXPECTED, None, expected, lambda: expected))
    return tuple(_called_alike(found))


def digest(tensor: Tensor) -> bytes:
    """Return the sha256 of a tensor's elements, which tells tensors of one dtype and shape apart.

    Two have one digest exactly where they are the same bit for bit.
    """
    told = hashlib.sha256()
    if isinstance(tensor, StringTensor):
        for text in tensor.strings:
            told.update(len(text).to_bytes(8, "little"))
            told.update(text)
        return told.digest()
    flat = tensor.array.reshape(-1)
    step = max(1, _BLOCK_BYTES // max(1, flat.itemsize))
    for start in range(0, flat.size, step):
        block = np.ascontiguousarray(flat[start : start + step]).view(np.uint8)
        if flat.dtype.kind == "b":
            block = (block != 0).view(np.uint8)  # any byte but 0 is True
        told.update(block.data)
    return told.digest()


def _completed(cells: Sequence[PlannedCell], seen: Seen) -> Iterator[Observation]:
    for planned in cells:
        observation = seen.observations.get(planned.cell.id)
        if (
            planned.unavailable is None
            and observation is not None
            and observation.ending is Ending.COMPLETED
            and not mislabels(planned.cell, observation)
        ):
            yield observation


def _alike(observations: Iterator[Observation]) -> list[Observation]:
    """Return those that were fed what most were; what `preprocess.py` made counts as alike.

    Of inputs that equally many were fed, those whose digest comes first count.
    """
    ran = list(observations)
    fed = Counter(_fed(one) for one in ran if one.preprocessed is None)
    most = min(fed, key=lambda digest: (-fed[digest], digest), default="")
    return [one for one in ran if one.preprocessed is not None or _fed(one) == most]


def _fed(observation: Observation) -> str:
    inputs = observation.inputs
    return "" if inputs is None or inputs.digest is None else inputs.digest


def _member(
    name: str,
    loader: str | None,
    outputs: Mapping[str, Tensor],
    read: Callable[[], Mapping[str, Tensor]],
) -> Member:
    names = sorted(outputs)
    return Member(
        name=name,
        loader=loader,
        layout=tuple((each, outputs[each].dtype, outputs[each].shape) for each in names),
        digests=tuple(digest(outputs[each]) for each in names),
        own={each: each for each in names},
        held_bytes=sum(map(_held_bytes, outputs.values())),
        read=read,
    )


def _held_bytes(tensor: Tensor) -> int:
    if isinstance(tensor, StringTensor):
        return sum(map(len, tensor.strings))
    return _MAPPED_BYTES if _is_mapped(tensor) else tensor.array.nbytes


def _is_mapped(tensor: NumericTensor) -> bool:
    base: object = tensor.array
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return isinstance(base, mmap.mmap)


def _called_alike(found: Sequence[Member]) -> Iterator[Member]:
    """Give an only output the name it has most often, where another loader names it otherwise.

    As in `harness.judge.matching`: a signature's `output_0` is Keras's `dense_1`. Names of one
    loader, and those of recorded outputs, are taken as they are.
    """
    only = Counter(
        (one.loader, one.layout[0][0])
        for one in found
        if one.loader is not None and len(one.layout) == 1
    )
    if not only:
        yield from found
        return
    loader, name = min(only, key=lambda pair: (-only[pair], pair))
    for one in found:
        if one.loader in (None, loader) or len(one.layout) != 1:
            yield one
        else:
            ((own, dtype, shape),) = one.layout
            yield replace(one, layout=((name, dtype, shape),), own={name: own})
