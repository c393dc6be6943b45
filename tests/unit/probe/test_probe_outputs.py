"""Outputs: how they are stored, and how the harness reads them back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from harness.npz import read_npz
from harness.observation import TensorFacts
from harness.probe import probe
from harness.tensor import NumericTensor, StringTensor, decode_outputs


def stored(*tensors: probe.Tensor) -> dict[str, np.ndarray]:
    return {
        f"output_{index}{suffix}": array
        for index, tensor in enumerate(tensors)
        for suffix, array in probe.encoded(tensor)
    }


def facts(*tensors: probe.Tensor) -> list[TensorFacts]:
    return [TensorFacts.model_validate(fact) for fact in probe.describe(tensors)]


@given(
    st_numpy.arrays(
        np.dtype(object), st_numpy.array_shapes(min_dims=0, min_side=0), elements=st.binary()
    )
)
def test_strings_come_back(strings: np.ndarray) -> None:
    tensor = probe.Tensor("s", "string", strings)
    decoded = decode_outputs(facts(tensor), stored(tensor))
    assert decoded == {"s": StringTensor(strings.shape, tuple(strings.ravel().tolist()))}


def test_numbers_come_back(tmp_path: Path) -> None:
    tensors = [
        probe.Tensor("a", "bfloat16", np.array([1, 2], np.uint16)),
        probe.Tensor("b", "float32", np.array(np.nan, np.float32)),
        probe.Tensor("c", "int64", np.zeros((0, 3), np.int64)),
    ]
    probe.save_arrays(str(tmp_path / "outputs.npz"), stored(*tensors))
    arrays = read_npz(tmp_path / "outputs.npz", max_bytes=1000, what="outputs.npz")
    decoded = decode_outputs(facts(*tensors), arrays)
    for tensor in tensors:
        found = decoded[tensor.name]
        assert isinstance(found, NumericTensor)
        assert (found.dtype, found.shape) == (tensor.dtype, tensor.array.shape)
        assert found.array.tobytes() == tensor.array.tobytes()


def test_ragged_and_sparse_tensors_are_their_parts() -> None:
    ragged = SimpleNamespace(flat_values="v", nested_row_splits=["r0", "r1"])
    assert probe.parts_of(ragged) == [
        ("/values", "v"),
        ("/row_splits_0", "r0"),
        ("/row_splits_1", "r1"),
    ]
    sparse = SimpleNamespace(indices="i", values="v", dense_shape="s")
    assert probe.parts_of(sparse) == [("/indices", "i"), ("/values", "v"), ("/dense_shape", "s")]
    assert probe.parts_of("dense") == [("", "dense")]


def test_the_digest_tells_every_difference() -> None:
    zero = probe.Tensor("x", "float32", np.zeros((2, 2), np.float32))
    others = [
        zero,
        zero._replace(name="y"),
        zero._replace(dtype="int32", array=zero.array.astype(np.int32)),
        zero._replace(array=zero.array.reshape(4)),
        zero._replace(array=-zero.array),
        probe.Tensor("x", "string", np.array([b"ab", b"c"], object)),
        probe.Tensor("x", "string", np.array([b"a", b"bc"], object)),
    ]
    assert len({probe.digest([tensor]) for tensor in others}) == len(others)


def test_the_digest_is_of_bits_in_c_order() -> None:
    array = np.array([[1, np.nan], [3, 4]], np.float32)
    tensors = [probe.Tensor("x", "float32", array), probe.Tensor("a", "float32", array)]
    fortran = [tensor._replace(array=np.asfortranarray(array)) for tensor in reversed(tensors)]
    assert probe.digest(tensors) == probe.digest(fortran)
