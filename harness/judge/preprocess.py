"""Whether a divergence is the preprocessing's or the model's own."""

from __future__ import annotations

from harness.divergence import Divergence
from harness.judge.compare import compare
from harness.judge.matching import matched
from harness.judge.seen import Seen
from harness.judge.weigh import Yardstick, measured, unknown
from harness.judge.within import verdict_of
from harness.judge.words import describe, gravest, worst_first
from harness.observation import Ending, Observation, Stage
from harness.text import one_line
from harness.verdict import Judgement, Reason, Verdict

__all__ = ["with_preprocess"]

_EVIDENCE_LINES = 10
_PIN = (
    "Pin what preprocess.py uses to the versions of the reference's environment (`requirements` in "
    "model.yaml, `pins` in matrix.yaml), or keep its statistics with the model."
)


def with_preprocess(
    judgement: Judgement, observation: Observation, seen: Seen, yardstick: Yardstick, *, first: bool
) -> Judgement:
    """Return `judgement` with what `preprocess.py` has to do with it.

    The verdict stays that of the outputs on the environment's own inputs. How far those inputs
    are from the reference's is measured, and how far the outputs are on equal inputs; the latter
    only for the `first` loader. A cell without preprocessing is handed back as it is.
    """
    if observation.preprocessed is None or yardstick.inputs is None or judgement.divergence is None:
        return judgement
    try:
        own = seen.preprocessed(observation)
    except ValueError as error:
        return unknown(judgement.cell, "unreadable-preprocessed", one_line(str(error)))
    own = matched(own, yardstick.inputs) or own  # some are missing then, others extra
    inputs = compare(own, yardstick.inputs, {}, decide=False)
    equal = (
        judgement.divergence
        if verdict_of(inputs) is Verdict.IDENTICAL
        else _on_equal_inputs(judgement.cell, seen, yardstick)
        if first
        else None
    )
    told = judgement.model_copy(update={"preprocess": inputs, "equal_inputs": equal})
    return _told_apart(told, inputs, equal) if told.verdict is Verdict.DIVERGED else told


def _on_equal_inputs(cell: str, seen: Seen, yardstick: Yardstick) -> Divergence | None:
    """Return the distance of the outputs on the reference's inputs; None where there is none."""
    observation = seen.equal_inputs.get(cell)
    if observation is None or observation.ending is not Ending.COMPLETED:
        return None
    try:
        found = measured(observation, seen, yardstick, first=True)
    except ValueError:
        return None
    return found.divergence


def _told_apart(judgement: Judgement, inputs: Divergence, equal: Divergence | None) -> Judgement:
    """Say of a cell that diverged where that begins."""
    verdict = verdict_of(inputs)
    agrees = equal is not None and verdict_of(equal) is not Verdict.DIVERGED
    if agrees or (equal is None and verdict is Verdict.DIVERGED):
        return judgement.model_copy(
            update={
                "stage": Stage.PREPROCESS,
                "reason": _preprocessing_differs(judgement, inputs, equal),
            }
        )
    if verdict is Verdict.DIVERGED:
        return judgement.model_copy(update={"reason": _both_differ(judgement, inputs, equal)})
    how = "bit for bit" if verdict is Verdict.IDENTICAL else "within tolerance"
    return _with_message(judgement, f"; the preprocessing agrees {how}")


def _with_message(judgement: Judgement, more: str) -> Judgement:
    assert judgement.reason is not None
    reason = judgement.reason
    changed = reason.model_copy(update={"message": reason.message + more})
    return judgement.model_copy(update={"reason": changed})


def _preprocessing_differs(
    judgement: Judgement, inputs: Divergence, equal: Divergence | None
) -> Reason:
    if equal is None:
        model = "what the model itself does on equal inputs was not measured"
    elif verdict_of(equal) is Verdict.IDENTICAL:
        model = "on equal inputs the model itself agrees bit for bit"
    else:
        far = "" if equal.max_abs is None else f" (max abs diff {equal.max_abs:.2g})"
        model = f"on equal inputs the model itself agrees{far}"
    return Reason(
        code="preprocessing-differs",
        message=f"preprocess.py gives other inputs here: {_inputs(inputs)}; {model}",
        evidence=_evidence(judgement, inputs),
        remedy=_PIN,
    )


def _both_differ(judgement: Judgement, inputs: Divergence, equal: Divergence | None) -> Reason:
    assert equal is not None
    (name, output), *_ = gravest(equal)
    return Reason(
        code="preprocessing-and-model-differ",
        message=(
            f"preprocess.py gives other inputs here: {_inputs(inputs)}; "
            f"and on equal inputs the model diverges too: {describe(name, output)}"
        ),
        evidence=_evidence(judgement, inputs),
        remedy=_PIN,
    )


def _inputs(inputs: Divergence) -> str:
    """Name the input that differs most, and how many more do."""
    (name, output), *others = worst_first(inputs)
    more = f" (and {len(others)} more)" if others else ""
    return describe(name, output, "input") + more


def _evidence(judgement: Judgement, inputs: Divergence) -> str:
    assert judgement.divergence is not None
    lines = [describe(name, output, "input") for name, output in worst_first(inputs)]
    outputs = [describe(name, output) for name, output in gravest(judgement.divergence)]
    on_own = [f"on its own inputs: {line}" for line in outputs]
    return "\n".join((*lines[:_EVIDENCE_LINES], *on_own[:_EVIDENCE_LINES]))
