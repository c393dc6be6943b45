"""Counting what a model's files hold: variables, and which of them are an optimizer's."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable

from harness.model.checkpoint import CheckpointIndex
from harness.model.details import Variables
from harness.model.hdf5_tree import Hdf5Array

__all__ = ["in_checkpoint", "in_hdf5", "of_optimizer"]

_ITEM_BYTES = {
    **dict.fromkeys(("bool", "int8", "uint8", "qint8", "quint8"), 1),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16", "qint16", "quint16"), 2),
    **dict.fromkeys(("float32", "int32", "uint32", "qint32"), 4),
    **dict.fromkeys(("float64", "int64", "uint64", "complex64"), 8),
    "complex128": 16,
}
"""Of TensorFlow's types whose elements have one size; the others count as one byte."""

_SLOT = re.compile(r"/\.OPTIMIZER_SLOT/([^/]+)/")
"""tensorflow/python/trackable/constants.py: the slot variables of object-based checkpoints."""
_OPTIMIZER = "optimizer"
_NAMED_SLOT = re.compile(
    r"(.+)/(Adam|Adam_1|Momentum|RMSProp|RMSProp_1|Adagrad|AdagradDA|Adadelta|Adadelta_1|Ftrl|"
    r"Ftrl_1|ProximalAdagrad)"
)
"""How the optimizers of TensorFlow 1 name slots: tensorflow/python/training/*.py."""
_NAMED_OWN = re.compile(r"(.*/)?(beta1_power|beta2_power)(_\d+)?")
_HDF5_OPTIMIZER = re.compile(r"(optimizer_weights|optimizer)/")
"""Keras 2 keeps them beside `model_weights`, Keras 3 under the name of the attribute."""


def in_checkpoint(index: CheckpointIndex) -> Variables:
    """Count the tensors of a checkpoint; `bytes` is what their elements take in memory."""
    tensors = index.tensors.values()
    sizes = [math.prod(tensor.shape) for tensor in tensors]
    return Variables(
        count=len(sizes),
        parameters=sum(sizes),
        bytes=sum(
            size * _ITEM_BYTES.get(tensor.dtype, 1)
            for size, tensor in zip(sizes, tensors, strict=True)
        ),
    )


def in_hdf5(arrays: Iterable[Hdf5Array]) -> Variables:
    """Count the datasets of an HDF5 file."""
    found = tuple(arrays)
    return Variables(
        count=len(found),
        parameters=sum(array.elements for array in found),
        bytes=sum(array.elements * array.item_bytes for array in found),
    )


def of_optimizer(keys: Collection[str], *, object_based: bool | None) -> int:
    """Return how many keys are an optimizer's variables.

    They are a checkpoint's, or with `object_based=None` the datasets of an HDF5 file.
    """
    if object_based is None:
        return sum(_HDF5_OPTIMIZER.match(key) is not None for key in keys)
    if object_based:
        slots = [match[1] for key in keys if (match := _SLOT.search(key))]
        own = {_OPTIMIZER, *slots}
        return sum(_SLOT.search(key) is not None or key.split("/")[0] in own for key in keys)
    return sum(_is_named_slot(key, keys) for key in keys)


def _is_named_slot(key: str, keys: Collection[str]) -> bool:
    slot = _NAMED_SLOT.fullmatch(key)
    return slot[1] in keys if slot is not None else _NAMED_OWN.fullmatch(key) is not None
