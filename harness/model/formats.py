"""What reads a model of each format; its libraries are imported where there is such a model."""

from __future__ import annotations

from typing import assert_never

from harness.model.candidates import Located
from harness.model.inspected import Inspected
from harness.model.model import Format
from harness.model.settings import Settings

__all__ = ["inspect_format"]


def inspect_format(located: Located, settings: Settings) -> Inspected:  # noqa: PLR0911 (one a format)
    """Return what the files of a model say of it.

    Raises:
        ModelError: they are damaged, or not what they have to be.
    """
    match located.format:
        case Format.SAVED_MODEL:
            from harness.model.saved_model import inspect_saved_model

            return inspect_saved_model(located.path, settings.tags)
        case Format.KERAS:
            from harness.model.keras_zip import inspect_keras

            return inspect_keras(located.path)
        case Format.HDF5:
            from harness.model.hdf5 import inspect_hdf5

            return inspect_hdf5(located.path)
        case Format.HDF5_WEIGHTS:
            from harness.model.hdf5 import inspect_hdf5_weights

            return inspect_hdf5_weights(located.path)
        case Format.CHECKPOINT:
            from harness.model.checkpoint import inspect_checkpoint

            return inspect_checkpoint(located.path, located.prefix)
        case Format.META_GRAPH:
            from harness.model.meta_graph import inspect_meta_graph

            return inspect_meta_graph(located.path, located.prefix, settings)
        case Format.GRAPH_DEF:
            from harness.model.graph_def import inspect_graph_def

            return inspect_graph_def(located.path, settings)
        case Format.TFLITE:
            from harness.model.tflite import inspect_tflite

            return inspect_tflite(located.path)
        case _:
            assert_never(located.format)
