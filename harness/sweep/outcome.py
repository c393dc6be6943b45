"""How a task ended, in the few words of a line of progress."""

from __future__ import annotations

from collections.abc import Sequence

from harness.observation import Ending, Observation

__all__ = ["said_of"]


def said_of(observations: Sequence[Observation], *, reused: bool = False) -> str:
    """Return how a task ended: its first loader first, the others where they came to another end.

    The error's words, which may be cut off, come last.
    """
    first, *others = observations
    completed = first.ending is Ending.COMPLETED
    apart = ", ".join(
        other.loader for other in others if (other.ending is Ending.COMPLETED) != completed
    )
    more = ", reused" if reused else ""
    if apart:
        more += f", not by {apart}" if completed else f", completed by {apart}"
    return _outcome(first, more)


def _outcome(observation: Observation, more: str) -> str:
    if observation.ending is Ending.COMPLETED:
        infer = observation.seconds.infer
        return f"completed{'' if infer is None else f', inference {infer:.2f} s'}{more}"
    if observation.ending is Ending.SKIPPED and observation.cuda is not None:
        return f"its CUDA libraries checked, not run for want of a GPU{more}"
    if observation.ending is not Ending.EXCEPTION:
        return f"{observation.ending.value} at {observation.stage}{more}"
    failure = observation.failure
    said = f": {failure.type}: {failure.message}" if failure is not None and failure.type else ""
    return f"failed at {observation.stage}{more}{said}"
