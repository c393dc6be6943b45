"""Every loader on small models of every format, in three releases of TensorFlow."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from harness.model.loaders import LOADERS
from harness.observation import Restored, Stage
from tests.integration.probe_places import FILES, RELEASES, Asked, Seen, base, place, run

pytestmark = pytest.mark.tensorflow

__all__ = ["base"]

OLD, MIDDLE, NEW = RELEASES


def files(build: str) -> dict[str, Path]:
    """A `build.py` and the files it imports."""
    beside = {name: FILES / name for name in ("constants.py", "affine.py")}
    return {**beside, "build.py": FILES / build}


BUILD, MODULE, LAZY = files("build.py"), files("build_module.py"), files("build_lazy.py")
SMALL, TRAINED = files("build_small.py"), files("build_trained.py")
CUSTOM = {"custom_objects.py": FILES / "custom_objects.py"}

KERNEL = (np.arange(12).reshape(4, 3) % 7 - 3).astype(np.float32) / 4
BIAS = (np.arange(3) % 7 - 3).astype(np.float32) / 4
HEAD = (np.arange(6).reshape(3, 2) % 5 - 2).astype(np.float32) / 2
X = np.arange(12, dtype=np.float32).reshape(3, 4) / 4 - 1
Y = X @ KERNEL + BIAS
"""Exact: every number is a small multiple of a power of two."""

TENSORS = {"feeds": {"x": "x:0", "words": "words"}, "fetches": {"y": "y:0", "numbers": "numbers:0"}}


@cache
def arrays(*names: str) -> dict[str, Path]:
    """An `inputs.npz` of these inputs."""
    path = place(MIDDLE).folder / f"{'-'.join(names)}.npz"
    values = {"x": X, "words": np.array(["a", "b", "a"]), "a": X[:, :2], "b": 2 * X[:, :2]}
    np.savez(path, **{name: values[name] for name in names})  # type: ignore[arg-type]
    return {"inputs.npz": path}


def asks(version: str) -> dict[str, Asked]:
    """What is asked of every release."""
    x, both = arrays("x"), arrays("words", "x")
    return {
        "h5": Asked("trained.h5", "keras.load_model", of=OLD, files=x),
        "h5-compiled": Asked("trained.h5", "keras.load_model.compiled", of=OLD, files=x),
        "custom-missing": Asked("custom.h5", "keras.load_model"),
        "custom": Asked("custom.h5", "keras.load_model", files=x | CUSTOM),
        "new-weights": Asked("alone.weights.h5", "load_weights", files=x | BUILD),
        "old-weights": Asked("old.h5", "load_weights", of=OLD, files=x | BUILD),
        "lazy-weights": Asked("alone.weights.h5", "load_weights", files=LAZY),
        "no-build": Asked("alone.weights.h5", "load_weights"),
        "other-weights": Asked("other.weights.h5", "load_weights", files=BUILD),
        "small-model": Asked("alone.weights.h5", "load_weights", files=SMALL),
        "above": Asked("above/ckpt", "train.Checkpoint", files=x | TRAINED),
        "above-keras": Asked("above/ckpt", "load_weights", files=x | TRAINED),
        "module": Asked("module/ckpt", "train.Checkpoint", of=OLD, files=x | MODULE),
        "root": Asked("root/ckpt", "train.Checkpoint", files=x | MODULE),
        "partial": Asked("partial/ckpt", "train.Checkpoint", files=x | MODULE),
        "no-objects": Asked("meta/model.ckpt-7", "train.Checkpoint", files=x | MODULE),
        "saver": Asked("meta/model.ckpt-7", "train.Saver", files=x | MODULE),
        "saver-partial": Asked("meta/model.ckpt-7", "train.Saver", files=x | BUILD),
        "meta": Asked("meta/model.ckpt-7", "import_meta_graph", files=both, request=TENSORS),
        "frozen": Asked("frozen.pb", "import_graph_def", of=OLD, files=both, request=TENSORS),
        "wrapped": Asked("frozen.pb", "wrap_function", of=OLD, files=both, request=TENSORS),
        "unwired": Asked("frozen.pb", "wrap_function", request={"feeds": {"x": "x"}}),
        "lite": Asked("model.tflite", "lite.Interpreter", of=MIDDLE, files=x),
        "lite-reference": Asked("model.tflite", "lite.Interpreter.reference", of=MIDDLE, files=x),
        "int8": Asked("int8.tflite", "lite.Interpreter", of=OLD),
        "minus": Asked(
            "signatures.tflite",
            "lite.Interpreter",
            of=MIDDLE,
            files=arrays("a", "b"),
            request={"signature": "minus"},
        ),
        "saved": Asked("keras_saved", "saved_model.load", of=OLD, files=x),
        "saved-session": Asked("keras_saved", "session", of=OLD, files=x),
        "saved-keras": Asked("keras_saved", "keras.load_model", of=OLD, files=x),
        "saved-layer": Asked("keras_saved", "TFSMLayer", of=OLD, files=x),
        "saved-tf-keras": Asked("keras_saved", "tf_keras.load_model", of=OLD, files=x),
    } | (asks_of_v3(x) if version != OLD else {})


def asks_of_v3(x: dict[str, Path]) -> dict[str, Asked]:
    """What is asked of releases that know the `.keras` archive."""
    return {
        "archive": Asked("trained.keras", "keras.load_model", files=x),
        "archive-compiled": Asked("trained.keras", "keras.load_model.compiled", files=x),
        "archive-custom": Asked("custom.keras", "keras.load_model", files=x | CUSTOM),
    }


@cache
def seen(version: str) -> dict[str, Seen]:
    """What the probe saw in one run for all tests."""
    return run(version, asks(version))


@pytest.fixture(scope="module", params=RELEASES)
def version(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def here(version: str) -> dict[str, Seen]:
    return seen(version)


def test_every_loader_is_asked_for() -> None:
    assert {one.loader for one in asks(NEW).values()} == set(LOADERS)


def test_a_compiled_model_gives_the_same_bits(here: dict[str, Seen], version: str) -> None:
    plain, compiled = here["h5"], here["h5-compiled"]
    assert plain.report.training is None
    if version == NEW:  # Keras 3 no longer knows what `mse` stands for in an old file
        assert compiled.report.stage is Stage.LOAD
        assert "Could not deserialize 'keras.metrics.mse'" in compiled.failure.message
        return
    np.testing.assert_array_equal(plain.array("head"), compiled.array("head"))


@pytest.mark.parametrize("name", ["h5-compiled", "archive-compiled", "above"])
def test_the_training_state_comes_back(here: dict[str, Seen], version: str, name: str) -> None:
    if (version, name) in ((OLD, "archive-compiled"), (NEW, "h5-compiled")):
        return
    training = here[name].report.training
    assert training is not None
    assert (training.optimizer, training.iterations, training.problem) == ("Adam", 3, None)
    assert (training.slots_expected, training.slots_found) == (6, 6)
    assert 0 < (training.loss_after or 0) < (training.loss_before or 0)
    # One step of the same state on the same numbers, whoever makes it.
    reference = seen(MIDDLE)["archive-compiled"].report.training
    assert reference is not None
    assert training.loss_after == pytest.approx(reference.loss_after, rel=1e-5)


def test_a_custom_layer_is_found_in_its_file(here: dict[str, Seen]) -> None:
    missing = here["custom-missing"]
    assert missing.report.stage is Stage.LOAD
    assert "Twice" in missing.failure.message
    np.testing.assert_array_equal(here["custom"].array("twice"), 2 * X)
    if "archive-custom" in here:
        np.testing.assert_array_equal(here["archive-custom"].array("twice"), 2 * X)


def whole(expected: int) -> Restored:
    return Restored(expected=expected, restored=expected)


@pytest.mark.parametrize("name", ["new-weights", "old-weights"])
def test_weights_alone_are_put_into_the_model(here: dict[str, Seen], name: str) -> None:
    np.testing.assert_array_equal(here[name].array("head"), Y @ HEAD)
    assert here[name].report.restored == whole(3)
    assert here[name].report.training is None


def test_weights_need_a_model_that_is_there(here: dict[str, Seen]) -> None:
    assert here["no-build"].report.stage is Stage.LOAD
    assert here["no-build"].failure.message == (
        "the file holds weights only: put a build.py with build_model() beside it"
    )
    assert here["lazy-weights"].failure.message == (
        "the model has no variables before its first call: call it once in build.py, or give "
        "inputs.npz"
    )


def test_weights_of_another_model_fail_with_what_is_missing(here: dict[str, Seen]) -> None:
    other = here["other-weights"]
    assert other.report.stage is Stage.LOAD
    restored = other.report.restored
    assert restored is not None
    assert (restored.expected, restored.restored) == (3, 0)
    assert [name.split("/")[-2:] for name in restored.unrestored] == [
        ["hidden", "kernel"],
        ["hidden", "bias"],
        ["head", "kernel"],
    ]
    assert len(restored.unused) == 2


def test_weights_that_no_layer_takes_are_named(here: dict[str, Seen], version: str) -> None:
    small = here["small-model"]
    restored = small.report.restored
    assert restored is not None
    if version == OLD:  # it counts the layers of the file
        assert small.report.stage is Stage.LOAD
        assert "containing 2 layers into a model with 1 layers" in small.failure.message
        return
    np.testing.assert_array_equal(small.array("hidden").shape, (3, 3))
    (unused,) = restored.unused
    assert unused.endswith("dense_1/vars/0")
    assert (restored.expected, restored.restored) == (2, 2)


def test_a_checkpoint_is_restored_where_the_model_is_in_it(here: dict[str, Seen]) -> None:
    for name in ("module", "root"):
        np.testing.assert_array_equal(here[name].array("y"), Y)
        np.testing.assert_array_equal(here[name].array("negative"), -Y)
        assert here[name].report.restored == whole(2)
    assert here["above"].report.restored == whole(3)


def test_a_checkpoint_of_more_than_the_model_is_no_weights_file(
    here: dict[str, Seen], version: str
) -> None:
    above = here["above-keras"]
    assert above.report.stage is Stage.LOAD
    if version == NEW:
        assert "File format not supported" in above.failure.message
        return
    # Keras itself is content: it finds the optimizer, and silently nothing of the model.
    assert above.failure.type == "PartialRestoreError"
    assert above.report.restored == Restored(
        expected=3,
        restored=0,
        unrestored=["hidden/kernel", "hidden/bias", "head/kernel"],
        unused=[
            "model/layer_with_weights-0/bias",
            "model/layer_with_weights-0/kernel",
            "model/layer_with_weights-1/kernel",
        ],
    )


def test_nothing_is_silently_left_out(here: dict[str, Seen]) -> None:
    partial = here["partial"]
    assert (partial.report.stage, partial.failure.type) == (Stage.LOAD, "PartialRestoreError")
    assert partial.failure.message == (
        "1 of 2 variables took no value from the file: bias; in the file and unused: none"
    )
    assert partial.report.restored == Restored(expected=2, restored=1, unrestored=["bias"])
    saver = here["saver-partial"]
    assert (saver.report.stage, saver.failure.type) == (Stage.LOAD, "PartialRestoreError")
    assert "3 of 3 variables took no value from the file" in saver.failure.message
    assert "in the file and unused: affine/bias, affine/kernel" in saver.failure.message


def test_names_are_enough_for_a_saver(here: dict[str, Seen]) -> None:
    np.testing.assert_array_equal(here["saver"].array("y"), Y)
    assert here["saver"].report.restored == whole(2)
    assert here["no-objects"].failure.message == (
        "the checkpoint knows variables by name and holds no graph of objects: use the loader "
        "train.Saver"
    )


@pytest.mark.parametrize("name", ["meta", "frozen", "wrapped"])
def test_graphs_of_tensorflow_1_run_with_their_tables(here: dict[str, Seen], name: str) -> None:
    np.testing.assert_array_equal(here[name].array("y"), Y)
    assert here[name].array("numbers").tolist() == [5, -1, 5]


def test_a_graph_without_outputs_fails_in_prepare(here: dict[str, Seen]) -> None:
    assert here["unwired"].report.stage is Stage.PREPARE
    assert "name them in model.yaml" in here["unwired"].failure.message


def test_tensorflow_lite_knows_the_names_of_a_signature(
    here: dict[str, Seen], version: str
) -> None:
    default, reference = here["lite"], here["lite-reference"]
    np.testing.assert_array_equal(default.array("head"), Y @ HEAD)
    assert default.report.signature == "serving_default"
    if version == OLD:
        assert reference.failure.message == (
            "the reference kernels can be chosen from TensorFlow 2.5 on; this is 2.4.4"
        )
        return
    np.testing.assert_array_equal(reference.array("head"), Y @ HEAD)


def test_a_signature_of_another_graph_needs_a_newer_release(
    here: dict[str, Seen], version: str
) -> None:
    minus = here["minus"]
    if version == OLD:
        assert minus.report.stage is Stage.PREPARE
        assert "knows a model's main graph only" in minus.failure.message
        return
    np.testing.assert_array_equal(minus.array("difference"), -X[:, :2])


def test_quantised_integers_stay_what_they_are(here: dict[str, Seen]) -> None:
    int8 = here["int8"]
    assert [fact.dtype for fact in int8.report.inputs] == ["int8"]
    assert [fact.dtype for fact in int8.report.outputs] == ["int8"]
    first = seen(OLD)["int8"]
    (name,) = first.outputs
    np.testing.assert_array_equal(int8.array(name), first.array(name))


@pytest.mark.parametrize("name", ["saved", "saved-session"])
def test_a_saved_model_of_keras_is_a_saved_model(here: dict[str, Seen], name: str) -> None:
    np.testing.assert_array_equal(here[name].array("head"), Y @ HEAD)


def test_keras_2_reads_its_saved_model_and_keras_3_has_a_layer(
    here: dict[str, Seen], version: str
) -> None:
    keras, layer = here["saved-keras"], here["saved-layer"]
    if version == NEW:
        assert "legacy SavedModel format is not supported" in keras.failure.message
        np.testing.assert_array_equal(layer.array("head"), Y @ HEAD)
        return
    np.testing.assert_array_equal(keras.array("head"), Y @ HEAD)
    assert "tf.keras has no TFSMLayer here" in layer.failure.message


def test_tf_keras_reads_it_beside_keras_3(here: dict[str, Seen], version: str) -> None:
    beside = here["saved-tf-keras"]
    if version != NEW:
        assert beside.failure.message == "No module named 'tf_keras'"
        return
    np.testing.assert_array_equal(beside.array("head"), Y @ HEAD)
    assert (beside.report.actual.keras or "").startswith("2.")
    assert (here["h5"].report.actual.keras or "").startswith("3.")


def test_an_archive_and_its_compiled_model_give_the_same_bits() -> None:
    for version in (MIDDLE, NEW):
        plain, compiled = seen(version)["archive"], seen(version)["archive-compiled"]
        np.testing.assert_array_equal(plain.array("head"), compiled.array("head"))
