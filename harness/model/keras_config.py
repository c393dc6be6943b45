"""What a Keras model takes, as its config says: the JSON that both Keras formats hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.model.model import Signature, TensorSpec
from harness.model.protos import DTYPES
from harness.text import one_line

__all__ = [
    "ConfigError",
    "is_tensor",
    "keras_signatures",
    "layer_name",
    "named_tensors",
    "read_json",
]

_MAX_RANK = 32
_MAX_DEPTH = 20
_MAX_INPUTS = 10_000
_MAX_NAME = 200


class ConfigError(ValueError):
    """The config is not what Keras writes; the text completes `FILE: the config ...`."""


def read_json(data: bytes | str) -> dict[str, Any]:
    """Return a JSON object; raises `ConfigError` for everything else."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ConfigError("is not JSON") from None
    if not isinstance(value, dict):
        raise ConfigError("is not a JSON object")
    return value


def keras_signatures(config: dict[str, Any]) -> tuple[Signature, ...]:
    """Return one signature named `call` with the model's inputs; none where the config is silent.

    A functional model names its input layers. A Sequential model has one input, that of its first
    layer, which is called `<layer>_input` where there is no InputLayer. A subclassed model does
    not say. Inputs that are not tensors of a known type are left open (`unknown`).
    """
    try:
        inputs = tuple(_inputs(config))
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return ()
    return (Signature(name="call", inputs=inputs),) if inputs else ()


def _inputs(config: dict[str, Any]) -> Iterator[TensorSpec]:
    inner = config["config"]
    layers = inner if isinstance(inner, list) else inner["layers"]  # a list: Keras before 2.2.3
    if isinstance(inner, dict) and "input_layers" in inner:
        by_name = {layer_name(layer): layer for layer in layers}
        used: set[str] = set()
        for key, layer in named_tensors(inner["input_layers"], "", 0):
            if len(used) < _MAX_INPUTS:
                yield _spec(_unique(key, used), by_name[layer]["config"])
    elif layers:
        yield _sequential(layers[0], inner)


def _sequential(first: dict[str, Any], inner: object) -> TensorSpec:
    name = layer_name(first)
    if first["class_name"] == "InputLayer":
        return _spec(name, first["config"])
    built = inner.get("build_input_shape") if isinstance(inner, dict) else None
    config = first["config"] if isinstance(first["config"], dict) else {}
    shape = config.get("batch_input_shape", config.get("batch_shape", built))
    return TensorSpec(name=f"{name}_input", dtype="unknown", shape=_shape(shape))


def named_tensors(structure: Any, prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield (input's name, layer's name) of nested lists and dicts of [layer, node, index].

    In a dict the key is the name; deeper ones are joined by `/`, in Keras's order.
    """
    if depth > _MAX_DEPTH:
        raise TypeError
    if isinstance(structure, dict):
        for key in sorted(structure):
            part = structure[key]
            if is_tensor(part):
                yield prefix + key, part[0]
            else:
                yield from named_tensors(part, f"{prefix}{key}/", depth + 1)
    elif is_tensor(structure):
        yield prefix + structure[0], structure[0]
    else:
        for part in structure:
            yield from named_tensors(part, prefix, depth + 1)


def is_tensor(structure: Any) -> bool:
    """Tell whether this part of a config is one tensor: [layer, node, index]."""
    return isinstance(structure, list) and bool(structure) and isinstance(structure[0], str)


def _unique(name: str, used: set[str]) -> str:
    count, candidate = 0, one_line(name, _MAX_NAME)
    while candidate in used:
        count += 1
        candidate = f"{name}_{count}"
    used.add(candidate)
    return candidate


def layer_name(layer: Mapping[str, Any]) -> str:
    """Return the name of a layer, printable and not too long."""
    config = layer["config"]
    name = config.get("name") if isinstance(config, dict) else None
    return one_line(str(name or layer["name"]), _MAX_NAME)


def _spec(name: str, config: dict[str, Any]) -> TensorSpec:
    shape = config.get("batch_input_shape", config.get("batch_shape"))
    return TensorSpec(name=name, dtype=_dtype(config.get("dtype")), shape=_shape(shape))


def _shape(shape: Any) -> tuple[int | None, ...] | None:
    # Keras 3 writes some tuples as {"class_name": "__tuple__", "items": [...]}.
    items = shape.get("items") if isinstance(shape, dict) else shape
    if not isinstance(items, list) or len(items) > _MAX_RANK:
        return None
    if not all(size is None or (type(size) is int and 0 <= size < 2**63) for size in items):
        return None
    return tuple(items)


def _dtype(dtype: Any) -> str:
    # Keras 3 writes a policy: {"class_name": "DTypePolicy", "config": {"name": "float32"}}.
    if isinstance(dtype, dict) and isinstance(dtype.get("config"), dict):
        dtype = dtype["config"].get("name")
    return dtype if isinstance(dtype, str) and dtype in DTYPES else "unknown"
