"""Reading a checkpoint of TensorFlow 1 with its graph: PREFIX.meta beside PREFIX.index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError

from harness.errors import ModelError, Problem
from harness.model.checkpoint import read_checkpoint_index
from harness.model.graph import Graph, read_graph
from harness.model.graph_outputs import VARIABLES
from harness.model.inspected import Inspected, Wiring
from harness.model.model import Signature, Writer
from harness.model.protos import MetaGraphDef
from harness.model.settings import Settings
from harness.model.shards import COPY, missing_old_shards, old_files, shard_problems
from harness.model.signature_defs import signature_defs, wirings
from harness.model.wire import Budget, Field, Part, WireError, slim, walk, whole
from harness.model.wiring import is_told, unknown_tensor, wire
from harness.text import one_line
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["MetaGraph", "inspect_meta_graph", "is_meta_graph", "read_meta_graph"]

_META_INFO, _GRAPH, _SIGNATURES = 1, 2, 5
_REST_BYTES = 64 * 1024**2
_MAX_FIELDS = 200_000
"""Of a MetaGraphDef itself: its graph is one, each signature one more."""
_VERSION_CHARACTERS = 100
_NAMED = 5
_AGAIN = "copy or save the model again"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaGraph:
    """A MetaGraphDef."""

    message: Any
    """Without its graph."""
    graph: Graph

    @property
    def version(self) -> str | None:
        """The TensorFlow that wrote it."""
        text = self.message.meta_info_def.tensorflow_version.decode("utf-8", "replace")
        return one_line(text, _VERSION_CHARACTERS) or None


def inspect_meta_graph(folder: Path, prefix: str, settings: Settings) -> Inspected:
    """Read what a graph takes and gives, and look for the values of its variables.

    Raises:
        ModelError: a file is damaged or missing, the graph's outputs cannot be told or fed, or
            tensors that `model.yaml` or a signature names are not in it.
    """
    path = folder / f"{prefix}.meta"
    meta = read_meta_graph(path)
    problems, notes = _values(folder, prefix, meta.graph)
    declared = signature_defs(meta.message)
    signatures: tuple[Signature, ...] = declared
    wiring = wirings(meta.message)
    try:
        if declared and not is_told(settings):
            problems += _missing(path, meta.graph, declared, wiring)
        else:
            wired = wire(path, meta.graph, settings)
            signatures, wiring = (wired.signature,), {wired.signature.name: wired.wiring}
            notes += wired.notes
            if declared:
                notes += ("its signatures are not used, as model.yaml names tensors",)
    except ModelError as error:
        problems += error.problems
    if problems:
        raise ModelError(problems)
    return Inspected(
        writer=Writer(tensorflow=meta.version),
        signatures=signatures,
        wiring=wiring,
        notes=notes,
        name_based=True,
        producer=meta.graph.producer,
    )


def read_meta_graph(path: Path) -> MetaGraph:
    """Return a MetaGraphDef, its graph's weights passed over.

    Raises:
        ModelError: the file is damaged.
    """
    try:
        with open_regular(path.resolve()) as stream:
            everything = whole(stream)
            graphs = [
                field.content
                for field in walk(stream, everything, Budget(_MAX_FIELDS))
                if field.number == _GRAPH and field.content is not None
            ]
            return MetaGraph(
                message=_without_graph(stream, everything), graph=read_graph(stream, graphs)
            )
    except (UntrustedFileError, FileNotFoundError) as error:
        raise ModelError([Problem(where=str(path), what=str(error))]) from None
    except (WireError, DecodeError) as error:
        what = f"is damaged: {error if isinstance(error, WireError) else 'it cannot be read'}"
        raise ModelError([Problem(where=str(path), what=what, hint=_AGAIN)]) from None


def is_meta_graph(stream: BinaryIO) -> bool:
    """Tell whether an open file is a MetaGraphDef: one that says which TensorFlow wrote it."""
    try:
        message = _without_graph(stream, whole(stream))
    except (WireError, DecodeError):
        return False
    return bool(message.meta_info_def.tensorflow_version)


def _without_graph(stream: BinaryIO, everything: Part) -> Any:
    def wanted(field: Field) -> bool:
        return field.number in (_META_INFO, _SIGNATURES)

    data = slim(
        stream,
        everything,
        wanted=wanted,
        whole_up_to=0,
        limit=_REST_BYTES,
        budget=Budget(_MAX_FIELDS),
    )
    return MetaGraphDef.FromString(data)


def _values(folder: Path, prefix: str, graph: Graph) -> tuple[list[Problem], tuple[str, ...]]:
    """Return what is wrong with the checkpoint, and what there is to say of it."""
    index = folder / f"{prefix}.index"
    if index.exists():
        found = read_checkpoint_index(index)
        return shard_problems(folder, prefix, found.num_shards, found.shard_bytes), ()
    variables = [node.name for node in graph.nodes.values() if node.op in VARIABLES]
    if not variables:
        return [], (f"{prefix}.meta has no variables, so there is nothing to restore",)
    if old := old_files(folder, prefix):
        note = (
            f"the values of its variables are in TensorFlow's old format: {', '.join(old[:_NAMED])}"
        )
        return missing_old_shards(folder, prefix, old), (note,)
    more = f" and {len(variables) - _NAMED} more" if len(variables) > _NAMED else ""
    listed = ", ".join(variables[:_NAMED]) + more
    what = f"{index.name} is missing: the graph's variables have no values ({listed})"
    return [Problem(where=str(folder), what=what, hint=COPY)], ()


def _missing(
    path: Path, graph: Graph, signatures: tuple[Signature, ...], wiring: dict[str, Wiring]
) -> list[Problem]:
    """Return the first few tensors that signatures name and the graph does not have."""
    problems: list[Problem] = []
    for signature in signatures:
        tensors = {**wiring[signature.name].feeds, **wiring[signature.name].fetches}
        for name, tensor in tensors.items():
            where = f"{path} signature {signature.name!r}, {name!r}"
            if len(problems) < _NAMED and (problem := unknown_tensor(graph, tensor, where)):
                problems.append(problem)
    return problems
