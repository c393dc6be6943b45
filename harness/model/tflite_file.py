"""The tables of a TensorFlow Lite file, read without believing its lengths.

The FlatBuffer accessors are the generated ones of the `tflite` package (TensorFlow Lite's
schema.fbs). They go wherever the file sends them: here every length is checked against the file
first, all vectors together have a budget, and long texts are refused.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from harness.errors import ModelError, Problem
from harness.text import one_line
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["IDENTIFIER", "TFLiteFile", "forged_is_an_error", "text"]

IDENTIFIER: Final = b"TFL3"
"""Bytes 4 to 8 of a file (schema.fbs, file_identifier)."""

_MAX_BYTES = 2**31 - 1
"""Offsets have 32 bits and no builder goes beyond 2 GiB; values behind the tables may."""
_MAX_ENTRIES = 1_000_000
"""Of all vectors together: language models list some ten thousand operators and tensors."""
_MAX_TEXT_BYTES = 65_536
_MAX_NAME = 1_000
_MAX_RANK = 254

_TYPES = {19: "int2", 20: "uint4"}
"""What schema.fbs of TensorFlow 2.21 has beyond the package."""
_OPERATORS = {209: "STABLEHLO_CASE"}
_FORGED = (struct.error, TypeError, ValueError, IndexError, OverflowError)
"""What the accessors raise where a file sends them outside itself."""


@contextmanager
def forged_is_an_error(path: Path) -> Iterator[None]:
    """Turn what reading a damaged or forged file raises into a `ModelError`."""
    try:
        yield
    except (UntrustedFileError, FileNotFoundError) as error:
        raise ModelError([Problem(where=str(path), what=str(error), hint=_AGAIN)]) from None
    except _FORGED:
        what = "is damaged: it points outside itself"
        raise ModelError([Problem(where=str(path), what=what, hint=_AGAIN)]) from None


_AGAIN = "copy or convert the model again"


class _Bytes(bytearray):
    """A file's bytes, of which no long part is copied."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            if key.stop - key.start > _MAX_TEXT_BYTES:
                raise UntrustedFileError("is damaged: it has a text longer than any name")
            if key.stop > len(self):
                raise UntrustedFileError("is damaged: a text does not end within it")
        return super().__getitem__(key)


class TFLiteFile:
    """One file. Every method may raise what `forged_is_an_error` turns into a `ModelError`."""

    def __init__(self, path: Path) -> None:
        # It takes a tenth of a second to import: only where there is such a model.
        import tflite  # noqa: PLC0415

        self._data = _read(path)
        self._left = _MAX_ENTRIES
        self._names = tflite.utils.BUILTIN_OPCODE2NAME | _OPERATORS
        types = vars(tflite.TensorType)
        self._types = _TYPES | {
            number: name.lower() for name, number in types.items() if isinstance(number, int)
        }
        self.model = tflite.Model.GetRootAs(self._data, 0)
        self.graphs = self.list(self.model.SubgraphsLength(), self.model.Subgraphs)
        self.buffers = self.list(self.model.BuffersLength(), self.model.Buffers)
        if not self.graphs:
            raise UntrustedFileError("is a TensorFlow Lite model without a graph")

    def list(self, length: int, get: Callable[[int], Any], width: int = 4) -> list[Any]:
        """Return a vector of `length` elements of `width` bytes, if the file can hold it."""
        self._left -= length
        if length * width > len(self._data):
            raise UntrustedFileError("is damaged: it has a list that is longer than the file")
        if self._left < 0:
            raise UntrustedFileError("lists more than any model does")
        return [get(index) for index in range(length)]

    def tensor(self, graph: int, index: int) -> Any:
        """Return a tensor of a graph."""
        if not 0 <= graph < len(self.graphs):
            raise UntrustedFileError("is damaged: it uses a graph that it does not have")
        table = self.graphs[graph]
        if not 0 <= index < table.TensorsLength():
            raise UntrustedFileError("is damaged: it uses a tensor that it does not have")
        return table.Tensors(index)

    def sizes(self, tensor: Any) -> tuple[int | None, ...] | None:
        """Return the shape that a tensor is declared with."""
        sizes = self.list(min(tensor.ShapeLength(), _MAX_RANK), tensor.Shape)
        # In `shape` an open dimension is the 1 that buffers are first made for.
        declared = self.list(min(tensor.ShapeSignatureLength(), _MAX_RANK), tensor.ShapeSignature)
        if declared and len(declared) == len(sizes):
            sizes = declared
        if not sizes and not tensor.HasRank():
            return None
        return tuple(size if size >= 0 else None for size in sizes)

    def dtype(self, tensor: Any) -> str:
        """Return TensorFlow's name of a tensor's type."""
        return str(self._types.get(tensor.Type(), "unknown"))

    def operator(self, number: int) -> str:
        """Return the name of a built-in operator."""
        return str(self._names.get(number, f"operator {number}"))

    def content(self, index: int, limit: int) -> bytes:
        """Return the first `limit` bytes of a buffer."""
        if not 0 <= index < len(self.buffers):
            return b""
        buffer = self.buffers[index]
        return bytes(self.list(min(buffer.DataLength(), limit), buffer.Data, width=1))


def text(data: bytes | None) -> str:
    """Return a name or description on one line; empty where there is none."""
    return one_line(bytes(data or b"").decode("utf-8", "replace"), _MAX_NAME)


def _read(path: Path) -> _Bytes:
    with open_regular(path.resolve()) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > _MAX_BYTES:
            raise UntrustedFileError("is larger than 2 GiB: that cannot be read as one table")
        data = _Bytes(size)
        if stream.readinto(data) != size or data[4 : min(size, 8)] != IDENTIFIER:
            raise UntrustedFileError("is not a TensorFlow Lite model")
    return data
