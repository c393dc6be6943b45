"""Files that are damaged, incomplete or another model's."""

import shutil

import h5py
import numpy as np

from making.digits import shown
from making.network import bare
from making.saving import keras_outputs, save_arrays, save_keras, save_saved_model

__all__ = ["corrupt"]

SHARD = "variables.data-00000-of-00001"


def corrupt(out):
    """Write a model in HDF5 and as a SavedModel, and damage copies of both in several ways."""
    model = bare()
    intact = out / "intact" / "model.h5"
    save_keras(model, intact)
    save_keras(bare(seed=7), out / "other-weights" / "model.h5")
    for name in ("bit-flip-in-shard", "variables-missing"):
        save_saved_model(model, model.weights, out / name / "savedmodel")
    flip(out / "bit-flip-in-shard" / "savedmodel" / "variables" / SHARD, 1000, 0x10)
    shutil.rmtree(str(out / "variables-missing" / "savedmodel" / "variables"))
    content = intact.read_bytes()
    _write(out / "truncated" / "model.h5", content[: len(content) * 2 // 3])
    with h5py.File(str(intact), "r") as file:
        group = file["model_weights/hidden/hidden"]
        kernel, header = group["kernel:0"].id.get_offset(), h5py.h5o.get_info(group.id).addr
    # The exponent of one weight: HDF5 has no checksum of its own that would tell.
    _write(out / "silent-bit-flip" / "model.h5", content)
    flip(out / "silent-bit-flip" / "model.h5", kernel + 4 * 16 * 20 + 3, 0x02)
    # The header of a group that only a reader of the weights comes to.
    _write(out / "bit-flip-in-h5" / "model.h5", content)
    flip(out / "bit-flip-in-h5" / "model.h5", header, 0x10)
    save_arrays(out / "inputs.npz", image=shown())
    save_arrays(out / "expected.npz", probabilities=keras_outputs(intact))


def flip(path, position, bits):
    """Flip bits of one byte of a file."""
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    content[position] ^= bits
    path.write_bytes(content.tobytes())


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
