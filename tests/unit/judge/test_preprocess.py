from __future__ import annotations

from typing import Any

import numpy as np

from harness.judge.judge import judge
from harness.observation import Ending, InputFacts, Stage, TensorFacts
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, Tensor
from harness.verdict import Judgement, Reference, Verdict
from tests.support.fakes import cell
from tests.support.observed import absent, given, observation, seen

A, B = cell("2.4.4", "3.8"), cell("2.15.1", "3.11")
FACTS = (TensorFacts(name="image", dtype="float32", shape=[2, 2]),)
KERAS = "keras.load_model"


def image(shift: float = 0.0, dtype: str = "float32", name: str = "image") -> dict[str, Tensor]:
    return {name: NumericTensor(dtype, np.array([[1.0, 2.0], [3.0, 4.0 + shift]], dtype))}


def scores(shift: float = 0.0) -> dict[str, Tensor]:
    values = np.array([[0.75, 0.25], [0.25, 0.75 + shift]], np.float32)
    return {"p": NumericTensor("float32", values)}


def judge_one(
    inputs: dict[str, Tensor] | None,
    outputs: dict[str, Tensor],
    equal: dict[str, Tensor] | None = None,
    *,
    reference_inputs: dict[str, Tensor] | None = None,
    **fields: Any,
) -> Judgement:
    """Judge B, whose preprocessing made `inputs`, and whose outputs are `equal` on A's."""
    own = observation(
        B, preprocessed=FACTS, inputs=InputFacts(source="preprocess.py", digest="own"), **fields
    )
    ran = [observation(A, preprocessed=FACTS), own]
    again = [] if equal is None else [own.model_copy(update={"loader": "equal"})]
    by = given({B.id: outputs} if equal is None else {B.id: outputs, f"{B.id}/equal": equal})
    (judgement,) = judge(
        [PlannedCell(cell=B)],
        seen(
            ran,
            by,
            equal_inputs=again,
            preprocessed=absent if inputs is None else given({B.id: inputs}),
            others=[own.model_copy(update={"loader": KERAS})],
        ),
        Reference(cell=A.id, why=""),
        scores(),
        reference_inputs=image() if reference_inputs is None else reference_inputs,
        tolerances={},
        labels=None,
    )
    return judgement


def message(judgement: Judgement) -> str:
    assert judgement.reason is not None
    return judgement.reason.message


def code(judgement: Judgement) -> str | None:
    return judgement.reason.code if judgement.reason is not None else None


INPUT = (
    "preprocess.py gives other inputs here: input 'image': differs by up to 0.5 (rel 0.12) in "
    "sample 1 at [1, 1], 1 of 4 elements beyond atol 1e-05, rtol 1e-05 (atol = rtol = 0.1 would "
    "pass)"
)


def test_all_agrees() -> None:
    found = judge_one(image(), scores())
    assert (found.verdict, found.reason) == (Verdict.IDENTICAL, None)
    assert found.preprocess is not None
    assert found.preprocess.max_abs == 0
    assert found.equal_inputs == found.divergence


def test_the_preprocessing_differs_and_the_model_agrees() -> None:
    found = judge_one(image(0.5), scores(0.25), scores())
    assert (found.verdict, found.stage) == (Verdict.DIVERGED, Stage.PREPROCESS)
    assert code(found) == "preprocessing-differs"
    assert message(found) == f"{INPUT}; on equal inputs the model itself agrees bit for bit"
    assert found.reason is not None
    assert found.reason.evidence == (
        "input 'image': differs by up to 0.5 (rel 0.12) in sample 1 at [1, 1], 1 of 4 elements "
        "beyond atol 1e-05, rtol 1e-05 (atol = rtol = 0.1 would pass)\n"
        "on its own inputs: output 'p': differs by up to 0.25 (rel 0.33) in sample 1 at [1, 1], 1 "
        "of 4 elements beyond atol 1e-05, rtol 1e-05 (atol = rtol = 0.15 would pass); 0 of 2 "
        "decisions changed"
    )
    assert found.preprocess is not None
    assert found.preprocess.outputs["image"].decisions is None
    assert found.equal_inputs is not None
    assert found.equal_inputs.max_abs == 0


def test_within_tolerance_is_agreement_too() -> None:
    found = judge_one(image(0.5), scores(0.25), scores(2.0**-20))
    assert code(found) == "preprocessing-differs"
    assert message(found).endswith("on equal inputs the model itself agrees (max abs diff 9.5e-07)")


