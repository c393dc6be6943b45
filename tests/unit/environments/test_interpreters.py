from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from harness.environments import interpreters
from harness.environments.interpreters import Inspection, Interpreter, Places, search
from harness.environments.process import Completed


class Machine:
    """A tree of files that stand for interpreters, and what each would say of itself."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.answers: dict[Path, Inspection | None] = {}
        self.asked: list[Path] = []
        self.places = Places(
            path=(self.root / "usr" / "bin",),
            pyenv=self.root / "pyenv",
            managed=(self.root / "managed",),
        )

    def add(self, where: str, says: str | None, **changes: object) -> Path:
        path = self.root / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if says is None:
            self.answers[path] = None
            return path
        prefix = path.parents[1]
        fields = {
            "implementation": "CPython",
            "version": tuple(int(part) for part in says.split(".")),
            "final": True,
            "gil": True,
            "executable": path,
            "prefix": prefix,
            "base_prefix": prefix,
            "machine": platform.machine(),
        }
        self.answers[path] = Inspection.model_validate(fields | changes)
        return path

    def inspect(self, path: Path) -> Inspection | None:
        self.asked.append(path)
        return self.answers.get(path)

    def find(self, python: str = "3.11") -> Interpreter | None:
        return search(python, self.places, self.inspect)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_without_any(machine: Machine) -> None:
    assert machine.find() is None


def test_what_is_known_of_one(machine: Machine) -> None:
    path = machine.add("usr/bin/python3.11", "3.11.2")
    found = machine.find()
    assert found == Interpreter(
        path=path,
        python="3.11",
        version="3.11.2",
        prefix=path.parents[1],
        machine=platform.machine(),
        source="system",
    )
    assert str(found) == "CPython 3.11.2 (system)"


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("pyenv/versions/3.11.7/bin/python3.11", "pyenv"),
        ("managed/cpython-3.11.9-linux-x86_64-gnu/bin/python3.11", "uv-managed"),
    ],
)
def test_where_they_are_looked_for(machine: Machine, where: str, source: str) -> None:
    machine.add(where, "3.11.7")
    found = machine.find()
    assert found is not None
    assert found.source == source


def test_the_newest_patch_wins_by_number(machine: Machine) -> None:
    machine.add("usr/bin/python3.11", "3.11.9")
    machine.add("pyenv/versions/3.11.10/bin/python3.11", "3.11.10")
    found = machine.find()
    assert found is not None
    assert found.version == "3.11.10"


def test_of_equals_the_most_self_contained_wins(machine: Machine) -> None:
    machine.add("managed/cpython-3.11.9-linux/bin/python3.11", "3.11.9")
    machine.add("pyenv/versions/3.11.9/bin/python3.11", "3.11.9")
    machine.add("usr/bin/python3.11", "3.11.9")
    found = machine.find()
    assert found is not None
    assert found.source == "uv-managed"


def test_a_broken_one_never_wins(machine: Machine) -> None:
    machine.add("usr/bin/python3.11", "3.11.2")
    machine.add("pyenv/versions/3.11.9/bin/python3.11", None)
    found = machine.find()
    assert found is not None
    assert found.version == "3.11.2"


@pytest.mark.parametrize(
    "changes",
    [
        {"implementation": "PyPy"},
        {"final": False},
        {"gil": False},
        {"machine": "riscv64"},
        {"version": (3, 12, 0)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_not_used(machine: Machine, changes: dict[str, object]) -> None:
    machine.add("usr/bin/python3.11", "3.11.2", **changes)
    assert machine.find() is None


def test_a_venv_is_followed_to_its_interpreter(machine: Machine) -> None:
    base = machine.add("opt/python/bin/python3.11", "3.11.4")
    machine.add("usr/bin/python3.11", "3.11.4", base_prefix=machine.root / "opt" / "python")
    found = machine.find()
    assert found is not None
    assert found.path == base


def test_a_venv_without_its_interpreter_is_not_used(machine: Machine) -> None:
    machine.add("usr/bin/python3.11", "3.11.4", base_prefix=machine.root / "gone")
    assert machine.find() is None


def test_3_1_is_not_3_11(machine: Machine) -> None:
    machine.add("pyenv/versions/3.11.7/bin/python3.11", "3.11.7")
    assert machine.find("3.1") is None
    assert machine.asked == []


def test_the_places_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_CACHE", "/cache")
    monkeypatch.setattr(interpreters, "_users_managed_pythons", lambda: (Path("/home/user/uv"),))
    places = Places.of_this_machine({"PATH": "/a:/p/shims::/b", "PYENV_ROOT": "/p"})
    assert [str(path) for path in places.path] == ["/a", "/b", "/usr/local/bin", "/usr/bin"]
    assert places.pyenv == Path("/p")
    assert places.managed == (Path("/cache/pythons"), Path("/home/user/uv"))


class FakeUv:
    """uv that cannot install anything."""

    def __init__(self, stderr: str, *, timed_out: bool = False) -> None:
        self.calls = 0
        self._completed = Completed(1, "", stderr, timed_out)

    def __call__(self, arguments: object, *, timeout_seconds: float) -> Completed:
        self.calls += 1
        return self._completed


@pytest.mark.parametrize(
    ("stderr", "timed_out", "why"),
    [
        ("error: No download found for request: cpython-3.5\n", False,
         "No download found for request: cpython-3.5"),
        ("error: Failed to install\n  cause: Request failed\n  cause: dns error\n", False,
         "dns error"),
        ("", True, "it took too long"),
        ("", False, "no message"),
    ],
)  # fmt: skip
def test_an_installation_is_tried_once(
    monkeypatch: pytest.MonkeyPatch, stderr: str, timed_out: bool, why: str
) -> None:
    uv = FakeUv(stderr, timed_out=timed_out)
    monkeypatch.setattr(interpreters, "_provided", {})
    monkeypatch.setattr(interpreters, "find_interpreter", lambda python: None)
    monkeypatch.setattr(interpreters, "run_uv", uv)
    reasons = {interpreters.provide_interpreter("3.5") for _ in range(3)}
    assert reasons == {f"no CPython 3.5 on this machine, and uv could not install one: {why}"}
    assert uv.calls == 1


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The programs that are run from here on, with a memory that is empty."""
    programs: list[Path] = []
    run = interpreters.run_program

    def noted(command: list[Path], *, timeout_seconds: float) -> Completed:
        programs.append(command[0])
        return run(command, timeout_seconds=timeout_seconds)

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(interpreters, "run_program", noted)
    return programs


