"""The folders of hostile models, made of the catalogue and of what TensorFlow has to make."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.cell import Cell, Distribution
from harness.environments.engine import Environment, Lock
from harness.environments.venv.engine import VenvEngine
from tests.hostile.attack import PREAMBLE, Attack
from tests.hostile.attacks.showing import NASTY
from tests.hostile.catalogue import ATTACKS
from tests.integration.engine_contract import silent
from tests.support.require import missing

__all__ = ["HARMLESS", "Made", "Targets", "make_models"]

HARMLESS = ("harmless-0", "harmless-1", "harmless-2")
"""Sound models: before, among and after the hostile ones."""

_MAKER = Path(__file__).with_name("make.py")
_NETWORK = """

def build_model():
    attack()
    import tensorflow as tf

    layers = tf.keras.layers
    image = tf.keras.Input(shape=(8, 8, 1), dtype="float32", name="image")
    x = layers.Flatten(name="flatten")(image)
    x = layers.Dense(16, activation="relu", name="hidden")(x)
    return tf.keras.Model(image, layers.Dense(10, activation="softmax", name="probabilities")(x))
"""
_PREPROCESS = """

def preprocess(raw):
    attack()
    return raw["image"]
"""


@dataclass(frozen=True)
class Targets:
    """What attacks aim at on this machine."""

    hosts: tuple[str, ...]
    """Addresses by which a container might reach it."""
    port: int
    marker: Path
    """A file no run may read or change."""

    def fill(self, code: str) -> str:
        """Return hostile code aimed."""
        for token, value in (("HOSTS", self.hosts), ("PORT", self.port)):
            code = code.replace(f"@{token}@", repr(value))
        return code.replace("@MARKER@", repr(str(self.marker)))


@dataclass(frozen=True)
class Made:
    """The models, in order of the sweep."""

    folders: tuple[Path, ...]
    import_seconds: float
    """How long TensorFlow takes to be imported on this machine, now."""


def make_models(folder: Path, targets: Targets) -> Made:
    """Make a folder for each attack and each harmless model."""
    made = folder / "made"
    made.mkdir()
    lambdas = {one.name: targets.fill(one.code) for one in ATTACKS if one.vehicle == "lambda"}
    nasty = eval(f'"{NASTY}"')  # our own
    spec = {"lambda": lambdas, "marker": str(targets.marker), "nasty": nasty}
    (folder / "spec.json").write_text(json.dumps(spec))
    seconds = _run_maker(made, folder / "spec.json")
    models = folder / "models"
    models.mkdir()
    for name in ("inputs.npz", "expected.npz"):
        shutil.copy(made / name, models)
    folders = [_folder(models, attack, made, targets) for attack in ATTACKS]
    for name in HARMLESS:
        (models / name).mkdir()
        shutil.copy(made / "model.h5", models / name)
    first, middle, last = (models / name for name in HARMLESS)
    half = len(folders) // 2
    return Made((first, *folders[:half], middle, *folders[half:], last), seconds)


def _folder(models: Path, attack: Attack, made: Path, targets: Targets) -> Path:
    folder = models / attack.name
    code = targets.fill(PREAMBLE + attack.code)
    match attack.vehicle:
        case "build":
            folder.mkdir()
            shutil.copy(made / "weights.h5", folder / "model.h5")
            (folder / "build.py").write_text(code + _NETWORK)
        case "custom_objects":
            folder.mkdir()
            shutil.copy(made / "model.h5", folder)
            (folder / "custom_objects.py").write_text(code)
        case "preprocess":
            folder.mkdir()
            shutil.copy(made / "model.h5", folder)
            shutil.copy(made / "raw.npz", folder)
            (folder / "preprocess.py").write_text(code + _PREPROCESS)
        case "lambda" | "graph":
            shutil.copytree(made / attack.vehicle / attack.name, folder)
    if attack.vehicle not in ("build", "graph"):  # one loader is enough
        (folder / "model.yaml").write_text("loaders: [keras.load_model]\n")
    return folder


def _run_maker(folder: Path, spec: Path) -> float:
    """Run it and return how long an import of TensorFlow takes after it."""
    engine = VenvEngine()
    if why := engine.unobtainable(frozenset({"3.11"})):
        missing("tensorflow", str(why))
    wheels = Distribution(
        name="tensorflow-cpu", version="2.15.1", released=datetime(2024, 3, 8, tzinfo=UTC)
    )
    cell = Cell(tensorflow="2.15.1", python="3.11", distribution=wheels)
    lock = engine.lock(cell, (), silent)
    assert isinstance(lock, Lock), lock
    environment = engine.build(cell, lock, silent)
    assert isinstance(environment, Environment), environment
    for arguments in ([_MAKER, folder, spec], ["-c", "import tensorflow"]):
        started = time.monotonic()
        done = subprocess.run(
            [Path(environment.location) / "bin" / "python", *arguments],
            env={"CUDA_VISIBLE_DEVICES": "-1", "HOME": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return time.monotonic() - started
