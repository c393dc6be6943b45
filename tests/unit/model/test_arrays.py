from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.model.arrays import (
    expected_problems,
    input_problems,
    label_problems,
    raw_problems,
)
from harness.model.model import Signature, TensorSpec


def spec(name: str, dtype: str, *shape: int | None) -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


SIGNATURE = Signature(
    name="serving_default",
    inputs=(
        spec("image", "float32", None, 8, 8, 1),
        spec("weight", "float32", None),
    ),
    outputs=(spec("probabilities", "float32", None, 10),),
)
HINT = "\n  hint: write it with `numpy.savez(FILE, name=array, ...)`"
PLAIN = "\n  allowed: arrays of numbers or strings, by name"


def inputs(
    tmp_path: Path,
    arrays: dict[str, np.ndarray],
    signature: Signature | None = SIGNATURE,
    *,
    lenient: bool = False,
    shaped: tuple[str, ...] = (),
) -> list[str]:
    path = tmp_path / "inputs.npz"
    np.savez(path, allow_pickle=True, **arrays)  # type: ignore[arg-type]
    found = input_problems(path, signature, lenient=lenient, shaped=shaped)
    return [str(problem).removeprefix(f"{path}: ") for problem in found]


def image(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.zeros(shape or (3, 8, 8, 1), dtype)


WEIGHT = np.zeros(3, np.float32)


def test_inputs_that_fit(tmp_path: Path) -> None:
    assert inputs(tmp_path, {"image": image(), "weight": WEIGHT}) == []
    assert inputs(tmp_path, {"image": image(dtype=">f4"), "weight": WEIGHT}) == []


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    found = inputs(tmp_path, {"imge": image(), "image": image(3, 8, 8, dtype="float64")})
    assert found == [
        "'imge' is not an input of the model\n"
        "  allowed: image float32 [?, 8, 8, 1], weight float32 [?]\n"
        "  hint: did you mean 'image'?",
        "input 'image' has another type: image float64 [3, 8, 8]\n"
        "  allowed: image float32 [?, 8, 8, 1]",
        "input 'image' has another shape: image float64 [3, 8, 8]\n"
        "  allowed: image float32 [?, 8, 8, 1]",
        "input 'weight' is missing\n  allowed: weight float32 [?]",
    ]


def test_a_fixed_dimension(tmp_path: Path) -> None:
    assert inputs(tmp_path, {"image": image(3, 8, 9, 1), "weight": WEIGHT}) == [
        "input 'image' has another shape: image float32 [3, 8, 9, 1]\n"
        "  allowed: image float32 [?, 8, 8, 1]"
    ]


def test_different_batch_sizes(tmp_path: Path) -> None:
    arrays = {"image": image(4, 8, 8, 1), "weight": WEIGHT}
    assert inputs(tmp_path, arrays) == [
        "the inputs have different batch sizes: 'image' has 4, 'weight' has 3\n"
        "  allowed: one size of the first dimension\n"
        "  hint: where it is not the batch, give the input's shape in model.yaml under `inputs`"
    ]
    assert inputs(tmp_path, arrays, shaped=("weight",)) == []


def test_pickled_objects(tmp_path: Path) -> None:
    found = inputs(tmp_path, {"image": np.array([{}]), "weight": WEIGHT})
    assert found == [
        "array 'image' holds Python objects, stored as a pickle; pickles can run code and are "
        "never read" + PLAIN + HINT
    ]


def test_an_unknown_signature_still_wants_sound_arrays(tmp_path: Path) -> None:
    assert inputs(tmp_path, {"anything": image()}, None) == []
    assert len(inputs(tmp_path, {"anything": np.array([{}])}, None)) == 1


def test_not_an_npz(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    path.write_bytes(b"nothing")
    found = input_problems(path, SIGNATURE, lenient=False, shaped=())
    assert [str(problem) for problem in found] == [
        f"{path}: is not a whole zip archive (File is not a zip file)" + PLAIN + HINT
    ]


@pytest.mark.parametrize(
    ("wanted", "given", "strict", "lenient"),
    [
        ("float32", "float32", True, True),
        ("float32", "float64", False, True),
        ("float32", "int64", False, True),
        ("int32", "int64", False, True),
        ("int32", "float32", False, False),
        ("bool", "int8", False, False),
        ("string", "S3", True, True),
        ("string", "U3", True, True),
        ("string", "float32", False, False),
        ("float32", "S3", False, False),
        ("bfloat16", "uint16", True, True),
        ("bfloat16", "V2", True, True),
        ("bfloat16", "float32", False, False),
        ("float16", "float16", True, True),
        ("qint8", "int8", True, True),
        ("unknown", "float64", True, True),
    ],
)
def test_types(tmp_path: Path, wanted: str, given: str, strict: bool, lenient: bool) -> None:
    signature = Signature(name="s", inputs=(spec("x", wanted, None),))
    for way, fits in ((False, strict), (True, lenient)):
        found = inputs(tmp_path, {"x": np.zeros(2, given)}, signature, lenient=way)
        assert (found == []) is fits


def test_a_keras_model_takes_its_only_input_under_any_name(tmp_path: Path) -> None:
    signature = Signature(name="call", inputs=(spec("dense_input", "float32", None, 4),))
    arrays = {"x": np.zeros((2, 4), np.float32)}
    assert inputs(tmp_path, arrays, signature, lenient=True) == []
    assert len(inputs(tmp_path, arrays, signature)) == 2
    assert len(inputs(tmp_path, {**arrays, "y": WEIGHT}, signature, lenient=True)) == 3


def test_an_unknown_rank_takes_any_shape(tmp_path: Path) -> None:
    unknown = TensorSpec(name="x", dtype="float32", shape=None)
    signature = Signature(name="s", inputs=(unknown,))
    assert inputs(tmp_path, {"x": image()}, signature) == []
    assert inputs(tmp_path, {"x": np.float32(1)}, signature) == []  # type: ignore[dict-item]
    assert inputs(tmp_path, {"x": image(dtype="int32")}, signature) == [
        "input 'x' has another type: x int32 [3, 8, 8, 1]\n  allowed: x float32 [...]"
    ]


def expected(tmp_path: Path, **arrays: np.ndarray) -> list[str]:
    path = tmp_path / "expected.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    found = expected_problems(path, SIGNATURE)
    return [str(problem).removeprefix(f"{path}: ") for problem in found]


def test_expected_outputs(tmp_path: Path) -> None:
    assert expected(tmp_path, probabilities=WEIGHT) == []
    assert expected(tmp_path, probability=WEIGHT) == [
        "'probability' is not an output of the model\n"
        "  allowed: probabilities float32 [?, 10]\n"
        "  hint: did you mean 'probabilities'?"
    ]
    assert expected(tmp_path) == ["holds no array"]
    assert expected_problems(tmp_path / "expected.npz", None) != []


def labels(tmp_path: Path, **arrays: np.ndarray) -> list[str]:
    path = tmp_path / "labels.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return [str(problem).removeprefix(f"{path}: ") for problem in label_problems(path)]


def test_labels(tmp_path: Path) -> None:
    allowed = (
        "\n  allowed: one array with a label for each example: integers or floats with one "
        "dimension, or floats with two"
    )
    assert labels(tmp_path, y=np.arange(3)) == []
    assert labels(tmp_path, y=np.zeros(3)) == []
    assert labels(tmp_path, y=np.zeros((3, 2))) == []  # several numbers are predicted
    assert labels(tmp_path) == ["holds no array" + allowed]
    assert labels(tmp_path, a=np.zeros((2, 2)), b=np.array(["x"])) == [
        "holds a float64 [2, 2], b string [1]" + allowed
    ]
    assert labels(tmp_path, y=np.array(["x"])) == ["holds y string [1]" + allowed]
    assert labels(tmp_path, y=np.zeros((3, 2), int)) == ["holds y int64 [3, 2]" + allowed]
    assert labels(tmp_path, y=np.zeros((3, 2, 1))) == ["holds y float64 [3, 2, 1]" + allowed]


def raw(tmp_path: Path, **arrays: np.ndarray) -> list[str]:
    path = tmp_path / "raw.npz"
    np.savez(path, allow_pickle=True, **arrays)  # type: ignore[arg-type]
    return [str(problem).removeprefix(f"{path}: ") for problem in raw_problems(path)]


def test_raw_inputs_may_be_anything_that_is_no_pickle(tmp_path: Path) -> None:
    assert raw(tmp_path, text=np.array(["x"]), images=np.zeros((2, 3), np.uint8)) == []
    assert raw(tmp_path) == ["holds no array"]
    assert raw(tmp_path, text=np.array([{}])) == [
        "array 'text' holds Python objects, stored as a pickle; pickles can run code and are "
        "never read" + PLAIN + HINT
    ]
