"""Reading a checkpoint without TensorFlow: the names, types and shapes it holds, and its objects.

tensorflow/core/protobuf/tensor_bundle.proto: `PREFIX.index` is a table of one entry for each
tensor, `PREFIX.data-00000-of-00001` and so on hold their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError

from harness.errors import ModelError, Problem
from harness.model.contents import inside
from harness.model.inspected import Inspected
from harness.model.model import Writer
from harness.model.protos import BundleEntry, BundleHeader, TrackableObjectGraph, dtype_name
from harness.model.shards import COPY, shard_name, shard_problems
from harness.model.table import TableError, read_table
from harness.model.wire import WireError, varint
from harness.text import one_line
from harness.untrusted import UntrustedFileError, open_regular

__all__ = [
    "NEW_FORMAT",
    "OLD_FORMAT",
    "CheckpointIndex",
    "CheckpointTensor",
    "Slot",
    "inspect_checkpoint",
    "read_checkpoint_index",
    "read_slots",
]

OLD_FORMAT: Final = "is a checkpoint in TensorFlow's old format, V1, without its graph"
NEW_FORMAT: Final = (
    "put its .meta file beside it, or save it again with a `tf.compat.v1.train.Saver`, whose "
    "format has been V2 since TensorFlow 1.0"
)
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_MAX_INDEX_BYTES = 64 * 1024**2
_MAX_TENSORS = 1_000_000
_MAX_SHARDS = 99_999
"""As many as a shard's name can count."""
_MAX_OBJECTS_BYTES = 64 * 1024**2
_MAX_RANK = 254
"""tensorflow/core/framework/tensor_shape.h, MaxDimensions."""
_MAX_NAME = 1_000
_CHECKSUM_BYTES = 4
_V1_META = 0x0A
"""How the first value of a V1 table begins: SavedTensorSlices.meta, where V2 has num_shards."""


@dataclass(frozen=True, slots=True)
class CheckpointTensor:
    """One tensor of a checkpoint."""

    dtype: str
    """TensorFlow's name of its type."""
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """What an optimizer keeps for one variable, such as its momentum."""

    variable: str
    """The variable's key in the checkpoint."""
    name: str
    """`momentum`, `m`, `v`."""
    key: str
    """The key of the values kept."""


@dataclass(frozen=True, slots=True)
class _Place:
    shard: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointIndex:
    """What `PREFIX.index` says."""

    tensors: Mapping[str, CheckpointTensor]
    """By key, in their order; without the graph of objects."""
    object_based: bool
    """It holds a graph of the objects that the tensors belong to."""
    num_shards: int
    shard_bytes: Mapping[int, int]
    """How many bytes each shard has at least, by its number."""
    _objects: _Place | None = field(default=None, repr=False)


def inspect_checkpoint(folder: Path, prefix: str) -> Inspected:
    """Read the index of a checkpoint and look for its shards.

    Raises:
        ModelError: the index is damaged, or shards are missing or cut off.
    """
    index = read_checkpoint_index(folder / f"{prefix}.index")
    problems = shard_problems(folder, prefix, index.num_shards, index.shard_bytes)
    if problems:
        raise ModelError(problems)
    return Inspected(writer=Writer(), name_based=not index.object_based)


def read_checkpoint_index(path: Path) -> CheckpointIndex:
    """Read a checkpoint's index, a file whose name ends in `.index`.

    Raises:
        ModelError: it cannot be read, is damaged, or is of the old format.
    """
    try:
        with open_regular(path.resolve()) as stream:
            size = stream.seek(0, 2)
            if size > _MAX_INDEX_BYTES:
                raise _problem(path, f"has {size} bytes, more than the index of any checkpoint")
            return _index(path, read_table(stream, size))
    except (UntrustedFileError, FileNotFoundError) as error:
        raise _problem(path, str(error), COPY) from None
    except (TableError, DecodeError) as error:
        said = str(error) if isinstance(error, TableError) else "an entry of it cannot be read"
        raise _problem(path, f"is damaged: {said}", COPY) from None


