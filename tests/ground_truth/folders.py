"""Model folders: each model as it is, changed on purpose, and computed otherwise."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.cell import Cell, Distribution
from harness.environments.engine import Engine, Environment, Lock
from tests.ground_truth.subjects import Subject

__all__ = ["Label", "Made", "make_folders"]

TENSORFLOW = Cell(
    tensorflow="2.15.1",
    python="3.11",
    distribution=Distribution(
        name="tensorflow-cpu", version="2.15.1", released=datetime(2024, 3, 8, tzinfo=UTC)
    ),
)
_EDITOR = Path(__file__).with_name("edit.py")
_FILES = {"hdf5": "model.h5", "keras": "model.keras", "graph_def": "model.pb"}
_DRAWS, _WEIGHT_DRAWS = 4, 2
_OTHERWISE = ("plain", "xla", "halves")


class Label(StrEnum):
    """What a change is by construction, whatever comes of it."""

    BASE = "base"
    HARMLESS = "harmless"
    """The same model, computed in another way."""
    HARMFUL = "harmful"
    """Another model, or the same one fed other numbers."""
    DRAW = "draw"
    """No pair: one more sample of how much the model amplifies rounding."""


@dataclass(frozen=True, slots=True)
class Made:
    """The folder of one model, as it is or changed."""

    subject: Subject
    change: str
    label: Label
    path: Path


def make_folders(
    subjects: Sequence[Subject], engine: Engine, folder: Path, *, draws: bool
) -> tuple[Made, ...]:
    """Make a folder below `folder` for every subject and each of its changes."""
    made = tuple(
        one
        for subject in subjects
        for one in _made(subject, folder)
        if draws or one.label is not Label.DRAW
    )
    specs = []
    for subject in subjects:
        base = folder / subject.name / _file(subject.form)
        specs.append(_base(subject, base))
        specs += [
            _spec(subject, base, one)
            for one in made
            if one.subject is subject and one.change != "base"
        ]
    for one in made:
        one.path.mkdir(parents=True)
        _write_inputs(one)
    (folder / "spec.json").write_text(json.dumps(specs))
    _edit(engine, folder)
    return made


def _made(subject: Subject, folder: Path) -> Iterator[Made]:
    def one(change: str, label: Label) -> Made:
        name = subject.name if change == "base" else f"{subject.name}--{change}"
        return Made(subject, change, label, folder / name)

    yield one("base", Label.BASE)
    yield one("rewritten", Label.HARMLESS)
    if subject.form in ("hdf5", "keras"):
        yield from (one(f"saved-model-as-{how}", Label.HARMLESS) for how in _OTHERWISE)
    yield from (one(edit, Label.HARMFUL) for edit in (*subject.edits, *subject.mistakes))
    yield from (one(f"ulp-inputs-{draw}", Label.DRAW) for draw in range(_DRAWS))
    yield from (one(f"ulp-weights-{draw}", Label.DRAW) for draw in range(_WEIGHT_DRAWS))
    yield from (one(half, Label.DRAW) for half in ("half-first", "half-second"))


def _file(form: str) -> str:
    return _FILES.get(form, "savedmodel")


def _base(subject: Subject, target: Path) -> dict[str, Any]:
    change = "base" if subject.source is not None else "gru"
    return {"source": str(subject.source), "target": str(target), "change": change}


def _spec(subject: Subject, base: Path, made: Made) -> dict[str, Any]:
    exported = made.change.startswith("saved-model-as-")
    in_the_model = exported or made.change.startswith("ulp-weights-")
    in_the_model |= made.change in (*subject.edits, "rewritten")
    return {
        "source": str(base),
        "target": str(made.path / _file("saved_model" if exported else subject.form)),
        "change": made.change if in_the_model else "base",
        "form": subject.form,
        "first": subject.first,
        "last": subject.last,
        "input": subject.input,
    }


def _write_inputs(made: Made) -> None:
    """Write what is fed: by `preprocess.py`, since what goes wrong before a model is there."""
    subject, exported = made.subject, made.change.startswith("saved-model-as-")
    mistake = subject.mistakes.get(made.change, "x")
    others = dict(subject.others or {})
    np.savez(made.path / "raw.npz", x=_fed(made), **others)
    rest = "".join(f", {name!r}: raw[{name!r}]" for name in others)
    (made.path / "preprocess.py").write_text(
        f"def preprocess(raw):\n    x = raw['x']\n"
        f"    return {{{subject.input!r}: ({mistake}).astype('float32'){rest}}}\n"
    )
    loader = "saved_model.load" if exported else subject.loader
    (made.path / "model.yaml").write_text(f"loaders: [{loader}]\n")


def _fed(made: Made) -> NDArray[np.float32]:
    x, half = made.subject.x, len(made.subject.x) // 2
    match made.change.rpartition("-"):
        case ("ulp-inputs", _, draw):
            state = np.random.RandomState(100 + int(draw))
            towards = np.where(state.rand(*x.shape) < 0.5, -np.inf, np.inf)
            return np.nextafter(x, towards.astype(np.float32))
        case ("half", _, which):
            return x[:half] if which == "first" else x[half:]
    return x


def _edit(engine: Engine, folder: Path) -> None:
    lock = engine.lock(TENSORFLOW, (), _silent)
    assert isinstance(lock, Lock), lock
    environment = engine.build(TENSORFLOW, lock, _silent)
    assert isinstance(environment, Environment), environment
    done = subprocess.run(
        [Path(environment.location) / "bin" / "python", _EDITOR, folder / "spec.json"],
        env={"CUDA_VISIBLE_DEVICES": "-1", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    engine.release(environment)
    assert done.returncode == 0, f"{done.stdout[-500:]}\n{done.stderr[-5000:]}"


def _silent(text: str) -> None:
    """Show nothing."""
