"""The models the experiment is made with, what each is fed, and what may go wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tests.ground_truth.inputs import (
    digits,
    large_digits,
    letters,
    normal,
    pictures,
    sequences,
    uniform,
)
from tests.support.corpus import CORPUS

__all__ = ["SUBJECTS", "Subject"]

_EXAMPLES = Path(__file__).parents[2] / "examples"

Edit = Literal["weight-first", "weight-last", "epsilon", "epsilons", "classes-swapped"]
_WEIGHTS: tuple[Edit, ...] = ("weight-first", "weight-last")
_CLASSES: tuple[Edit, ...] = (*_WEIGHTS, "classes-swapped")
_NORMS: tuple[Edit, ...] = ("epsilon", "epsilons")

# Mistakes made before the model, each in terms of the array `x` as it should be fed.
_IMAGE_MISTAKES = {
    "nchw-as-nhwc": "x.transpose(0, 3, 1, 2).reshape(x.shape)",
    "bgr-for-rgb": "x[..., ::-1]",
}
_TURNED = {"axes-swapped": "x.transpose(0, 2, 1, 3)"}
"""Of images with one channel, whose bytes are the same in NCHW and NHWC."""
_CENTRED = {"centred": "x * 2 - 1"}
"""[-1, 1] where the model was made with [0, 1]."""
_NOT_CENTRED = {"not-centred": "(x + 1) / 2"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One model."""

    name: str
    kind: str
    source: Path | None
    """A file or a SavedModel's folder; None: the experiment makes it."""
    form: Literal["hdf5", "keras", "saved_model", "graph_def"]
    loader: str
    input: str
    """Name of the input that is varied."""
    x: NDArray[np.float32]
    """What it is fed, samples first."""
    fed: str
    """The same in words."""
    others: Mapping[str, Any] | None = None
    """Further inputs, which stay as they are."""
    edits: tuple[Edit, ...] = _WEIGHTS
    first: str | None = None
    """The first kernel, where the order of names does not tell it."""
    last: str | None = None
    mistakes: Mapping[str, str]
    quick: bool = False
    """Whether it is among those that every change is tested with."""

    @property
    def there(self) -> bool:
        """Whether the model is on this machine."""
        return self.source is None or self.source.exists()


def _keras(name: str, kind: str, source: Path | None, input_: str, **fields: Any) -> Subject:
    fields = {"form": "hdf5", "loader": "keras.load_model", **fields}
    return Subject(name=name, kind=kind, source=source, input=input_, **fields)


def _graph(name: str, kind: str, source: Path, input_: str, **fields: Any) -> Subject:
    fields = {"form": "saved_model", "loader": "saved_model.load", **fields}
    return Subject(name=name, kind=kind, source=source, input=input_, **fields)


_FACES = CORPUS / "oarriaga_face_classification"
_PHOTOGRAPHS = "photograph-like noise"

