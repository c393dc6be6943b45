"""Hostile models, swept for real: a named verdict each, and this machine is unharmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.text import printable
from tests.hostile.attack import Attack
from tests.hostile.catalogue import ATTACKS
from tests.hostile.models import HARMLESS
from tests.hostile.sweep import SECRET, Swept, sweep
from tests.hostile.table import attack_table
from tests.support.require import docker_daemon

pytestmark = [pytest.mark.docker, pytest.mark.tensorflow]

_SAME = {"identical", "equivalent"}
_RESULT_BYTES = 2 * 1024**2
"""Most that the results of one model may take here: logs are kept up to 0.5 MB."""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    swept = sweep(docker_daemon(), tmp_path_factory.mktemp("hostile"))
    print(f"\n{attack_table(swept)}")  # noqa: T201 - shown by -s
    return swept


def test_the_sweep_goes_on_to_its_end(swept: Swept) -> None:
    assert swept.done.returncode == 0, swept.done.stderr[-2000:]
    assert b"Traceback" not in swept.done.stderr


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_swept_beside_them_keeps_its_verdict(swept: Swept, name: str) -> None:
    assert swept.row(name)["verdict"] in _SAME


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_each_comes_to_a_named_verdict(swept: Swept, attack: Attack) -> None:
    row = swept.row(attack.name)
    assert row["verdict"] in (_SAME if attack.verdict in _SAME else {attack.verdict}), row["reason"]
    if attack.reason is not None:
        assert row["reason"]["code"] in attack.reason.split("/")
    if attack.stage is not None:
        assert row["stage"] == attack.stage


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_nothing_is_reached(swept: Swept, attack: Attack) -> None:
    assert swept.tried(attack.name, "done") <= attack.reaches


def test_attacks_were_made(swept: Swept) -> None:
    """What refuses nothing because nothing was tried is no test."""
    for name in ("opens-sockets", "writes-everywhere", "becomes-root", "reads-the-host"):
        assert len(swept.tried(name, "refused")) > 7, swept.log(name)


def test_nothing_reaches_a_listener(swept: Swept) -> None:
    assert swept.hits == []


def test_nothing_is_left_on_this_machine(swept: Swept) -> None:
    assert {kind: found for kind, found in swept.left.items() if found} == {}


def test_no_file_of_this_machine_is_changed_or_read(swept: Swept) -> None:
    text = swept.marker.read_text()
    assert text == "marker-of-a-file-of-the-host"
    assert not swept.marker.with_name("marker.txt.pickled").exists()
    for name, content in swept.texts.items():
        assert text.encode() not in content, name
        assert SECRET.encode() not in content, name


def test_models_are_as_they_were(swept: Swept) -> None:
    models = swept.results.parent / "models"
    found = {path.name for path in models.rglob("*") if path.is_file()}
    assert found <= {
        *("model.h5", "build.py", "custom_objects.py", "preprocess.py", "model.yaml"),
        *("raw.npz", "inputs.npz", "expected.npz", "saved_model.pb", "fingerprint.pb"),
        *("variables.index", "variables.data-00000-of-00001"),
    }


def test_results_are_small_and_plain(swept: Swept) -> None:
    for name in (*HARMLESS, *(attack.name for attack in ATTACKS)):
        assert swept.size(name) < _RESULT_BYTES, name
    for path in swept.results.rglob("*"):
        is_latest = path.name == "latest"
        assert path.is_symlink() == is_latest, path
        assert path.is_file() or path.is_dir(), path
        assert path.stat().st_mode & 0o7000 == 0, path
        assert path.stat().st_uid == Path(swept.results).stat().st_uid, path


def test_nothing_that_is_read_gives_a_terminal_orders(swept: Swept) -> None:
    for name, content in swept.texts.items():
        text = content.decode()
        assert printable(text) == text, name
