from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.model.feeding import unfed_inputs
from harness.model.model import Code, Format, Signature, TensorSpec
from tests.support.fakes import model

UNKNOWN = Signature(
    name="serving_default",
    inputs=(
        TensorSpec(name="x", dtype="float32", shape=None),
        TensorSpec(name="y", dtype="float32", shape=(None, 4)),
    ),
)


def problems(**fields: Any) -> list[str]:
    of = {"signatures": (UNKNOWN,), "signature": "serving_default", **fields}
    return [str(problem) for problem in unfed_inputs(model(Path("m"), **of))]


def test_an_input_of_unknown_rank_must_be_given_or_told() -> None:
    [problem] = problems()
    assert "the shape of the input 'x' is not known: x float32 [...]" in problem
    assert "hint: inputs: {x: {shape: [8, 10]}}" in problem
    assert not problems(inputs=Path("inputs.npz"))
    assert not problems(dimensions={"x": (1,)})
    assert not problems(raw=Path("raw.npz"), code=Code(preprocess=Path("preprocess.py")))


def test_what_may_be_learnt_by_loading_is_left_to_it() -> None:
    assert not problems(format=Format.TFLITE)
    assert not problems(format=Format.HDF5)


def test_only_the_signature_that_is_called_counts() -> None:
    other = UNKNOWN.model_copy(update={"name": "other"})
    known = Signature(name="serving_default", inputs=())
    assert not problems(signatures=(known, other))
    assert problems(signatures=(known, other), signature="other")
