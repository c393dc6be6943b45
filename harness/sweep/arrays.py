"""The arrays that an attempt wrote: checked one at a time, so that gigabytes pass.

This is where checksums are compared, once: judging maps large arrays and does not look again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harness.npz import open_npz
from harness.observation import FLOAT64, ProbeReport, TensorFacts, Variation
from harness.store.saved import LazyArrays
from harness.tensor import Tensor, each_input, each_output, float64_facts

__all__ = ["sound_variations", "unsound_arrays", "unsound_inputs", "unsound_outputs"]

_Each = Callable[[Sequence[TensorFacts], Mapping[str, NDArray[Any]]], Iterator[tuple[str, Tensor]]]


def unsound_outputs(path: Path, facts: Sequence[TensorFacts], max_bytes: int) -> str | None:
    """Return why a file cannot be the outputs that a report describes; None where it is."""
    return _unsound(path, facts, max_bytes, each_output)


def unsound_inputs(path: Path, facts: Sequence[TensorFacts], max_bytes: int) -> str | None:
    """Return why a file cannot be the inputs that a report describes; None where it is."""
    return _unsound(path, facts, max_bytes, each_input)


def unsound_arrays(path: Path, max_bytes: int) -> str | None:
    """Return why a file is none with plain arrays; None where it is."""
    try:
        with open_npz(path, max_bytes=max_bytes, what=path.name) as reader:
            for name in reader.names:
                reader.check(name)
    except ValueError as error:
        return str(error)
    return None


def sound_variations(
    report: ProbeReport, out: Path, max_bytes: int
) -> tuple[tuple[Variation, ...], Mapping[str, Path]]:
    """Return what a report says of variations, and the files of those that are kept and sound.

    Of two with one name the first counts. A file counts only where its bits are said to differ.
    """
    found: dict[str, Variation] = {}
    files: dict[str, Path] = {}
    for varied in report.variations:
        if varied.name in found:
            continue
        found[varied.name] = varied.model_copy(update={"kept": False})
        if not varied.kept or varied.same is not False:
            continue
        path = out / f"variation-{varied.name}.npz"
        facts = report.outputs
        if varied.name == FLOAT64:
            facts = [*float64_facts(facts)]
        unsound = unsound_outputs(path, facts, max_bytes)
        if unsound is None:
            found[varied.name], files[varied.name] = varied, path
        else:
            problem = f"it cannot be compared: {unsound}"
            found[varied.name] = found[varied.name].model_copy(update={"problem": problem})
    return tuple(found.values()), files


def _unsound(path: Path, facts: Sequence[TensorFacts], max_bytes: int, each: _Each) -> str | None:
    try:
        with open_npz(path, max_bytes=max_bytes, what=path.name) as reader:
            # Unlike a loop, this lets each go before the next is read.
            deque(each(facts, LazyArrays(reader, check=True)), maxlen=0)
    except ValueError as error:
        return str(error)
    return None
