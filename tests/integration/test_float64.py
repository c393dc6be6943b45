"""A float64 run in real releases, beside the same mathematics written down in NumPy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.integration.probe_places import PROBE, built

pytestmark = pytest.mark.tensorflow

MAKER = Path(__file__).with_name("float64_models.py")

RELEASES = {
    "1.15.5": ("3.7", datetime(2021, 2, 1, tzinfo=UTC)),
    "2.4.4": ("3.8", datetime(2021, 11, 1, tzinfo=UTC)),
    "2.8.4": ("3.9", datetime(2022, 11, 18, tzinfo=UTC)),
    "2.15.1": ("3.11", datetime(2024, 3, 8, tzinfo=UTC)),
    "2.21.0": ("3.13", datetime(2026, 3, 6, tzinfo=UTC)),
}

Array = NDArray[np.float64]
Arrays = Mapping[str, Array]

REFUSED = {
    "random": "RandomUniform is random: a random model has no true outputs",
    "counting": "AssignAddVariableOp changes what the model remembers",
    "resize": "ResizeBilinear computes in float32 whatever it is given",
    "fake-quant": "FakeQuantWithMinMaxArgs works on quantised numbers",
    "python": "PyFunc runs Python code",
    "lrn": "LRN has no float64 kernel on the CPU",
    "lite": "TensorFlow Lite has kernels only for the types in the file",
}


@dataclass(frozen=True)
class Found:
    """What one release gave."""

    weights: Mapping[str, Arrays]
    float32: Mapping[str, NDArray[np.generic]]
    float64: Mapping[str, NDArray[np.generic]]
    problems: Mapping[str, str | None]


_folders: list[pytest.TempPathFactory] = []


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    _folders.append(tmp_path_factory)


@cache
def found(version: str) -> Found:
    """What all cases come to in a release, made and run in one process."""
    environment = built(version, *RELEASES[version])
    folder = _folders[-1].mktemp(version)
    completed = subprocess.run(
        [Path(environment.location) / "bin" / "python", MAKER, PROBE.parent, folder],
        env={"CUDA_VISIBLE_DEVICES": "-1", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    weights: dict[str, dict[str, Array]] = {}
    with np.load(folder / "weights.npz") as archive:
        for name in archive.files:
            model, _, key = name.partition("/")
            weights.setdefault(model, {})[key] = archive[name].astype(np.float64)
    with np.load(folder / "found.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    return Found(
        weights,
        {name[:-8]: array for name, array in arrays.items() if name.endswith("/float32")},
        {name[:-8]: array for name, array in arrays.items() if name.endswith("/float64")},
        json.loads((folder / "found.json").read_text()),
    )


@pytest.fixture(scope="module", params=RELEASES)
def version(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def windows(x: Array, size: int, stride: int) -> Array:
    """Return [batch, rows, columns, channels, size, size] of an image, without padding."""
    views = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return np.asarray(views[:, ::stride, ::stride])


def mlp(w: Arrays) -> Array:
    hidden = np.maximum(w["x"] @ w["0"] + w["1"], 0)
    return softmax(np.tanh(hidden @ w["2"] + w["3"]) @ w["4"] + w["5"])


def cnn(w: Arrays) -> Array:
    x = np.einsum("brcnij,ijno->brco", windows(w["x"], 3, 2), w["0"]) + w["1"]
    x = np.einsum("brcnij,ijnm->brcnm", windows(x, 3, 1), w["2"])
    x = x.reshape(*x.shape[:3], -1) + w["3"]
    gamma, beta, mean, variance = (w[str(index)] for index in range(4, 8))
    epsilon = float(np.float32(1e-3))  # a float of the graph, widened like a weight
    x = np.maximum((x - mean) / np.sqrt(variance + epsilon) * gamma + beta, 0)
    return np.asarray(x.mean(axis=(1, 2)) @ w["8"] + w["9"])


def lstm(w: Arrays) -> Array:
    hidden = carry = np.zeros((len(w["x"]), 6))
    for step in range(w["x"].shape[1]):
        gates = w["x"][:, step] @ w["0"] + hidden @ w["1"] + w["2"]
        enter, forget, new, out = np.split(gates, 4, axis=1)
        carry = sigmoid(forget) * carry + sigmoid(enter) * np.tanh(new)
        hidden = sigmoid(out) * np.tanh(carry)
    return np.asarray(hidden @ w["3"] + w["4"])


MODELS: dict[str, Callable[[Arrays], Array]] = {"mlp": mlp, "cnn": cnn, "lstm": lstm}


def loop(x: Array) -> Array:
    y = x
    for _ in range(20):
        y = np.sin(y) + x
    return y


TENTH = float(np.float32(0.1))
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "half": lambda x: np.exp(x) / 3,
    "brain": lambda x: x * 3 / 7,
    "branch": lambda x: np.exp(x) if x.sum() > 0 else np.exp(-x) / 3,
    "branch-session": lambda x: np.exp(x) if x.sum() > 0 else np.exp(-x) / 3,
    "loop": loop,
    "loop-session": loop,
    "fourier": lambda x: np.asarray(np.fft.fft(x).imag),
    "table": lambda x: TENTH * x / 3,
    "table-session": lambda x: TENTH * x / 3,
    "harmless-random": lambda x: x / 3,
}


@pytest.mark.parametrize("model", MODELS)
def test_models_are_what_numpy_computes_in_float64(version: str, model: str) -> None:
    seen = found(version)
    cases = [case for case in seen.problems if case.split("-")[0] == model]
    assert len(cases) >= (2 if version == "1.15.5" else 5)
    truth = MODELS[model](seen.weights[model])
    scale = np.abs(truth).max()
    for case in cases:
        assert seen.problems[case] is None, case
        wide, narrow = seen.float64[case], seen.float32[case]
        assert (wide.dtype, narrow.dtype) == (np.float64, np.float32)
        assert wide.shape == narrow.shape == truth.shape
        assert np.abs(wide - truth).max() <= 1e-13 * scale, case
        rounding = np.abs(narrow - truth).max() / scale
        assert 1e-9 < rounding < 1e-5, case


@pytest.mark.parametrize("case", FUNCTIONS)
def test_functions_are_what_numpy_computes_in_float64(version: str, case: str) -> None:
    if version == "1.15.5":
        pytest.skip("TensorFlow 1 saves no functions")
    seen = found(version)
    assert seen.problems[case] is None
    truth = FUNCTIONS[case](seen.weights["functions"]["x"])
    assert seen.float64[case].dtype == np.float64
    np.testing.assert_allclose(seen.float64[case], truth, rtol=1e-13, atol=1e-14)
    assert np.abs(seen.float32[case] - truth).max() > 1e-9


@pytest.mark.parametrize(("case", "problem"), REFUSED.items())
def test_what_has_no_float64_run_says_why(version: str, case: str, problem: str) -> None:
    if version == "1.15.5":
        pytest.skip("TensorFlow 1 saves no functions")
    assert found(version).problems[case] == problem


def test_runs_of_all_releases_agree() -> None:
    for case in ("mlp-h5", "cnn-h5", "lstm-h5"):
        runs = [found(version).float64[case] for version in RELEASES]
        for one in runs[1:]:
            np.testing.assert_allclose(one, runs[0], rtol=1e-12, atol=1e-14)
