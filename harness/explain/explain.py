"""What ended a cell, told from how it ended and the last thing it said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.explain.endings import NO_GPU, by_ending, by_signal
from harness.explain.evidence import evidence, headed, innermost
from harness.explain.signatures import Found, find
from harness.explain.unrun import checked_without_running
from harness.judge.cuda import cuda_trouble, seen_of_cuda
from harness.judge.seen import Seen
from harness.observation import Ending, Observation, Stage
from harness.text import one_line
from harness.verdict import Judgement, LoaderJudgement, Reason, Verdict

__all__ = ["explain", "explain_all"]

_EXPLAINED = (Verdict.FAILED, Verdict.SKIPPED, Verdict.UNKNOWN)


Log = Callable[[Observation], str]
"""Gives what a run printed; empty where nothing was kept."""


def _nothing(_: Observation) -> str:
    return ""


def explain_all(
    judgements: Sequence[Judgement], seen: Seen, log: Log = _nothing
) -> tuple[Judgement, ...]:
    """Return `judgements` with a reason where a run failed, was skipped or is unknown.

    Every loader of a cell gets its own; reasons that are there already stay.
    """
    return tuple(_explained(judgement, seen, log) for judgement in judgements)


def _explained(judgement: Judgement, seen: Seen, log: Log) -> Judgement:
    first = seen.observations.get(judgement.cell)
    if first is None:
        return judgement
    ran = {one.loader: one for one in (*seen.others.get(judgement.cell, ()), first)}
    reason = _reason(judgement, first, log)
    loaders = tuple(
        one.model_copy(
            update={"reason": reason if place == 0 else _reason(one, ran.get(one.name, first), log)}
        )
        for place, one in enumerate(judgement.loaders)
    )
    return judgement.model_copy(update={"reason": reason, "loaders": loaders})


def _reason(
    came_to: Judgement | LoaderJudgement, observation: Observation, log: Log
) -> Reason | None:
    if came_to.reason is not None or came_to.verdict not in _EXPLAINED:
        return came_to.reason
    return explain(observation, log(observation))


def explain(observation: Observation, log: str = "") -> Reason:
    """Return why a run that did not complete ended as it did.

    The ending goes before the error's text, that before what was printed. The code is
    `unclassified` where no record explains it; the evidence is what was seen, in a few lines.
    """
    if observation.ending is Ending.SKIPPED and observation.cuda is not None:
        return _checked(observation)
    seen = evidence(observation.failure, log, observation.restored)
    if observation.ending is Ending.SKIPPED:
        seen = "\n".join(filter(None, (seen, checked_without_running(observation))))
    reason = by_ending(observation)
    if reason is None:
        found = _find(observation, log)
        reason = found.reason(seen) if found is not None else _unexplained(observation, seen)
    return reason.model_copy(update={"evidence": seen})


def _checked(observation: Observation) -> Reason:
    """Return what looking at CUDA's libraries came to, for want of a GPU."""
    seen = "\n".join(seen_of_cuda(observation))
    trouble = cuda_trouble(observation)
    if trouble is None:
        looked = observation.cuda is not None and observation.cuda.libraries
        fit = "are there and fit" if looked else "could not be looked at one by one"
        return Reason(
            code="no-gpu",
            message=f"no NVIDIA GPU here; the CUDA libraries it needs {fit}",
            evidence=seen,
            remedy=NO_GPU,
        )
    found = find(trouble.text, trouble.stage)
    if found is not None:
        return found.reason(seen)
    return Reason(code="unclassified", message=one_line(trouble.text), evidence=seen)


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
