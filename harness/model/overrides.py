"""What `model.yaml` says that a model's format cannot do, or has no use for."""

from __future__ import annotations

from harness.errors import Problem, nearest
from harness.model.model import Format
from harness.model.settings import Settings
from harness.model.signatures import SIGNED

__all__ = ["loader_problems", "unused"]

_KERAS = ("keras.load_model", "keras.load_model.compiled", "tf_keras.load_model")
_READ_BY = {
    Format.SAVED_MODEL: ("saved_model.load", "session", *_KERAS, "TFSMLayer"),
    Format.KERAS: (*_KERAS, "load_weights"),
    Format.HDF5: (*_KERAS, "load_weights"),
    Format.HDF5_WEIGHTS: ("load_weights",),
    Format.CHECKPOINT: ("train.Checkpoint", "load_weights", "train.Saver"),
    Format.META_GRAPH: ("import_meta_graph",),
    Format.GRAPH_DEF: ("import_graph_def", "wrap_function"),
    Format.TFLITE: ("lite.Interpreter", "lite.Interpreter.reference"),
}
_WIRED = (Format.META_GRAPH, Format.GRAPH_DEF)


def loader_problems(format: Format, settings: Settings) -> list[Problem]:  # noqa: A002
    """Return a problem for each loader that does not read such a model."""
    possible = _READ_BY[format]
    return [
        Problem(
            where=settings.where("loaders", place),
            what=f"{loader} does not read a model in the format {format}",
            allowed=", ".join(possible),
            hint=nearest(loader, possible),
        )
        for place, loader in enumerate(settings.loaders)
        if loader not in possible
    ]


def unused(format: Format, settings: Settings) -> tuple[str, ...]:  # noqa: A002
    """Return a note for each key that means nothing for such a model."""
    keys = []
    if settings.signature is not None and format not in SIGNED:
        keys.append((f"signature {settings.signature!r}", "has none"))
    if settings.tags is not None and format is not Format.SAVED_MODEL:
        keys.append((f"tags {', '.join(settings.tags)}", "has none"))
    if format not in _WIRED:
        named = [f"inputs.{name}.tensor" for name, of in settings.inputs.items() if of.tensor]
        named += [f"outputs.{name}.tensor" for name, of in settings.outputs.items() if of.tensor]
        if named:
            keys.append((", ".join(named), "is not called by its tensors"))
    return tuple(f"{key} not used: a model in the format {format} {why}" for key, why in keys)