def test_an_interpreter_that_works_is_run_once_until_its_program_changes(
    tmp_path: Path, ran: list[Path]
) -> None:
    look = interpreters.inspect_interpreter.__wrapped__  # as in another process
    program = tmp_path / "python3.11"
    program.symlink_to(sys.executable)
    first = look(program)
    assert first is not None
    assert look(program) == first
    assert ran == [program]

    program.unlink()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    assert look(program) is None
    assert look(program) is None, "that it fails is not remembered"
    assert ran == [program] * 3


def test_a_shim_is_asked_each_time(tmp_path: Path, ran: list[Path]) -> None:
    shim = tmp_path / "python3.11"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    shim.chmod(0o755)
    look = interpreters.inspect_interpreter.__wrapped__
    assert look(shim) is not None
    assert look(shim) is not None
    assert ran == [shim] * 2


def test_a_memory_of_an_interpreter_that_cannot_be_read_or_written_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    look = interpreters.inspect_interpreter.__wrapped__
    said = look(Path(sys.executable))
    (note,) = (tmp_path / "cache" / "interpreters").iterdir()
    for content in ("", "[1]", '{"version": 3}'):
        note.write_text(content)
        assert look(Path(sys.executable)) == said
    monkeypatch.setenv("HARNESS_CACHE", str(note / "below-a-file"))
    assert look(Path(sys.executable)) == said
