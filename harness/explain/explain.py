"""What ended a cell, told from how it ended and the last thing it said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.explain.endings import by_ending, by_signal
from harness.explain.evidence import evidence, headed, innermost
from harness.explain.signatures import Found, find
from harness.observation import Ending, Observation, Stage
from harness.verdict import Judgement, Reason, Verdict

__all__ = ["explain", "explain_all"]

_EXPLAINED = (Verdict.FAILED, Verdict.SKIPPED, Verdict.UNKNOWN)


def _nothing(_: str) -> str:
    return ""


def explain_all(
    judgements: Sequence[Judgement],
    observations: Mapping[str, Observation],
    log: Callable[[str], str] = _nothing,
) -> tuple[Judgement, ...]:
    """Return `judgements` with a reason where a cell failed, was skipped or is unknown.

    Reasons that are there already stay. `log` gives what a cell printed, by its id; empty where
    nothing was kept.
    """
    return tuple(_explained(judgement, observations, log) for judgement in judgements)


def _explained(
    judgement: Judgement, observations: Mapping[str, Observation], log: Callable[[str], str]
) -> Judgement:
    observation = observations.get(judgement.cell)
    if judgement.reason or judgement.verdict not in _EXPLAINED or observation is None:
        return judgement
    reason = explain(observation, log(judgement.cell))
    return judgement.model_copy(update={"reason": reason})


def explain(observation: Observation, log: str = "") -> Reason:
    """Return why a cell that did not complete ended as it did.

    The ending goes before the error's text, that before what was printed. The code is
    `unclassified` where no record explains it; the evidence is what was seen, in a few lines.
    """
    seen = evidence(observation.failure, log)
    reason = by_ending(observation)
    if reason is None:
        found = _find(observation, log)
        reason = found.reason(seen) if found is not None else _unexplained(observation, seen)
    return reason.model_copy(update={"evidence": seen})


def _find(observation: Observation, log: str) -> Found | None:
    """Return the first text's signature; one that only wraps a reason where nothing else is."""
    wrapper: Found | None = None
    for text in _texts(observation, log):
        found = find(text, observation.stage)
        if found is not None and found.signature.priority > 0:
            return found
        wrapper = wrapper or found
    return wrapper


def _texts(observation: Observation, log: str) -> Iterator[str]:
    """Give what may hold the reason, the most telling first."""
    failure = observation.failure
    if failure is not None:
        yield innermost(failure)
        yield headed(failure)
        yield failure.traceback
    # Logs are full of warnings that successful runs print too: they count where no exception was
    # seen, and where a tool that prints its errors made the environment.
    seen = failure is not None and failure.type
    made = observation.stage in (Stage.RESOLVE, Stage.BUILD)
    if made or observation.ending is not Ending.EXCEPTION or not seen:
        yield log


def _unexplained(observation: Observation, seen: str) -> Reason:
    if observation.ending is not Ending.EXCEPTION or observation.failure is None:
        return by_signal(observation)
    return Reason(
        code="unclassified",
        message=seen.partition("\n")[0] or "it failed without a word",
        remedy="No record knows this error yet: what led to it is in the cell's probe.log.",
    )
