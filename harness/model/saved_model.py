"""Reading a SavedModel: its signatures, who wrote it, and whether all of it is there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from harness.errors import ModelError, Problem
from harness.model.contents import POINTER, inside, pointer_problem
from harness.model.inspected import Inspected
from harness.model.model import Writer
from harness.model.protos import SavedModel
from harness.model.signature_defs import signature_defs
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["graph_tags", "inspect_saved_model", "read_saved_model", "saved_graph", "text"]

_MAX_BYTES = 2**31 - 1
"""No protocol buffer can be larger."""
_MAX_NAME = 1_000

_VARIABLES = frozenset({b"VarHandleOp", b"Variable", b"VariableV2"})
_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")
_SERVE = "serve"
_KERAS = b"_tf_keras_"
"""How Keras's identifiers of saved objects begin."""


def inspect_saved_model(folder: Path, tags: Collection[str] | None = None) -> Inspected:
    """Read `saved_model.pb` of the SavedModel in `folder`, and look for its variables.

    `tags` are those of the graph that is wanted; without them it is the one for serving, or the
    only one.

    Raises:
        ModelError: the file cannot be read or is damaged, holds no such graph, or variables are
            missing.
    """
    graph = saved_graph(read_saved_model(folder), folder, tags)
    problems = _missing_variables(folder) if _needs_variables(graph) else []
    if problems:
        raise ModelError(problems)
    version = text(graph.meta_info_def.tensorflow_version)
    found = graph_tags(graph)
    return Inspected(
        writer=Writer(tensorflow=version or None),
        signatures=signature_defs(graph),
        keras=_of_keras(graph),
        tags=None if found == (_SERVE,) else found,
        producer=graph.graph_def.versions.producer,
    )


def read_saved_model(folder: Path) -> Any:
    """Return the SavedModel message of `folder`.

    Raises:
        ModelError: it cannot be read or is damaged.
    """
    return _parse(folder / "saved_model.pb")


def saved_graph(model: Any, folder: Path, tags: Collection[str] | None = None) -> Any:
    """Return the MetaGraphDef that is meant; see `inspect_saved_model`.

    Raises:
        ModelError: there is none, or it is not clear which.
    """
    path = folder / "saved_model.pb"
    graphs = {graph_tags(graph): graph for graph in model.meta_graphs}
    if not graphs:
        raise ModelError([Problem(where=str(path), what="holds no graph", hint=_AGAIN)])
    if tags is not None:
        wanted = tuple(sorted(tags))
        if wanted in graphs:
            return graphs[wanted]
        what = f"holds no graph tagged {', '.join(wanted) or '(none)'}"
        raise ModelError([Problem(where=str(path), what=what, allowed=_listed(graphs))])
    if len(graphs) == 1:
        return next(iter(graphs.values()))
    serving = [found for found in graphs if _SERVE in found]
    # A graph for serving on a GPU or TPU often lies beside the plain one.
    if serving:
        return graphs[min(serving, key=len)]
    raise ModelError(
        [
            Problem(
                where=str(path),
                what=f"holds {len(graphs)} graphs and none is tagged `serve`; "
                f"tags: {_listed(graphs)}",
                hint="name one's tags in model.yaml (`tags:`)",
            )
        ]
    )


def graph_tags(graph: Any) -> tuple[str, ...]:
    """Return the tags of a MetaGraphDef, sorted."""
    return tuple(sorted(text(tag) for tag in graph.meta_info_def.tags))


def _listed(graphs: Iterable[tuple[str, ...]]) -> str:
    return "; ".join(", ".join(tags) or "(none)" for tags in graphs)


def _of_keras(graph: Any) -> bool:
    """Tell whether the object that was saved is one of Keras (keras/saving/saved_model)."""
    root = graph.object_graph_def.nodes[:1]
    return any(node.user_object.identifier.startswith(_KERAS) for node in root)


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


def text(data: bytes) -> str:
    """Return a name as text; what cannot be printed becomes U+FFFD."""
    name = data[:_MAX_NAME].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in name)
