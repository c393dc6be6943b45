"""Which values an input of indices may have, as a Keras config says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from harness.model.keras_config import is_tensor, layer_name, named_tensors
from harness.text import one_line

__all__ = ["embedding_ranges"]

_MAX_DEPTH = 10
"""Most models in models, and most structures in structures."""
_MAX_NAME = 200
_MAX_INPUTS = 10_000
_HISTORY = 3
"""A tensor of a config is [layer, node, output]."""


def embedding_ranges(config: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return [low, high) of each input that an Embedding layer looks up, by the input's name.

    Only inputs that go straight into one count, or into a model within the model that does so
    with them. Of several, the smallest decides. Empty where the config does not tell.
    """
    try:
        limits = _limits(config, 0)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError):
        return {}
    return {
        one_line(name, _MAX_NAME): (0.0, float(limit))
        for name, limit in limits.items()
        if limit is not None
    }


def _limits(model: Mapping[str, Any], depth: int) -> dict[str, int | None]:
    """Return how many indices there are for each input of a model, by name; None: not told."""
    inner = model["config"]
    layers = inner if isinstance(inner, list) else inner["layers"]
    if not isinstance(inner, dict) or "input_layers" not in inner:
        return _sequential(layers, depth)
    users: dict[str, list[int]] = {}
    for layer in layers:
        limit = _limit(layer, depth)
        if limit is not None:
            for source in set(_sources(layer.get("inbound_nodes"), 0)):
                users.setdefault(source, []).append(limit)
    named = islice(named_tensors(inner["input_layers"], "", 0), _MAX_INPUTS)
    return {name: min(users.get(layer, ()), default=None) for name, layer in named}


def _sequential(layers: list[Mapping[str, Any]], depth: int) -> dict[str, int | None]:
    first, *rest = layers
    if first["class_name"] != "InputLayer":
        return {f"{layer_name(first)}_input": _limit(first, depth)}
    return {layer_name(first): _limit(rest[0], depth) if rest else None}


def _limit(layer: Mapping[str, Any], depth: int) -> int | None:
    """Return how many indices a layer takes, where all that it takes are indices."""
    if layer["class_name"] == "Embedding":
        limit = layer["config"]["input_dim"]
        return limit if type(limit) is int and 0 < limit < 2**31 else None
    if layer["class_name"] in ("Sequential", "Functional", "Model") and depth < _MAX_DEPTH:
        limits = list(_limits(layer, depth + 1).values())
        return limits[0] if len(limits) == 1 else None
    return None


def _sources(nodes: Any, depth: int) -> Iterator[str]:
    """Yield the layers that are inputs of calls: Keras 2 lists them, Keras 3 writes objects."""
    if depth > 2 * _MAX_DEPTH:
        raise ValueError
    if isinstance(nodes, dict):
        config = nodes.get("config")
        history = config.get("keras_history") if isinstance(config, dict) else None
        if isinstance(history, list) and len(history) == _HISTORY:
            yield str(history[0])
        else:
            for part in nodes.values():
                yield from _sources(part, depth + 1)
    elif isinstance(nodes, list):
        if is_tensor(nodes) and len(nodes) >= _HISTORY and type(nodes[1]) is int:
            yield nodes[0]
        else:
            for part in nodes:
                yield from _sources(part, depth + 1)
