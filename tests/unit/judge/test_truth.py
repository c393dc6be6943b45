from __future__ import annotations

import pytest

from harness.judge.truth import mislabels
from tests.support.fakes import cell
from tests.support.observed import observation


def test_an_honest_cell() -> None:
    tf = cell()
    locked = {"numpy": "1.26.4", "typing-extensions": "4.5"}
    packages = {"numpy": "1.26.4", "typing_extensions": "4.5.0", "pip": "24.0"}
    assert mislabels(tf, observation(tf, locked=locked, packages=packages)) == ()


@pytest.mark.parametrize(
    ("declared", "seen"),
    [("2.15.1", "2.15.1"), ("2.16.0rc0", "2.16.0-rc0"), ("2.15.0.post1", "2.15.0")],
)
def test_one_version_in_two_spellings(declared: str, seen: str) -> None:
    tf = cell(declared)
    assert mislabels(tf, observation(tf, actual={"tensorflow": seen})) == ()


@pytest.mark.parametrize(
    ("declared", "seen"),
    [
        ("2.15.1", "2.15.0"),
        ("2.15.1", "2.15.1+nv23"),
        ("2.15.0.post1", "2.15.1"),
        ("2.15.0.post1", "2.15.0rc1"),
        ("2.15.1", "built\x1b[31m here"),
    ],
)
def test_another_tensorflow(declared: str, seen: str) -> None:
    tf = cell(declared)
    (sentence,) = mislabels(tf, observation(tf, actual={"tensorflow": seen}))
    shown = seen.replace("\x1b[31m", "")
    assert sentence == f"TensorFlow {shown} ran, the cell says {declared}"


def test_another_python() -> None:
    tf = cell(python="3.1")
    assert mislabels(tf, observation(tf, actual={"python": "3.11.7"})) == (
        "Python 3.11.7 ran, the cell says 3.1",
    )


def test_what_was_not_seen_is_not_believed() -> None:
    tf = cell(device="cuda")
    unseen = {"tensorflow": None, "python": None, "device": None}
    assert mislabels(tf, observation(tf, actual=unseen, locked={"numpy": "1"})) == (
        "which TensorFlow ran could not be seen",
        "which Python ran could not be seen",
        "which device computed could not be seen",
        "which packages are installed could not be seen",
    )


@pytest.mark.parametrize(
    ("declared", "seen", "sentences"),
    [
        ("cpu", "CPU", ()),
        ("cpu", None, ()),
        ("cuda", "GPU: NVIDIA A40", ()),
        ("cuda", "CPU", ("the outputs were computed on CPU, the cell says cuda",)),
        ("cpu", "GPU: A40", ("the outputs were computed on GPU: A40, the cell says cpu",)),
    ],
)
def test_devices(declared: str, seen: str | None, sentences: tuple[str, ...]) -> None:
    tf = cell(device=declared)
    assert mislabels(tf, observation(tf, actual={"device": seen})) == sentences


def test_packages_beside_the_lock() -> None:
    tf = cell()
    locked = {"h5py": "3.1.0", "keras": "2.15.0", "numpy": "1.26.4"}
    packages = {"numpy": "2.0.1", "keras": "2.15.0"}
    assert mislabels(tf, observation(tf, locked=locked, packages=packages)) == (
        "h5py 3.1.0 is locked but not installed",
        "numpy 2.0.1 is installed, 1.26.4 is locked",
    )
