"""Small graphs made by hand: frozen ones, and those that TensorFlow 1 saves in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.model.protos import MetaGraphDef
from tests.support.model_files import FLOAT, INT64, STRING, Tensors, add_tensors


def node(
    graph: Any,
    name: str,
    op: str,
    *inputs: str,
    shape: Sequence[int] | None = None,
    shapes: Sequence[Sequence[int]] = (),
    **attributes: int | Sequence[int],
) -> None:
    """Add a node to a GraphDef; attributes are types, those named `num...` and `N` numbers."""
    made = graph.node.add(name=name.encode(), op=op.encode())
    made.input.extend(text.encode() for text in inputs)
    for key, value in attributes.items():
        attribute = made.attr.add(key=key.encode()).value
        if not isinstance(value, int):
            attribute.list.type.extend(value)
        elif key.startswith(("num", "N")):
            attribute.i = value
        else:
            attribute.type = value
    if shape is not None:
        attribute = made.attr.add(key=b"shape").value
        _add_shape(attribute.shape, shape)
    if shapes:
        attribute = made.attr.add(key=b"_output_shapes").value
        for sizes in shapes:
            _add_shape(attribute.list.shape.add(), sizes)


def _add_shape(message: Any, sizes: Sequence[int]) -> None:
    message.SetInParent()
    for size in sizes:
        message.dim.add(size=size)


def classifier(graph: Any) -> None:
    """Add a frozen classifier to a GraphDef: x, softmax, argmax."""
    node(graph, "x", "Placeholder", dtype=FLOAT, shape=[-1, 4])
    node(graph, "w", "Const", dtype=FLOAT)
    node(graph, "logits", "MatMul", "x", "w", T=FLOAT, shapes=[[-1, 3]])
    node(graph, "scores", "Softmax", "logits", T=FLOAT, shapes=[[-1, 3]])
    node(graph, "class", "ArgMax", "scores", "axis", T=FLOAT, output_type=INT64)
    node(graph, "axis", "Const", dtype=3)


def training(graph: Any) -> None:
    """Add a linear model in training to a GraphDef, as TensorFlow 1 saves it."""
    node(graph, "x", "Placeholder", dtype=FLOAT, shape=[-1, 4])
    node(graph, "y", "Placeholder", dtype=FLOAT, shape=[-1, 1])
    node(graph, "w", "VariableV2", dtype=FLOAT)
    node(graph, "w/initial", "RandomUniform", "shape", dtype=FLOAT, T=3)
    node(graph, "shape", "Const", dtype=3)
    node(graph, "w/Assign", "Assign", "w", "w/initial", T=FLOAT)
    node(graph, "w/read", "Identity", "w", T=FLOAT)
    node(graph, "pred", "MatMul", "x", "w/read", T=FLOAT)
    node(graph, "loss/Reshape", "Reshape", "pred", "shape", T=FLOAT)
    node(graph, "loss/sub", "Sub", "loss/Reshape", "y", T=FLOAT)
    node(graph, "loss/mean", "Mean", "loss/sub", "shape", T=FLOAT)
    node(graph, "loss_summary", "ScalarSummary", "tag", "loss/mean", T=FLOAT)
    node(graph, "tag", "Const", dtype=STRING)
    node(graph, "gradients/pred_grad/MatMul", "MatMul", "x", "loss/sub", T=FLOAT)
    node(graph, "rate", "Const", dtype=FLOAT)
    update = ("w", "rate", "gradients/pred_grad/MatMul")
    node(graph, "descent/update", "ApplyGradientDescent", *update, T=FLOAT)
    node(graph, "train", "NoOp", "^descent/update")
    node(graph, "init", "NoOp", "^w/Assign")
    node(graph, "save/Const", "Const", dtype=STRING)
    node(graph, "save/filename", "Placeholder", dtype=STRING)
    node(graph, "save/SaveV2", "SaveV2", "save/filename", "save/Const", "w", dtypes=[FLOAT])
    node(graph, "save/control", "Identity", "save/filename", "^save/SaveV2", T=STRING)
    node(graph, "save/RestoreV2", "RestoreV2", "save/filename", "save/Const", dtypes=[FLOAT])
    node(graph, "save/Assign", "Assign", "w", "save/RestoreV2", T=FLOAT)


def write_graph(path: Path, *parts: Callable[[Any], None], producer: int = 1_395) -> Path:
    """Write a GraphDef; return its path."""
    graph = MetaGraphDef().graph_def
    for part in parts or (classifier,):
        part(graph)
    graph.versions.producer = producer
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph.SerializeToString())
    return path


def write_meta_graph(
    path: Path,
    *parts: Callable[[Any], None],
    signatures: Mapping[str, tuple[Tensors, Tensors]] | None = None,
    version: str = "1.15.0",
) -> Path:
    """Write a MetaGraphDef; return its path."""
    message = MetaGraphDef()
    message.meta_info_def.tensorflow_version = version.encode()
    for part in parts or (training,):
        part(message.graph_def)
    message.graph_def.versions.producer = 134
    for name, (inputs, outputs) in (signatures or {}).items():
        entry = message.signature_def.add(key=name.encode())
        add_tensors(entry.value.inputs, inputs)
        add_tensors(entry.value.outputs, outputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(message.SerializeToString())
    return path
