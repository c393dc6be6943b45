"""SignatureDefs: what a MetaGraph says can be called in it."""

from __future__ import annotations

from typing import Any

from harness.model.inspected import Wiring
from harness.model.model import Signature, TensorSpec
from harness.model.protos import dtype_name

__all__ = ["signature_defs", "wirings"]

_MAX_ENTRIES = 10_000
"""Most signatures, and most tensors of one."""
_MAX_RANK = 254
"""tensorflow/core/framework/tensor_shape.h, MaxDimensions."""
_MAX_NAME = 1_000
_PRIVATE = "__"
"""So begin initialisers and training steps, which TensorFlow keeps as signatures too."""


def signature_defs(graph: Any) -> tuple[Signature, ...]:
    """Return the signatures of a MetaGraphDef, by name."""
    return tuple(
        Signature(name=name, inputs=_specs(entry.inputs), outputs=_specs(entry.outputs))
        for name, entry in _entries(graph)
    )


def wirings(graph: Any) -> dict[str, Wiring]:
    """Return by signature which tensors its names stand for; without what is not one tensor."""
    return {
        name: Wiring(feeds=_tensors(entry.inputs), fetches=_tensors(entry.outputs))
        for name, entry in _entries(graph)
    }


def _entries(graph: Any) -> list[tuple[str, Any]]:
    entries = {_text(entry.key): entry.value for entry in graph.signature_def[:_MAX_ENTRIES]}
    return [(name, entries[name]) for name in sorted(entries) if not name.startswith(_PRIVATE)]


def _infos(entries: Any) -> list[tuple[str, Any]]:
    infos = {_text(entry.key): entry.value for entry in entries[:_MAX_ENTRIES]}
    return sorted(infos.items())


def _specs(entries: Any) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=name, dtype=dtype_name(info.dtype), shape=_shape(info))
        for name, info in _infos(entries)
    )


def _tensors(entries: Any) -> dict[str, str]:
    return {name: _text(info.name) for name, info in _infos(entries) if info.name}


def _shape(info: Any) -> tuple[int | None, ...] | None:
    shape = info.tensor_shape
    if not info.HasField("tensor_shape") or shape.unknown_rank or len(shape.dim) > _MAX_RANK:
        return None
    return tuple(dim.size if dim.size >= 0 else None for dim in shape.dim)


def _text(data: bytes) -> str:
    """Return a name as text; what cannot be printed becomes U+FFFD."""
    text = data[:_MAX_NAME].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