def test_both_differ() -> None:
    found = judge_one(image(0.5), scores(0.25), scores(0.125))
    assert (found.verdict, found.stage) == (Verdict.DIVERGED, None)
    assert code(found) == "preprocessing-and-model-differ"
    assert message(found) == (
        f"{INPUT}; and on equal inputs the model diverges too: output 'p': differs by up to 0.12 "
        "(rel 0.17) in sample 1 at [1, 1], 1 of 4 elements beyond atol 1e-05, rtol 1e-05 "
        "(atol = rtol = 0.072 would pass); 0 of 2 decisions changed"
    )


def test_the_model_differs_and_the_preprocessing_agrees() -> None:
    found = judge_one(image(), scores(0.25))
    assert (found.stage, code(found)) == (None, "numbers")
    assert message(found).endswith(
        "; 0 of 2 decisions changed; the preprocessing agrees bit for bit"
    )
    assert found.equal_inputs == found.divergence
    found = judge_one(image(2.0**-18), scores(0.25), scores(0.25))
    assert code(found) == "numbers"
    assert message(found).endswith("; the preprocessing agrees within tolerance")


def test_a_little_that_the_model_makes_much_of_is_the_preprocessings() -> None:
    found = judge_one(image(2.0**-18), scores(0.25), scores())
    assert (found.stage, code(found)) == (Stage.PREPROCESS, "preprocessing-differs")


def test_what_was_not_measured_is_not_claimed() -> None:
    found = judge_one(image(0.5), scores(0.25))
    assert code(found) == "preprocessing-differs"
    assert message(found).endswith("what the model itself does on equal inputs was not measured")
    assert found.equal_inputs is None


def test_a_run_on_equal_inputs_that_failed_measures_nothing() -> None:
    own = observation(B, preprocessed=FACTS)
    (found,) = judge(
        [PlannedCell(cell=B)],
        seen(
            [own],
            given({B.id: scores(0.25)}),
            preprocessed=given({B.id: image(0.5)}),
            equal_inputs=[own.model_copy(update={"ending": Ending.TIMEOUT})],
        ),
        Reference(cell=None, why=""),
        scores(),
        reference_inputs=image(),
        tolerances={},
        labels=None,
    )
    assert found.equal_inputs is None


def test_the_verdict_is_that_of_the_outputs() -> None:
    found = judge_one(image(0.5), scores(), scores(0.25))
    assert (found.verdict, found.reason) == (Verdict.IDENTICAL, None)
    assert found.preprocess is not None
    assert found.preprocess.max_abs == 0.5


def test_another_type_is_named() -> None:
    found = judge_one(image(dtype="float64"), scores(0.25), scores())
    assert message(found) == (
        "preprocess.py gives other inputs here: input 'image' has dtype float64, the reference has "
        "float32; on equal inputs the model itself agrees bit for bit"
    )


def test_other_names() -> None:
    assert judge_one(image(name="x"), scores()).equal_inputs is not None
    found = judge_one(image() | image(name="mask"), scores(0.25), scores())
    assert message(found).startswith(
        "preprocess.py gives other inputs here: input 'mask' is not in the reference; "
    )


def test_inputs_that_cannot_be_read() -> None:
    found = judge_one(None, scores())
    assert (found.verdict, code(found)) == (Verdict.UNKNOWN, "unreadable-preprocessed")


def test_further_loaders_do_not_run_on_equal_inputs() -> None:
    other = judge_one(image(0.5), scores(0.25), scores()).loaders[1]
    assert (other.name, other.stage) == (KERAS, Stage.PREPROCESS)
    assert other.reason is not None
    assert other.reason.message.endswith("on equal inputs was not measured")


def test_without_inputs_of_the_reference_nothing_is_told_apart() -> None:
    found = judge_one(image(0.5), scores(0.25), scores(), reference_inputs=None)
    assert found.preprocess is not None
    own = observation(B, preprocessed=FACTS)
    (found,) = judge(
        [PlannedCell(cell=B)],
        seen([own], given({B.id: scores(0.25)}), preprocessed=given({B.id: image(0.5)})),
        Reference(cell=None, why=""),
        scores(),
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    assert (found.preprocess, code(found)) == (None, "numbers")
