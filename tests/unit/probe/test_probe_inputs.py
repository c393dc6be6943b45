"""Inputs: what is generated, what is accepted, what a user is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probing import inputs
from probing.inputs import BARE, generate, prepare, read_inputs, stored_inputs
from probing.report import Report
from probing.requests import DEFAULTS
from probing.tensors import Entry, Spec, Tensor, digest, save_arrays

SPECS = [
    Spec("bits", "bfloat16", [None, 2]),
    Spec("double", "float64", [3]),
    Spec("flag", "bool", [None]),
    Spec("half", "float16", [2, 2]),
    Spec("image", "float32", [None, None, 3]),
    Spec("number", "int32", [None]),
    Spec("small", "uint8", []),
    Spec("text", "string", [None, 1]),
    Spec("wave", "complex64", [2]),
]


def request(**changes: Any) -> dict[str, Any]:
    return {**DEFAULTS, **changes}


def generated(*specs: Spec, **changes: Any) -> list[Tensor]:
    found: list[Tensor] = generate(sorted(specs), request(**changes))
    return found


def fitted(specs: list[Spec], given: list[Tensor], lenient: bool = False) -> tuple[Any, list[str]]:
    warnings: list[str] = []
    return inputs.fitted(specs, given, lenient, warnings), warnings


def test_generated_inputs_are_the_same_for_ever() -> None:
    # The same value under NumPy 1.16 to 2.4: RandomState is frozen (NEP 19).
    expected = "997e05b36cc4bbcba530887487a3348c398247cc35847faefafeacce999889ba"
    assert digest(generated(*SPECS)) == expected


def test_the_seed_is_what_differs() -> None:
    again = digest(generated(*SPECS, seed=1))
    assert again == digest(generated(*SPECS, seed=1))
    assert again != digest(generated(*SPECS))


def test_generated_shapes_and_types() -> None:
    tensors = generated(*SPECS, batch_size=5, dimensions={"image": [2, 4, 3]})
    assert [(t.name, t.dtype, t.array.dtype.name, t.array.shape) for t in tensors] == [
        ("bits", "bfloat16", "uint16", (5, 2)),
        ("double", "float64", "float64", (3,)),
        ("flag", "bool", "bool", (5,)),
        ("half", "float16", "float16", (2, 2)),
        ("image", "float32", "float32", (2, 4, 3)),
        ("number", "int32", "int32", (5,)),
        ("small", "uint8", "uint8", ()),
        ("text", "string", "object", (5, 1)),
        ("wave", "complex64", "complex64", (2,)),
    ]
    assert re.fullmatch(rb"[a-z]{5}", tensors[7].array[0, 0])
    assert generated(Spec("x", "float32", [None, None]))[0].array.shape == (8, 16)


@pytest.mark.parametrize("dtype", ["string", "bool", "bfloat16", "uint8", "float16", "complex128"])
@pytest.mark.parametrize("shape", [(), (0, 3)])
def test_scalars_and_empty_arrays(dtype: str, shape: tuple[int, ...]) -> None:
    (tensor,) = generated(Spec("x", dtype, list(shape)))
    assert isinstance(tensor.array, np.ndarray)
    assert tensor.array.shape == shape
    assert len(digest([tensor])) == 64


def test_an_unknown_type_becomes_float32() -> None:
    assert generated(Spec("x", None, [2]))[0].dtype == "float32"


@given(
    dtype=st.sampled_from(["float16", "float32", "float64", "int8", "uint8", "int64"]),
    low=st.integers(0, 100),
    width=st.integers(1, 27),
    seed=st.integers(0, 2**32 - 1),
)
def test_ranges_hold(dtype: str, low: int, width: int, seed: int) -> None:
    ranges = {"x": [low, low + width]}
    array = generated(Spec("x", dtype, [20]), ranges=ranges, seed=seed)[0].array
    assert array.min() >= low
    # [low, high), but rounding to a narrower float may reach `high` itself.
    assert array.max() <= low + width - (1 if array.dtype.kind in "iu" else 0)


@given(st.integers(0, 2**32 - 1))
def test_bfloat16_is_rounded_to_the_nearest(seed: int) -> None:
    exact = generated(Spec("x", "float32", [50]), seed=seed)[0].array.astype(np.float64)
    bits = generated(Spec("x", "bfloat16", [50]), seed=seed)[0].array
    rounded = (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    assert (np.abs(rounded - exact) <= np.abs(exact) * 2.0**-8).all()


def test_an_unknown_rank_needs_a_shape() -> None:
    with pytest.raises(ValueError, match=r"its input 'x' has: give inputs\.npz, or the shape"):
        generated(Spec("x", "float32", None))
    assert generated(Spec("x", "float32", None), dimensions={"x": [2]})[0].array.shape == (2,)


def test_a_type_that_cannot_be_generated() -> None:
    with pytest.raises(ValueError, match="inputs of type resource cannot be generated"):
        generated(Spec("x", "resource", [1]))


def test_what_fits_is_taken_in_the_order_of_names() -> None:
    tensors = generated(*SPECS)
    taken, warnings = fitted(SPECS, list(reversed(tensors)))
    assert [tensor.name for tensor in taken] == [tensor.name for tensor in tensors]
    assert warnings == []


def test_everything_that_does_not_fit_is_said_at_once() -> None:
    given = [
        Tensor("q", "float32", np.zeros((2, 2), np.float32)),
        Tensor("x", "float64", np.zeros((2, 5))),
    ]
    specs = [Spec("x", "float32", [None, 4]), Spec("y", None, None)]
    with pytest.raises(ValueError, match="do not fit") as caught:
        fitted(specs, given)
    assert str(caught.value) == (
        "the inputs do not fit the model: q is not an input; x has another dtype; "
        "x has another shape; y is missing\n"
        "  wanted: x float32 [?, 4]; y any type [...]\n"
        "  given: q float32 [2, 2]; x float64 [2, 5]"
    )


def test_another_rank_is_another_shape() -> None:
    given = [Tensor("x", "float32", np.zeros(4, np.float32))]
    with pytest.raises(ValueError, match="x has another shape"):
        fitted([Spec("x", "float32", [None, 4])], given)


def test_keras_takes_a_single_input_of_any_name_and_numeric_type() -> None:
    specs = [Spec("dense_input", "float32", [None, 2])]
    given = [Tensor("x", "int64", np.array([[1, 2]]))]
    (taken,), warnings = fitted(specs, given, lenient=True)
    assert (taken.name, taken.dtype, taken.array.dtype) == ("dense_input", "float32", np.float32)
    assert warnings == [
        "the input 'x' is fed to 'dense_input', the only one",
        "the input 'dense_input' is converted from int64 to float32",
    ]
    with pytest.raises(ValueError, match="dense_input is missing"):
        fitted(specs, given)


def test_a_lossy_conversion_is_refused() -> None:
    given = [Tensor("x", "float32", np.zeros(1, np.float32))]
    with pytest.raises(ValueError, match="x has another dtype"):
        fitted([Spec("x", "int32", [None])], given, lenient=True)


def test_files_are_read_in_native_form(tmp_path: Path) -> None:
    save_arrays(
        str(tmp_path / "inputs.npz"),
        {
            "text": np.array(["é", "b"]),
            "raw": np.array([b"ab", b"c"]),
            "big": np.array([1, 2], dtype=">i4"),
            "file": np.zeros((), np.float16),
            "bits": np.array([1], np.uint16).view("V2"),
        },
    )
    tensors = {tensor.name: tensor for tensor in read_inputs(tmp_path / "inputs.npz")}
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {
        "text": "string",
        "raw": "string",
        "big": "int32",
        "file": "float16",
        "bits": "bfloat16",
    }
    assert tensors["text"].array.tolist() == ["é".encode(), b"b"]
    assert tensors["raw"].array.tolist() == [b"ab", b"c"]
    assert tensors["big"].array.dtype.isnative
    assert tensors["file"].array.shape == ()
    assert tensors["bits"].array.tolist() == [1]


def test_an_array_is_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(1))
    with pytest.raises(ValueError, match=r"is one array, not an \.npz archive"):
        read_inputs(tmp_path / "x.npy")


def test_pickles_are_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_inputs(tmp_path / "inputs.npz")


def test_generated_inputs_survive_their_file(tmp_path: Path) -> None:
    tensors = generated(*SPECS)
    path = str(tmp_path / "inputs.npz")
    save_arrays(path, stored_inputs(tensors))
    again, _ = fitted(SPECS, read_inputs(path))
    assert digest(again) == digest(tensors)
    assert not list(tmp_path.glob("*.part"))


def test_several_inputs_of_other_names_are_fed_where_there_is_one_way() -> None:
    specs = [Spec("ids", "int64", [None, 3]), Spec("mask", "float32", [None, 3])]
    given = [
        Tensor("a", "float32", np.zeros((2, 3), np.float32)),
        Tensor("b", "int64", np.zeros((2, 3), np.int64)),
    ]
    # An int64 is no float32 of the same kind, and a float32 no int64: there is one way.
    taken, warnings = fitted(specs, given, lenient=True)
    assert [(tensor.name, tensor.dtype) for tensor in taken] == [
        ("ids", "int64"),
        ("mask", "float32"),
    ]
    assert warnings == [
        "the input 'b' is fed to 'ids', the only one it fits",
        "the input 'a' is fed to 'mask', the only one it fits",
    ]
    with pytest.raises(ValueError, match="a is not an input; b is not an input; ids is missing"):
        fitted(specs, given)


def test_several_inputs_of_other_names_are_refused_where_there_are_two_ways() -> None:
    specs = [Spec("left", "float32", [None, 3]), Spec("right", "float32", [None, 3])]
    given = [Tensor(name, "float32", np.zeros((2, 3), np.float32)) for name in ("a", "b")]
    with pytest.raises(ValueError, match="a is not an input; b is not an input"):
        fitted(specs, given, lenient=True)


def test_one_right_name_among_wrong_ones_means_that_names_count() -> None:
    specs = [Spec("x", "float32", [2]), Spec("y", "int32", [2])]
    given = [
        Tensor("x", "float32", np.zeros(2, np.float32)),
        Tensor("z", "int32", np.zeros(2, np.int32)),
    ]
    with pytest.raises(ValueError, match="z is not an input; y is missing"):
        fitted(specs, given, lenient=True)


@given(st.permutations(range(4)), st.integers(1, 4))
def test_the_only_way_is_found_in_whatever_order(order: list[int], count: int) -> None:
    # Ranks tell them apart: [?], [?, ?] and so on.
    specs = [Spec(f"s{index}", "float32", [None] * (index + 1)) for index in range(count)]
    given = [
        Tensor(f"t{index}", "float32", np.zeros((1,) * (index + 1), np.float32))
        for index in order
        if index < count
    ]
    taken, _ = fitted(specs, given, lenient=True)
    assert [tensor.array.ndim for tensor in taken] == list(range(1, count + 1))


def test_a_bare_array_is_for_the_only_input_of_any_model() -> None:
    given = [Tensor(BARE, "float32", np.zeros((1, 2), np.float32))]
    (taken,), warnings = fitted([Spec("pixels", "float32", [None, 2])], given)
    assert (taken.name, warnings) == ("pixels", [])
    two = [Spec("a", "float32", [None, 2]), Spec("b", "float32", [None, 2])]
    with pytest.raises(ValueError, match="input is not an input; a is missing; b is missing"):
        fitted(two, given)


def test_what_a_model_says_nothing_of_is_fed_as_it_is() -> None:
    given = [Tensor(name, "float32", np.zeros(1, np.float32)) for name in ("a", "b")]
    taken, warnings = fitted([Spec("input_1", None, None)], given, lenient=True)
    assert taken == given
    assert warnings == ["the model does not say what it takes: the inputs are fed as a dict"]


def test_generated_inputs_are_kept_and_told(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    entry = Entry(None, [Spec("x", "string", [None, 2])], None, False)
    (tensor,) = prepare(report, {**DEFAULTS, "batch_size": 3}, entry)
    assert report.values["inputs"] == [{"name": "x", "dtype": "string", "shape": [3, 2]}]
    assert report.values["inputs_generated"] is True
    assert report.values["inputs_digest"] == digest([tensor])
    request = {**DEFAULTS, "inputs": str(tmp_path / "inputs.npz")}
    (again,) = prepare(report, request, entry)
    assert report.values["inputs_generated"] is False
    assert again.array.tolist() == tensor.array.tolist()
