"""What there is to show of graphs: SavedModels, checkpoints with a graph, frozen graphs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

from harness.errors import ModelError
from harness.model.checkpoint import read_checkpoint_index
from harness.model.damage import damage_is_an_error
from harness.model.details import Details, Fact, FileEntry, Training, Variables
from harness.model.keras_details import with_objects
from harness.model.protos import FingerprintDef, MetaGraphDef, SavedModel
from harness.model.saved_keras import saved_keras
from harness.model.saved_model import graph_tags, saved_graph, text
from harness.model.survey import Survey, survey
from harness.model.variables import in_checkpoint, of_optimizer
from harness.model.wire import Part, load, slim, walk, whole
from harness.text import one_line
from harness.untrusted import open_regular

__all__ = ["checkpoint_details", "graph_def_details", "meta_graph_details", "saved_model_details"]

_META_GRAPHS = 2
"""Field of SavedModel."""
_GRAPH = 2
"""Field of MetaGraphDef."""
_WANTED = (1, 3, 5, 7)
"""Of its others: meta info, saver, signatures, objects."""
_REST_BYTES = 512 * 1024**2
_SMALL_BYTES = 1024**2
_SHOWN = 200
_REVIVED = (
    "Keras classes of a SavedModel that are not given are brought back from the graph, without "
    "their own code"
)


@dataclass(frozen=True, slots=True)
class _MetaGraph:
    """A MetaGraphDef in a file."""

    message: Any
    """Without its graph."""
    graphs: tuple[Part, ...]


def saved_model_details(folder: Path, tags: Collection[str] | None) -> Details:
    """Read what there is to show of a SavedModel; `tags` are those of its graph, if told.

    Raises:
        ModelError: a file is damaged.
    """
    path = folder / "saved_model.pb"
    with damage_is_an_error(path), open_regular(path.resolve()) as stream:
        rest, everything = [], whole(stream)
        metas = []
        for item in walk(stream, everything):
            if item.number == _META_GRAPHS and item.content is not None:
                metas.append(_meta_graph(stream, item.content))
            else:
                rest.append(load(stream, Part(item.begin, item.end), _SMALL_BYTES))
        messages = [meta.message for meta in metas]
        chosen = saved_graph(SimpleNamespace(meta_graphs=messages), folder, tags)
        meta = next(found for found in metas if found.message is chosen)
        graph = _survey(stream, meta, chosen.signature_def)
        schema = SavedModel.FromString(b"".join(rest)).schema_version
    variables, kept, notes = _saved_variables(folder)
    objects, training, keras = saved_keras(folder, chosen, kept)
    written = {
        **_versions(chosen.meta_info_def),
        "Keras": keras,
        **_producer(graph),
        "SavedModel schema": str(schema) if schema else None,
        **_fingerprint(folder / "fingerprint.pb"),
    }
    return with_objects(
        _with_graph(graph, written).model_copy(
            update={
                "tags": tuple(graph_tags(message) for message in messages),
                "variables": variables,
                "training": training,
                "assets": tuple(_assets(folder)),
                "notes": (*notes, *((_REVIVED,) if objects.custom else ())),
            }
        ),
        objects,
    )


def meta_graph_details(folder: Path, prefix: str, outputs: Collection[str]) -> Details:
    """Read what there is to show of a checkpoint with a graph; `outputs` are the graph's.

    Raises:
        ModelError: a file is damaged.
    """
    path = folder / f"{prefix}.meta"
    with damage_is_an_error(path), open_regular(path.resolve()) as stream:
        meta = _meta_graph(stream, whole(stream))
        graph = _survey(stream, meta, (), outputs)
    variables, kept = _variables(folder, prefix)
    written = {**_versions(meta.message.meta_info_def), **_producer(graph)}
    update = {"variables": variables, "training": _of_checkpoint(kept)}
    return _with_graph(graph, written).model_copy(update=update)


def graph_def_details(path: Path, outputs: Collection[str]) -> Details:
    """Read what there is to show of a frozen graph; `outputs` are its output tensors.

    Raises:
        ModelError: it is damaged.
    """
    with damage_is_an_error(path), open_regular(path.resolve()) as stream:
        graph = survey(stream, [whole(stream)], outputs=outputs)
    return _with_graph(graph, _producer(graph))


def checkpoint_details(folder: Path, prefix: str) -> Details:
    """Read what there is to show of a checkpoint without a graph.

    Raises:
        ModelError: it is damaged.
    """
    variables, kept = _variables(folder, prefix)
    return Details(variables=variables, training=_of_checkpoint(kept))


def _meta_graph(stream: BinaryIO, part: Part) -> _MetaGraph:
    data = slim(
        stream,
        part,
        wanted=lambda item: item.number in _WANTED,
        whole_up_to=0,
        limit=_REST_BYTES,
    )
    graphs = [
        item.content
        for item in walk(stream, part)
        if item.number == _GRAPH and item.content is not None
    ]
    return _MetaGraph(MetaGraphDef.FromString(data), tuple(graphs))


def _survey(
    stream: BinaryIO, meta: _MetaGraph, signatures: Any, outputs: Collection[str] = ()
) -> Survey:
    declared = [text(tensor.value.name) for entry in signatures for tensor in entry.value.outputs]
    saver = meta.message.saver_def
    return survey(
        stream,
        meta.graphs,
        saver=(text(saver.save_tensor_name), text(saver.restore_op_name)),
        outputs=[name for name in (*declared, *outputs) if name],
    )


def _with_graph(graph: Survey, written: Mapping[str, str | None]) -> Details:
    return Details(
        written=tuple(
            Fact(key=key, value=one_line(value, _SHOWN)) for key, value in written.items() if value
        ),
        operations=graph.operations,
        functions=graph.functions,
        custom_ops=graph.custom_ops,
        effects=graph.effects,
        random_ops=graph.random_ops,
        constants=graph.constants if graph.constants.count else None,
    )


def _versions(info: Any) -> dict[str, str | None]:
    return {
        "TensorFlow": text(info.tensorflow_version) or None,
        "git": _git(text(info.tensorflow_git_version)),
    }


def _git(version: str) -> str | None:
    # TensorFlow 1.9 to 1.13 wrote the text of a bytes object.
    named = version.removeprefix("b'").removesuffix("'")
    return named if named not in ("", "unknown") else None


def _producer(graph: Survey) -> dict[str, str | None]:
    if not graph.producer:
        return {"GraphDef": "versions not recorded"}
    least = f", for consumers from {graph.min_consumer}" if graph.min_consumer else ""
    return {"GraphDef": f"version {graph.producer}{least}"}


def _fingerprint(path: Path) -> dict[str, str | None]:
    """Return what TensorFlow 2.12 and newer write beside a SavedModel."""
    if not path.exists():
        return {}
    with damage_is_an_error(path), open_regular(path.resolve()) as stream:
        found = FingerprintDef.FromString(load(stream, whole(stream), _SMALL_BYTES))
    hashes = {
        "saved_model.pb": found.saved_model_checksum,
        "graph": found.graph_def_program_hash,
        "signatures": found.signature_def_hash,
        "objects": found.saved_object_graph_hash,
        "checkpoint": found.checkpoint_hash,
    }
    listed = ", ".join(f"{name} {value:016x}" for name, value in hashes.items() if value)
    return {"fingerprint": listed or None, "fingerprint id": text(found.uuid) or None}


def _variables(folder: Path, prefix: str) -> tuple[Variables | None, int | None]:
    """Return what a checkpoint holds, and how much of it is an optimizer's."""
    index = folder / f"{prefix}.index"
    if not index.exists():
        return None, None
    found = read_checkpoint_index(index)
    return in_checkpoint(found), of_optimizer(found.tensors, object_based=found.object_based)


def _saved_variables(folder: Path) -> tuple[Variables | None, int | None, tuple[str, ...]]:
    """Return the same of a SavedModel, and what there is to say where they cannot be read."""
    try:
        return *_variables(folder / "variables", "variables"), ()
    except ModelError as error:
        # The model can be shown without them.
        said = "; ".join(f"{problem.where} {problem.what}" for problem in error.problems)
        return None, None, (f"loading will fail, and variables are not counted: {said}",)


def _of_checkpoint(kept: int | None) -> Training | None:
    return Training(variables=kept, where="names in the checkpoint") if kept else None


def _assets(folder: Path) -> Iterator[FileEntry]:
    assets = folder / "assets"
    for path in sorted(assets.rglob("*")) if assets.is_dir() else ():
        if path.is_file():
            yield FileEntry(name=path.relative_to(assets).as_posix(), bytes=path.stat().st_size)
