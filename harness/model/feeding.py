"""Whether a model can be fed: inputs that nobody gives need a shape to be made of."""

from __future__ import annotations

from harness.errors import Problem
from harness.model.arrays import describe
from harness.model.model import Format, Model, Signature

__all__ = ["unfed_inputs"]

_DECLARED = (Format.SAVED_MODEL, Format.GRAPH_DEF, Format.META_GRAPH)
"""Formats whose files say all that TensorFlow will know; the others' may learn it when loaded."""


def unfed_inputs(model: Model) -> list[Problem]:
    """Return the inputs that would have to be generated, and whose rank nothing tells.

    Every environment would refuse them alike: that is known before any is made.
    """
    if model.format not in _DECLARED or model.inputs is not None or model.preprocesses:
        return []
    return [
        Problem(
            where=str(model.path),
            what=f"the shape of the input {spec.name!r} is not known: {describe(spec)}",
            allowed="inputs.npz beside the model, or the shape in model.yaml",
            hint=f"inputs: {{{spec.name}: {{shape: [8, 10]}}}} in model.yaml, with your numbers",
        )
        for spec in _called(model).inputs
        if spec.shape is None and spec.name not in model.dimensions
    ]


def _called(model: Model) -> Signature:
    """Return the signature that is called; an empty one where only Keras can call the model."""
    by_name = {signature.name: signature for signature in model.signatures}
    only = model.signatures[0] if len(model.signatures) == 1 else None
    return by_name.get(model.signature or "") or only or Signature(name="", inputs=())
