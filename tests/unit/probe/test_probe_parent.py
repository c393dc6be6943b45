"""The parent of the attempts, as far as it starts no process."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from probing import forking, parent
from probing.requests import DEFAULTS, read_requests

from harness.observation import ProbeReport, Stage


def write(folder: Path, value: object) -> str:
    path = folder / "requests.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def requests(*attempts: object, **fields: object) -> dict[str, object]:
    return {"schema": 1, "attempts": list(attempts), **fields}


def attempt(name: object, **request: object) -> dict[str, object]:
    return {"name": name, "request": {"schema": 1, "loader": "session", **request}}


def test_attempts_keep_their_order_and_what_is_left_out_is_filled_in(tmp_path: Path) -> None:
    path = write(tmp_path, requests(attempt("b", seed=3), attempt("a", more="of a later version")))
    found = read_requests(path)
    assert list(found.attempts) == ["b", "a"]
    assert found.taken is False
    first, second = found.attempts.values()
    assert (first.problem, second.problem) == (None, None)
    assert first.request == {**DEFAULTS, "schema": 1, "loader": "session", "seed": 3}
    assert second.request["more"] == "of a later version"
    assert read_requests(write(tmp_path, requests(attempt("a"), taken=True))).taken is True


def test_defaults_are_not_shared_between_attempts(tmp_path: Path) -> None:
    found = read_requests(write(tmp_path, requests(attempt("a"), attempt("b"))))
    requests_of = [asked.request for asked in found.attempts.values()]
    assert requests_of[0] is not requests_of[1] is not DEFAULTS


@pytest.mark.parametrize(
    "request_", [None, [], "session", {}, {"schema": 2}, {"schema": 1, "loader": ["session"]}]
)
def test_one_bad_request_is_only_its_own_problem(tmp_path: Path, request_: object) -> None:
    path = write(tmp_path, requests({"name": "bad", "request": request_}, attempt("good")))
    found = read_requests(path).attempts
    assert isinstance(found["bad"].problem, ValueError)
    assert found["good"].problem is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "the requests have the schema None; 1 is read"),
        ('{"schema": "1"}', "the requests have the schema '1'; 1 is read"),
        ('{"schema": 1}', "the requests hold no attempt"),
        (requests("a"), "None is no name of an attempt"),
        (requests({}), "None is no name of an attempt"),
        (requests(attempt("../a")), "'../a' is no name of an attempt"),
        (requests(attempt("a\n")), "is no name of an attempt"),
        (requests(attempt(3), attempt("3")), "3 is no name of an attempt"),
        (requests(attempt("a"), attempt("a")), "'a' is no name of an attempt, or that of two"),
    ],
)
def test_requests_that_are_none(tmp_path: Path, text: object, said: str) -> None:
    with pytest.raises(ValueError, match=r"schema|attempt") as caught:
        read_requests(write(tmp_path, text))
    assert said in str(caught.value)


def test_requests_that_cannot_be_read_are_reported_to_every_attempt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert parent.refuse_all(str(tmp_path), ValueError("no JSON")) == 1
    assert capsys.readouterr().err == "probe: the requests cannot be read: no JSON\n"
    for name in ("a", "b"):
        report = ProbeReport.model_validate_json((tmp_path / name / "report.json").read_bytes())
        assert report.stage is Stage.START
        assert report.failure is not None
        assert report.failure.message == "no JSON"
        assert report.actual.python


def test_every_signal_has_a_name() -> None:
    names = {number: parent.signal_name(number) for number in range(1, 65)}
    assert names[signal.SIGSEGV] == "SIGSEGV"
    assert names[40] == "SIG40"
    assert len(set(names.values())) == 64


def test_what_stands_in_the_way_is_removed(tmp_path: Path) -> None:
    folder, link, file = (tmp_path / name for name in ("folder", "link", "file"))
    (folder / "inner").mkdir(parents=True)
    file.touch()
    link.symlink_to(folder)
    for path in (link, file):
        parent.remove(str(path))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    (tmp_path / "dangling").symlink_to("/nowhere")
    for name in ("folder", "dangling", "nothing"):
        parent.remove(str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "kills"),
    [
        ("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n", 2),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n", 5),
        ("oom_kill_disable 0\nunder_oom 0\n", None),  # before Linux 4.13
        (None, None),
    ],
)
def test_kills_for_want_of_memory_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, kills: int | None
) -> None:
    if text is not None:
        (tmp_path / "counter").write_text(text)
    counters = (str(tmp_path / "missing"), str(tmp_path / "counter"))
    monkeypatch.setattr(parent, "OOM_COUNTERS", counters)
    assert parent.oom_kills() == kills


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """TensorFlow's module of that name, before it has made its devices."""
    context = SimpleNamespace(_context=SimpleNamespace(_context_handle=None))
    for name in ("tensorflow", "tensorflow.python", "tensorflow.python.eager"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["tensorflow.python.eager"], "context", context, raising=False)
    return context


def test_devices_are_made_on_first_use(context: SimpleNamespace) -> None:
    assert forking.eager_context_is_made() is False
    context._context = None
    assert forking.eager_context_is_made() is False
    context._context = SimpleNamespace(_context_handle=object())
    assert forking.eager_context_is_made() is True
    del context._context
    assert forking.eager_context_is_made() is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere forking is never safe")
def test_why_a_process_must_not_be_forked(
    context: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "open_files", lambda prefix: [prefix + "0"])
    assert forking.why_not_fork() == "/dev/nvidia0 is open after the import"
    monkeypatch.setattr(forking, "open_files", lambda prefix: [])
    context._context = SimpleNamespace(_context_handle=object())
    assert forking.why_not_fork() == "this TensorFlow makes its devices on import"
    del context._context
    why = "this TensorFlow does not tell whether its devices are made on import"
    assert forking.why_not_fork() == why
    monkeypatch.setattr(sys, "platform", "darwin")
    assert forking.why_not_fork() == "forking after an import is only safe on Linux"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_threads_and_open_files_are_seen(tmp_path: Path) -> None:
    before, ended = forking.thread_count(), threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    assert forking.thread_count() == before + 1
    ended.set()
    thread.join()
    with (tmp_path / "file").open("w"):
        assert forking.open_files(os.path.realpath(tmp_path)) == [str(tmp_path / "file")]
    assert forking.open_files(os.path.realpath(tmp_path)) == []
