"""Small checkpoints made by hand, as TensorFlow writes them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.protos import BundleEntry, BundleHeader
from harness.model.table import TABLE_END, crc32c, masked
from tests.support.model_files import FLOAT, INT64, STRING


@dataclass
class Checkpoint:
    """A checkpoint in the making: what `write` puts into its files."""

    tensors: Mapping[str, np.ndarray] = field(
        default_factory=lambda: {"w": np.arange(4, dtype=np.float32)}
    )
    objects: bytes | None = None
    """A serialized TrackableObjectGraph, for an object-based checkpoint."""
    shards: int = 1
    block_entries: int = 3
    compress: Callable[[bytes], bytes] | None = None

    def write(self, folder: Path, prefix: str = "model.ckpt") -> Path:
        """Write index and shards; return the index's path."""
        folder.mkdir(parents=True, exist_ok=True)
        header = BundleHeader(num_shards=self.shards).SerializeToString()
        entries = [(b"", header)]
        data = [bytearray() for _ in range(self.shards)]
        for number, (name, content, entry) in enumerate(sorted(self._entries())):
            shard = data[number % self.shards]
            entry.shard_id, entry.offset, entry.size = (
                number % self.shards,
                len(shard),
                len(content),
            )
            shard += content
            entries.append((name.encode(), entry.SerializeToString()))
        for number, shard in enumerate(data):
            name = f"{prefix}.data-{number:05}-of-{self.shards:05}"
            (folder / name).write_bytes(shard)
        index = folder / f"{prefix}.index"
        index.write_bytes(table(entries, self.block_entries, self.compress))
        return index

    def _entries(self) -> Iterator[tuple[str, bytes, Any]]:
        for name, array in self.tensors.items():
            entry = BundleEntry(dtype=_NUMBERS[array.dtype.name])
            for size in array.shape:
                entry.shape.dim.add(size=size)
            yield name, array.tobytes(), entry
        if self.objects is not None:
            length = _varint(len(self.objects))
            content = length + bytes(4) + self.objects
            yield "_CHECKPOINTABLE_OBJECT_GRAPH", content, BundleEntry(dtype=STRING)


_NUMBERS = {"float32": FLOAT, "int64": INT64, "float64": 2, "int32": 3}


def table(
    entries: Sequence[tuple[bytes, bytes]],
    block_entries: int = 3,
    compress: Callable[[bytes], bytes] | None = None,
    *,
    listed: int = 1,
) -> bytes:
    """Return a table of keys and values, as tensorflow/core/lib/io/table_builder.cc makes it.

    A forged one may have each block `listed` more than once.
    """
    made = bytearray()

    def add(block: bytes) -> bytes:
        """Append a block; return its handle."""
        kind = b"\0" if compress is None else b"\1"
        stored = (block if compress is None else compress(block)) + kind
        handle = _varint(len(made)) + _varint(len(stored) - 1)
        made.extend(stored + struct.pack("<I", masked(crc32c(stored))))
        return handle

    handles = []
    for start in range(0, len(entries), block_entries):
        part = entries[start : start + block_entries]
        handles += [(part[-1][0], add(_block(part)))] * listed
    empty = add(_block([]))
    index = add(_block(handles))
    return bytes(made) + (empty + index).ljust(40, b"\0") + TABLE_END


def _block(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    made, last = b"", b""
    for key, value in entries:
        shared = _shared(last, key)
        made += _varint(shared) + _varint(len(key) - shared) + _varint(len(value))
        made += key[shared:] + value
        last = key
    return made + struct.pack("<II", 0, 1)


def _varint(number: int) -> bytes:
    made = b""
    while number >= 0x80:
        made += bytes([number & 0x7F | 0x80])
        number >>= 7
    return made + bytes([number])


def _shared(first: bytes, second: bytes) -> int:
    """Return how many bytes two keys have in common at their beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    differing = (place for place, (one, other) in pairs if one != other)
    return next(differing, min(len(first), len(second)))
