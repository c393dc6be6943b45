"""The noise floor of one run: every variation of its inference, held against its outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.judge.compare import compare
from harness.judge.matching import matched
from harness.judge.noise import Floor, Kind, Noise, kind_of, noise
from harness.judge.seen import Seen
from harness.model.model import Tolerance
from harness.observation import Observation
from harness.tensor import Tensor

__all__ = ["Floors", "floor_of"]


class Floors:
    """The noise floors of runs, each measured once however often it is asked for."""

    def __init__(self, seen: Seen, tolerances: Mapping[str, Tolerance]) -> None:
        self._seen = seen
        self._tolerances = tolerances
        self._known: dict[tuple[int, tuple[str, ...]], Floor] = {}

    def of(self, observation: Observation, outputs: Mapping[str, Tensor]) -> Floor:
        """Return the floor of one of the observations of `seen`, with the names of `outputs`."""
        key = id(observation), tuple(outputs)
        if key not in self._known:
            self._known[key] = floor_of(observation, outputs, self._seen, self._tolerances)
        return self._known[key]


def floor_of(
    observation: Observation,
    outputs: Mapping[str, Tensor],
    seen: Seen,
    tolerances: Mapping[str, Tolerance],
) -> Floor:
    """Return how far each variation of a run's inference is from `outputs`, as far as it was kept.

    Those whose arrays are gone, or not what the observation says, were not measured.
    """
    found: dict[str, Mapping[str, Noise]] = {}
    for name, kind, same in _variations(observation):
        if same:
            found[name] = {}
            continue
        varied = _read(observation, name, outputs, seen)
        if varied is None:
            continue
        noises = noise(compare(varied, outputs, tolerances, decide=False), kind)
        if noises:  # else not one output has a distance
            found[name] = {output: one for output, one in noises.items() if one.found}
    return Floor(found)


def _variations(observation: Observation) -> Iterator[tuple[str, Kind, bool]]:
    """Give name and kind of what was varied, and whether it gave the same bits."""
    if observation.deterministic is not None:
        yield Kind.REPEAT.value, Kind.REPEAT, observation.deterministic
    for varied in observation.variations:
        kind = kind_of(varied.name)
        if kind is not None and kind is not Kind.REPEAT and (varied.same or varied.kept):
            yield varied.name, kind, bool(varied.same)


def _read(
    observation: Observation, name: str, outputs: Mapping[str, Tensor], seen: Seen
) -> Mapping[str, Tensor] | None:
    """Return the outputs of a variation by the names of `outputs`; None where there are none."""
    try:
        repeats = name == Kind.REPEAT
        varied = seen.repeat(observation) if repeats else seen.variation(observation, name)
    except ValueError:
        return None
    return matched(varied, outputs)