def read_slots(folder: Path, prefix: str, index: CheckpointIndex) -> tuple[Slot, ...]:
    """Return what optimizers keep for variables, as the graph of objects says.

    Empty for a checkpoint without one.

    Raises:
        ModelError: the graph of objects is damaged.
    """
    if index._objects is None:
        return ()
    path = folder / shard_name(prefix, index._objects.shard, index.num_shards)
    try:
        graph = TrackableObjectGraph.FromString(_text_tensor(path, folder, index._objects))
    except (UntrustedFileError, FileNotFoundError) as error:
        raise _problem(path, str(error), COPY) from None
    except (WireError, DecodeError):
        raise _problem(path, "is damaged: the graph of objects cannot be read", COPY) from None
    keys = [_value_key(node) for node in graph.nodes]
    return tuple(_slots(graph, keys))


def _index(path: Path, entries: Iterable[tuple[bytes, bytes]]) -> CheckpointIndex:
    tensors: dict[str, CheckpointTensor] = {}
    ends: dict[int, int] = {}
    shards, objects = 0, None
    for count, (key, value) in enumerate(entries):
        if count == 0:
            shards = _shards(path, key, value)
            continue
        if count > _MAX_TENSORS:
            raise TableError(f"it has more than {_MAX_TENSORS} tensors")
        entry = BundleEntry.FromString(value)
        place = _place(entry, shards)
        ends[place.shard] = max(ends.get(place.shard, 0), place.offset + place.size)
        if key == _OBJECTS.encode():
            objects = place
        elif not key.startswith(b"\0"):  # so begin the slices of a partitioned variable
            name = one_line(key.decode("utf-8", "replace"), _MAX_NAME)
            tensors[name] = CheckpointTensor(dtype_name(entry.dtype), _shape(entry))
    if not shards:
        raise TableError("it has no header")
    return CheckpointIndex(
        tensors=tensors,
        object_based=objects is not None,
        num_shards=shards,
        shard_bytes=ends,
        _objects=objects,
    )


def _shards(path: Path, key: bytes, value: bytes) -> int:
    if key:
        raise TableError("it has no header")
    if value[:1] == bytes([_V1_META]):
        raise _problem(path, OLD_FORMAT, NEW_FORMAT)
    shards: int = BundleHeader.FromString(value).num_shards
    if not 0 < shards <= _MAX_SHARDS:
        raise TableError(f"it says that it has {shards} shards")
    return shards


def _place(entry: Any, shards: int) -> _Place:
    if not 0 <= entry.shard_id < shards or entry.offset < 0 or entry.size < 0:
        raise TableError("an entry of it points outside its shards")
    return _Place(entry.shard_id, entry.offset, entry.size)


def _shape(entry: Any) -> tuple[int, ...]:
    sizes = tuple(dim.size for dim in entry.shape.dim)
    if len(sizes) > _MAX_RANK or any(size < 0 for size in sizes):
        raise TableError("an entry of it has an impossible shape")
    return sizes


def _text_tensor(path: Path, folder: Path, place: _Place) -> bytes:
    """Return the one string of a tensor: its length, a checksum of that, its bytes."""
    if place.size > _MAX_OBJECTS_BYTES:
        raise WireError(f"it has {place.size} bytes")
    with open_regular(inside(path, folder)) as stream:
        stream.seek(place.offset)
        data = stream.read(place.size)
    length, position = varint(data, 0)
    text = data[position + _CHECKSUM_BYTES :]
    if len(text) != length:
        raise WireError("its length is another")
    return text


def _value_key(node: Any) -> str | None:
    for attribute in node.attributes:
        if attribute.name == b"VARIABLE_VALUE":
            return one_line(attribute.checkpoint_key.decode("utf-8", "replace"), _MAX_NAME)
    return None


def _slots(graph: Any, keys: list[str | None]) -> Iterable[Slot]:
    for node in graph.nodes:
        for slot in node.slot_variables:
            places = (slot.original_variable_node_id, slot.slot_variable_node_id)
            if not all(0 <= place < len(keys) for place in places):
                continue
            variable, key = (keys[place] for place in places)
            if variable is not None and key is not None:
                yield Slot(variable, one_line(slot.slot_name.decode("utf-8", "replace")), key)


def _problem(path: Path, what: str, hint: str | None = None) -> ModelError:
    return ModelError([Problem(where=str(path), what=what, hint=hint)])
