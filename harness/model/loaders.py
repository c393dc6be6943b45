"""Which call reads a model first, by its format and the TensorFlow that reads it."""

from __future__ import annotations

from typing import assert_never

from packaging.version import Version

from harness.model.model import Format

__all__ = ["first_loader"]

_EAGER = Version("2.0.dev0")
"""From here on `tf.saved_model.load` returns callable signatures by itself; TensorFlow 1 runs
them in a session."""


def first_loader(format: Format, tensorflow: str) -> str:  # noqa: A002  (the word of the records)
    """Return the loader whose outcome is the cell's verdict.

    `tensorflow` is a version, such as `2.15.1`.
    """
    match format:
        case Format.SAVED_MODEL:
            return "saved_model.load" if Version(tensorflow) >= _EAGER else "session"
        case Format.KERAS | Format.HDF5:
            return "keras.load_model"
        case _:
            assert_never(format)
