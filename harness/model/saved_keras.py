"""What Keras keeps of a model in a SavedModel: its objects, training, and its own version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.model.damage import damage_is_an_error
from harness.model.details import Kind, Training
from harness.model.keras_config import ConfigError, read_json
from harness.model.keras_objects import KerasObjects, find_objects, training_of
from harness.model.protos import KerasMetadata
from harness.model.wire import load, whole
from harness.text import one_line
from harness.untrusted import open_regular

__all__ = ["saved_keras"]

_KERAS_BYTES = 256 * 1024**2
_SHOWN = 200
_KERAS, _METRIC = b"_tf_keras_", b"_tf_keras_metric"


def saved_keras(
    folder: Path, graph: Any, kept: int | None
) -> tuple[KerasObjects, Training | None, str | None]:
    """Return what Keras kept of a model: objects, training, its own version.

    In keras_metadata.pb since TensorFlow 2.5, before that in the objects themselves.
    """
    nodes = [
        (node.user_object.identifier, node.user_object.metadata)
        for node in graph.object_graph_def.nodes
    ]
    path = folder / "keras_metadata.pb"
    if path.exists():
        with damage_is_an_error(path), open_regular(path.resolve()) as stream:
            data = load(stream, whole(stream), _KERAS_BYTES)
            nodes = [
                (node.identifier, node.metadata) for node in KerasMetadata.FromString(data).nodes
            ]
    told = [(identifier, _json(metadata)) for identifier, metadata in nodes if metadata]
    told = [(identifier, config) for identifier, config in told if identifier.startswith(_KERAS)]
    root: Mapping[str, Any] = told[0][1] if told else {}
    config, compiled = root.get("model_config"), root.get("training_config")
    keras = root.get("keras_version")
    keras = one_line(keras, _SHOWN) if isinstance(keras, str) else None
    compiled = compiled if isinstance(compiled, dict) else {}
    others = [(identifier, _object(part)) for identifier, part in told[1:]]
    parts = [
        (config if isinstance(config, dict) else _object(root), Kind.MODEL),
        (compiled, Kind.OTHER),
        ({"layers": [part for name, part in others if not name.startswith(_METRIC)]}, Kind.OTHER),
        ({"metrics": [part for name, part in others if name.startswith(_METRIC)]}, Kind.OTHER),
    ]
    return find_objects(parts, keras), training_of(compiled, "Keras metadata", kept), keras


def _object(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a node says of its object; the rest is about how to call it."""
    return {key: node[key] for key in ("class_name", "name", "config") if key in node}


def _json(data: bytes) -> Mapping[str, Any]:
    """Return a node's metadata; empty for what is none, as Keras itself passes it over."""
    try:
        return read_json(data)
    except ConfigError:
        return {}
