"""Outputs: how they are stored, and how the harness reads them back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from probing import tensors as probe

from harness.npz import read_npz
from harness.observation import TensorFacts
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
        zero._replace(dtype="int32", array=zero.array.astype(np.int32)),
        zero._replace(array=zero.array.reshape(4)),
        zero._replace(array=-zero.array),
        probe.Tensor("x", "string", np.array([b"ab", b"c"], object)),
        probe.Tensor("x", "string", np.array([b"a", b"bc"], object)),
    ]
    assert len({probe.digest([tensor]) for tensor in others}) == len(others)


def test_names_count_only_where_there_are_several() -> None:
    left = probe.Tensor("x", "float32", np.zeros(2, np.float32))
    right = probe.Tensor("y", "float32", np.ones(2, np.float32))
    assert probe.digest([left]) == probe.digest([left._replace(name="input_1")])
    swapped = [left._replace(name="y"), right._replace(name="x")]
    assert probe.digest([left, right]) != probe.digest(swapped)


def test_the_digest_is_of_bits_in_c_order() -> None:
    array = np.array([[1, np.nan], [3, 4]], np.float32)
    tensors = [probe.Tensor("x", "float32", array), probe.Tensor("a", "float32", array)]
    fortran = [tensor._replace(array=np.asfortranarray(array)) for tensor in reversed(tensors)]
    assert probe.digest(tensors) == probe.digest(fortran)


class DType:
    """As much of a TensorFlow type as is asked for."""

    def __init__(self, name: str) -> None:
        self.name = name


def name_of(dtype: np.dtype) -> str:
    return np.dtype(dtype).name.replace("object", "string")


TF = SimpleNamespace(
    DType=DType,
    as_dtype=lambda dtype: (
        dtype
        if isinstance(dtype, DType)
        else DType(np.dtype(dtype).name.replace("object", "string"))
    ),
)


class Eager(np.ndarray):
    """Like an eager tensor: its memory can be looked at, and `numpy()` copies it."""

    def numpy(self) -> np.ndarray:
        pytest.fail("it is copied")


def test_an_output_is_not_copied() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    (tensor,) = probe.materialised(TF, {"y": array.view(Eager)})
    assert type(tensor.array) is np.ndarray
    assert np.shares_memory(tensor.array, array)


def test_materialised_outputs_are_sorted_and_let_go() -> None:
    found = {
        "b": np.array([1, 2], np.int64),
        "a": np.array([b"x", b"y"], object),
        "c": np.array([b"x\0z"], "S3"),
    }
    tensors = probe.materialised(TF, found)
    assert [(tensor.name, tensor.dtype) for tensor in tensors] == [
        ("a", "string"),
        ("b", "int64"),
        ("c", "string"),
    ]
    assert tensors[2].array.tolist() == [b"x\0z"]
    assert found == {}


def test_a_type_that_numpy_lacks_is_stored_as_its_bits() -> None:
    value = SimpleNamespace(dtype=DType("qint8"), numpy=lambda: np.array([-1, 2], np.int8))
    (tensor,) = probe.materialised(TF, {"q": value})
    assert (tensor.dtype, tensor.array.dtype, tensor.array.tolist()) == (
        "qint8",
        np.uint8,
        [255, 2],
    )


def test_outputs_are_written_in_their_order(tmp_path: Path) -> None:
    tensors = [
        probe.Tensor("a", "string", np.array([b"xy"], object)),
        probe.Tensor("b", "float32", np.zeros(2, np.float32)),
    ]
    probe.write_outputs(str(tmp_path / "outputs.npz.part"), tensors)
    arrays = read_npz(tmp_path / "outputs.npz.part", max_bytes=1000, what="outputs")
    assert list(arrays) == ["output_0.data", "output_0.offsets", "output_1"]