SUBJECTS = (
    _keras(
        "digits-h5",
        "CNN with batch norm",
        _EXAMPLES / "digits" / "h5" / "model.h5",
        "image",
        x=digits(64),
        fed="real digits, 0..1",
        edits=(*_CLASSES, *_NORMS),
        mistakes={**_TURNED, **_CENTRED},
        quick=True,
    ),
    _graph(
        "digits-savedmodel",
        "CNN with batch norm",
        _EXAMPLES / "digits" / "savedmodel",
        "image",
        x=digits(64),
        fed="real digits, 0..1",
        edits=_CLASSES,
        mistakes={**_TURNED, **_CENTRED},
    ),
    _graph(
        "convolutions",
        "CNN",
        _EXAMPLES / "causes" / "cpu-kernels" / "convolutions" / "savedmodel",
        "image",
        x=digits(32),
        fed="real digits, 0..1",
        edits=_CLASSES,
        mistakes={**_TURNED, **_CENTRED},
        quick=True,
    ),
    _graph(
        "long-sum",
        "sum of 16 384 terms",
        _EXAMPLES / "causes" / "cpu-kernels" / "long-sum" / "savedmodel",
        "image",
        x=digits(2),
        fed="real digits, 0..1",
        edits=("weight-first",),
        mistakes={**_TURNED, **_CENTRED},
        quick=True,
    ),
    _graph(
        "dense-batch-norm",
        "dense with batch norm",
        _EXAMPLES / "causes" / "batch-norm-training" / "inference-mode" / "savedmodel",
        "image",
        x=digits(32),
        fed="real digits, 0..1",
        edits=_CLASSES,
        mistakes={**_TURNED, **_CENTRED},
    ),
    _keras(
        "gru",
        "GRU, two outputs",
        None,
        "sequence",
        x=sequences(32),
        fed="noisy waves",
        edits=_CLASSES,
        mistakes={"half-as-strong": "x / 2"},
    ),
    _keras(
        "resnet-cifar",
        "ResNet",
        CORPUS / "mlcommons_tiny" / "resnet_cifar_h5" / "pretrainedResnet.h5",
        "input_1",
        x=pictures(32, 32, 3) * np.float32(255),
        fed=f"{_PHOTOGRAPHS}, 0..255",
        edits=(*_CLASSES, *_NORMS),
        mistakes={**_IMAGE_MISTAKES, "scaled-to-1": "x / 255"},
    ),
    _keras(
        "vww-mobilenet",
        "MobileNet, depthwise",
        CORPUS / "mlcommons_tiny" / "vww_96_h5" / "vww_96.h5",
        "input_1",
        x=pictures(16, 96, 3),
        fed=f"{_PHOTOGRAPHS}, 0..1",
        edits=(*_CLASSES, *_NORMS),
        mistakes={**_IMAGE_MISTAKES, **_CENTRED},
    ),
    _keras(
        "ad-autoencoder",
        "autoencoder with batch norm",
        CORPUS / "mlcommons_tiny" / "ad01_h5" / "ad01.h5",
        "input_1",
        x=normal(32, 640, mean=-20, deviation=8),
        fed="normal, mean -20, deviation 8 (decibels)",
        edits=(*_WEIGHTS, *_NORMS),
        mistakes={"mean-removed": "x + 20"},
    ),
    _keras(
        "fer-xception",
        "Xception, separable",
        _FACES / "fer2013_mini_xception" / "fer2013_mini_XCEPTION.102-0.66.hdf5",
        "input_1",
        x=pictures(16, 64, 1) * 2 - 1,
        fed=f"{_PHOTOGRAPHS}, -1..1",
        edits=(*_CLASSES, *_NORMS),
        mistakes={**_TURNED, **_NOT_CENTRED},
    ),
    _keras(
        "kdef-xception",
        "Xception, separable",
        _FACES / "tiny_xception_kdef" / "tiny_XCEPTION_KDEF.hdf5",
        "input_1",
        x=pictures(16, 64, 1) * 2 - 1,
        fed=f"{_PHOTOGRAPHS}, -1..1",
        edits=(*_CLASSES, *_NORMS),
        mistakes={**_TURNED, **_NOT_CENTRED},
    ),
    _keras(
        "nlf-binary",
        "dense, one sigmoid",
        CORPUS / "57cell_nlf-classifier" / "best_model_keras" / "best_model.keras",
        "dense_input",
        form="keras",
        x=letters(64, 40),
        fed="letter codes, 0..26",
        edits=_CLASSES,
        mistakes={"scaled-to-1": "x / 26"},
    ),
    _keras(
        "hls4ml-mlp",
        "dense regression",
        CORPUS / "fastmachinelearning_hls4ml" / "exp_dense_streaming" / "keras_model.keras",
        "fc1_input",
        x=uniform(64, 8),
        fed="uniform, -1..1",
        mistakes={**_NOT_CENTRED},
    ),
    _graph(
        "mnist-lstm",
        "LSTM",
        CORPUS / "onnx_tensorflow-onnx" / "lstm" / "frozen.pb",
        "X",
        form="graph_def",
        loader="import_graph_def",
        x=large_digits(32).reshape(32, 784),
        fed="enlarged real digits, 0..1",
        others={"keep_prob": np.float32(1)},
        edits=_CLASSES,
        first="rnn/basic_lstm_cell/kernel",
        last="model/w1",
        mistakes={"axes-swapped": "x.reshape(-1, 28, 28).transpose(0, 2, 1).reshape(x.shape)"}
        | _CENTRED,
    ),
    _graph(
        "mnist-autoencoder",
        "sigmoid autoencoder",
        CORPUS / "onnx_tensorflow-onnx" / "ae0" / "frozen.pb",
        "X",
        form="graph_def",
        loader="import_graph_def",
        x=large_digits(32).reshape(32, 784),
        fed="enlarged real digits, 0..1",
        mistakes=_CENTRED,
    ),
    _graph(
        "mnist-dense",
        "dense, logits",
        CORPUS / "onnx_tensorflow-onnx" / "fc-layers" / "frozen.pb",
        "X",
        form="graph_def",
        loader="import_graph_def",
        x=large_digits(32).reshape(32, 784),
        fed="enlarged real digits, 0..1",
        edits=_CLASSES,
        mistakes=_CENTRED,
    ),
    _graph(
        "mnist-conv",
        "CNN of TensorFlow 1",
        CORPUS / "dotnet_machinelearning-testdata" / "mnist_conv_model",
        "Features",
        x=large_digits(32),
        fed="enlarged real digits, 0..1",
        edits=_CLASSES,
        mistakes={**_TURNED, **_CENTRED},
    ),
    _graph(
        "scisharp-dense",
        "dense",
        CORPUS / "SciSharp_TensorFlow.NET" / "simple_model_from_auto_compile",
        "input_1",
        x=large_digits(32),
        fed="enlarged real digits, 0..1",
        edits=_CLASSES,
        mistakes={**_TURNED, **_CENTRED},
    ),
    _graph(
        "tract-binary",
        "dense, one sigmoid",
        CORPUS / "sonos_tract" / "jupyter_keras_tract" / "my_model",
        "main_input_input",
        x=normal(64, 100),
        fed="normal",
        edits=_CLASSES,
        mistakes={"half-as-strong": "x / 2"},
    ),
)
