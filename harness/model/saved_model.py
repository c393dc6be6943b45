"""Reading a SavedModel: its signatures, who wrote it, and whether all of it is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from harness.errors import ModelError, Problem
from harness.model.contents import POINTER, inside, pointer_problem
from harness.model.inspected import Inspected
from harness.model.model import Signature, TensorSpec, Writer
from harness.model.protos import SavedModel, dtype_name
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["inspect_saved_model"]

_MAX_BYTES = 2**31 - 1
"""No protocol buffer can be larger."""
_MAX_ENTRIES = 10_000
"""Most signatures, and most tensors of one."""
_MAX_RANK = 254
"""tensorflow/core/framework/tensor_shape.h, MaxDimensions."""
_MAX_NAME = 1_000

_VARIABLES = frozenset({b"VarHandleOp", b"Variable", b"VariableV2"})
_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")
_PRIVATE = "__"
"""TensorFlow keeps initialisers and training steps as signatures, such as
`__saved_model_init_op`; they are no entries of the model."""


def inspect_saved_model(folder: Path) -> Inspected:
    """Read `saved_model.pb` of the SavedModel in `folder`, and look for its variables.

    Raises:
        ModelError: the file cannot be read or is damaged, holds no graph to serve, or variables
            are missing.
    """
    graph = _serving_graph(_parse(folder / "saved_model.pb"), folder / "saved_model.pb")
    problems = _missing_variables(folder) if _needs_variables(graph) else []
    if problems:
        raise ModelError(problems)
    version = _text(graph.meta_info_def.tensorflow_version)
    return Inspected(writer=Writer(tensorflow=version or None), signatures=_signatures(graph))


def _parse(path: Path) -> Any:
    try:
        with open_regular(inside(path, path.parent)) as stream:
            data = stream.read(_MAX_BYTES + 1)
    except UntrustedFileError as error:
        raise ModelError([Problem(where=str(path), what=str(error))]) from None
    if data.startswith(POINTER):
        raise ModelError([pointer_problem(path)])
    if len(data) > _MAX_BYTES:
        raise ModelError(
            [Problem(where=str(path), what="is larger than 2 GB, so not a SavedModel")]
        )
    try:
        return SavedModel.FromString(data)
    except DecodeError:
        what = "is damaged: it cannot be read as a SavedModel"
        raise ModelError([Problem(where=str(path), what=what, hint=_AGAIN)]) from None


_AGAIN = "copy or save the model again"


def _serving_graph(model: Any, path: Path) -> Any:
    graphs = {
        tuple(sorted(_text(tag) for tag in graph.meta_info_def.tags)): graph
        for graph in model.meta_graphs
    }
    if not graphs:
        raise ModelError([Problem(where=str(path), what="holds no graph", hint=_AGAIN)])
    if len(graphs) == 1:
        return next(iter(graphs.values()))
    serving = [tags for tags in graphs if "serve" in tags]
    # A graph for serving on a GPU or TPU often lies beside the plain one.
    if serving:
        return graphs[min(serving, key=len)]
    listed = "; ".join(", ".join(tags) or "(none)" for tags in graphs)
    raise ModelError(
        [
            Problem(
                where=str(path),
                what=f"holds {len(graphs)} graphs and none is tagged `serve`; tags: {listed}",
                hint="save the model with the tag `serve`",
            )
        ]
    )


def _signatures(graph: Any) -> tuple[Signature, ...]:
    entries = {_text(entry.key): entry.value for entry in graph.signature_def[:_MAX_ENTRIES]}
    return tuple(
        Signature(name=name, inputs=_tensors(entry.inputs), outputs=_tensors(entry.outputs))
        for name, entry in sorted(entries.items())
        if not name.startswith(_PRIVATE)
    )


def _tensors(entries: Any) -> tuple[TensorSpec, ...]:
    infos = {_text(entry.key): entry.value for entry in entries[:_MAX_ENTRIES]}
    return tuple(
        TensorSpec(name=name, dtype=dtype_name(info.dtype), shape=_shape(info))
        for name, info in sorted(infos.items())
    )


def _shape(info: Any) -> tuple[int | None, ...] | None:
    shape = info.tensor_shape
    if not info.HasField("tensor_shape") or shape.unknown_rank or len(shape.dim) > _MAX_RANK:
        return None
    return tuple(dim.size if dim.size >= 0 else None for dim in shape.dim)


def _needs_variables(graph: Any) -> bool:
    if any(item.HasField("variable") for item in graph.object_graph_def.nodes):
        return True
    # TensorFlow 1 restores only what its saver names; a graph without one has nothing to restore.
    if not graph.saver_def.restore_op_name:
        return False
    bodies = [graph.graph_def.node, *(body.node_def for body in graph.graph_def.library.function)]
    return any(node.op in _VARIABLES for body in bodies for node in body)


def _missing_variables(folder: Path) -> list[Problem]:
    """Variables are saved as an index and numbered shards (tensor_bundle.proto)."""
    variables = folder / "variables"
    if not variables.is_dir():
        what = "the model has variables, but there is no folder `variables`"
        return [Problem(where=str(folder), what=what, hint=_WHOLE)]
    names = {entry.name for entry in variables.iterdir()}
    missing = [] if "variables.index" in names else ["variables.index"]
    shards = [match for match in map(_SHARD.fullmatch, sorted(names)) if match]
    if not shards:
        missing.append("variables.data-00000-of-00001")
    else:
        count = int(shards[-1].group(2))
        # The first few are enough to see what happened.
        wanted = (f"variables.data-{number:05}-of-{count:05}" for number in range(count))
        missing += [name for name in wanted if name not in names][:5]
    return [
        Problem(where=str(variables), what=f"{name} is missing", hint=_WHOLE) for name in missing
    ]


_WHOLE = "copy the whole directory of the model, with `variables` and `assets`"


def _text(data: bytes) -> str:
    """Return a name as text; what cannot be printed becomes U+FFFD."""
    text = data[:_MAX_NAME].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
