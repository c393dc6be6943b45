from __future__ import annotations

import pytest

from harness.model.loaders import first_loader
from harness.model.model import Format


@pytest.mark.parametrize(
    ("format_", "tensorflow", "loader"),
    [
        (Format.SAVED_MODEL, "1.15.5", "session"),
        (Format.SAVED_MODEL, "2.0.0", "saved_model.load"),
        (Format.SAVED_MODEL, "2.0.0rc1", "saved_model.load"),
        (Format.SAVED_MODEL, "2.21.0", "saved_model.load"),
        (Format.KERAS, "1.15.5", "keras.load_model"),
        (Format.KERAS, "2.16.1", "keras.load_model"),
        (Format.HDF5, "2.4.4", "keras.load_model"),
    ],
)
def test_the_first_loader(format_: Format, tensorflow: str, loader: str) -> None:
    assert first_loader(format_, tensorflow) == loader
