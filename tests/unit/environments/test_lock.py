from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.cell import Cell, Distribution, Pins, Platform, Resolution
from harness.environments import lock as lock_module
from harness.environments import resolver
from harness.environments.engine import CellFailure, Lock
from harness.environments.interpreters import Interpreter
from harness.environments.lock import resolve
from harness.environments.process import Completed
from harness.observation import Ending

RELEASED = datetime(2024, 3, 8, 12, 30, tzinfo=UTC)
INTERPRETER = Interpreter(
    path=Path("/py/bin/python3.11"),
    python="3.11",
    version="3.11.7",
    prefix=Path("/py"),
    machine="x86_64",
    source="pyenv",
)
LINUX = Platform()
UNREACHABLE = Completed(2, "", "error: Request failed after 3 retries\n  cause: dns error\n")
NO_SOLUTION = Completed(1, "", "error: No solution found when resolving dependencies\n")
NO_WHEEL = Completed(1, "", "error: No solution found when resolving\n has no usable wheels\n")


def cell(**changes: object) -> Cell:
    distribution = Distribution(
        name="tensorflow", version="2.15.1", extras=("and-cuda",), released=RELEASED
    )
    fields = {"tensorflow": "2.15.1", "python": "3.11", "distribution": distribution}
    return Cell.model_validate(fields | changes)


class FakeUv:
    """uv that writes a lock of one package, or fails as it is told to."""

    def __init__(self) -> None:
        self.arguments: list[list[str]] = []
        self.stdin: list[str] = []
        self.pins: list[str] = []
        self.failures: list[Completed] = []
        self.version = "1"
        self.warning = ""

    def __call__(
        self,
        arguments: Sequence[object],
        *,
        stdin: str,
        timeout_seconds: float,
        directory: Path,
    ) -> Completed:
        self.arguments.append([str(argument) for argument in arguments])
        self.stdin.append(stdin)
        self.pins.append((directory / "pins.txt").read_text())
        if self.failures:
            return self.failures.pop(0)
        (directory / "lock.txt").write_text(f"tensorflow=={self.version} --hash=sha256:aa\n")
        return Completed(0, "", self.warning + "Resolved 1 package\n")


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeUv:
    fake = FakeUv()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(resolver, "run_uv", fake)
    monkeypatch.setattr(lock_module, "uv_version", lambda: "uv 1.2.3")
    return fake


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the clock."""

    def set_clock(now: datetime) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:
                return now

        monkeypatch.setattr(lock_module, "datetime", Clock)

    return set_clock


def ask(
    asked: Cell,
    requirements: tuple[str, ...] = (),
    interpreter: Interpreter | None = INTERPRETER,
    *,
    refresh: bool = False,
) -> Lock | CellFailure:
    return resolve(
        asked,
        requirements,
        interpreter=interpreter,
        platform=LINUX,
        progress=lambda phrase: None,
        refresh=refresh,
    )


def test_what_uv_is_asked(uv: FakeUv) -> None:
    pins = Pins(name="np", packages={"numpy": "1.26.4"})
    lock = ask(cell(pins=pins), ("scipy<2",))
    assert uv.arguments == [
        [
            *("pip", "compile", "--generate-hashes", "--no-header"),
            *("--override", "pins.txt", "--output-file", "lock.txt"),
            "--exclude-newer=2024-04-07T12:30:00Z",
            "--exclude-newer-package=numpy=2999-01-01",
            *("--python", "/py/bin/python3.11"),
            "-",
        ]
    ]
    assert uv.stdin == ["tensorflow[and-cuda]==2.15.1\nscipy<2\nnumpy==1.26.4\n"]
    assert uv.pins == ["numpy==1.26.4"]
    assert isinstance(lock, Lock)
    assert lock.text == (
        "# tf2.15.1-py3.11-cpu-np: tensorflow[and-cuda]==2.15.1 for CPython 3.11 on linux x86_64\n"
        "# packages published until 2024-04-07, resolved by uv 1.2.3\n"
        "tensorflow==1 --hash=sha256:aa\n"
    )
    assert lock.packages == {"tensorflow": "1"}
    assert (lock.distribution, lock.installer, lock.python) == ("tensorflow", "uv 1.2.3", "3.11")


def test_today_has_no_cut_off(uv: FakeUv) -> None:
    ask(cell(resolution=Resolution.TODAY))
    assert not any("exclude-newer" in argument for argument in uv.arguments[0])


def test_without_an_interpreter_wheels_are_enough(uv: FakeUv) -> None:
    ask(cell(python="3.6"), (), None)
    assert uv.arguments[0][-9:] == [
        *("--python", sys.executable, "--python-version", "3.6"),
        *("--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:", "-"),
    ]
    assert len(uv.arguments) == 1


def test_without_an_interpreter_a_source_is_asked_where_there_is_no_wheel(uv: FakeUv) -> None:
    uv.failures = [NO_WHEEL]
    assert isinstance(ask(cell(), (), None), Lock)
    assert "--only-binary" in uv.arguments[0]
    assert "--only-binary" not in uv.arguments[1]


def test_without_an_interpreter_what_cannot_be_built_is_skipped(uv: FakeUv) -> None:
    uv.failures = [NO_WHEEL, Completed(1, "", "error: Failed to build `wrapt==1.12.1`\n")]
    failure = ask(cell(), (), None)
    assert isinstance(failure, CellFailure)
    assert (failure.ending, failure.type) == (Ending.SKIPPED, "NoInterpreter")


@pytest.mark.parametrize(
    "requirement",
    ["-r /etc/passwd", "--index-url=http://example.invalid", "six @ file:///etc", "six\n-e .", ""],
)
def test_a_requirement_is_never_an_option(uv: FakeUv, requirement: str) -> None:
    with pytest.raises(ValueError, match=r"is no package requirement|is more than a package name"):
        ask(cell(), (requirement,))
    assert uv.arguments == []


def test_a_pin_is_checked_too(uv: FakeUv) -> None:
    with pytest.raises(ValueError, match="is no package requirement"):
        ask(cell(pins=Pins(name="p", packages={"--pre": "1"})))


def test_what_is_resolved_as_of_a_date_is_kept_for_ever(
    uv: FakeUv, today: Callable[[datetime], None]
) -> None:
    today(RELEASED + timedelta(days=40))
    first = ask(cell())
    uv.version = "2"
    today(RELEASED + timedelta(days=4000))
    assert ask(cell()) == first
    assert len(uv.arguments) == 1


def test_a_release_younger_than_its_cut_off_is_asked_again_each_day(
    uv: FakeUv, today: Callable[[datetime], None]
) -> None:
    today(RELEASED + timedelta(days=3))
    first = ask(cell())
    assert ask(cell()) == first
    uv.version = "2"
    today(RELEASED + timedelta(days=4))
    assert ask(cell()) != first


def test_today_is_kept_for_the_day(uv: FakeUv, today: Callable[[datetime], None]) -> None:
    asked = cell(resolution=Resolution.TODAY)
    today(datetime(2026, 5, 1, 1, tzinfo=UTC))
    first = ask(asked)
    uv.version = "2"
    today(datetime(2026, 5, 1, 23, tzinfo=UTC))
    assert ask(asked) == first
    today(datetime(2026, 5, 2, 1, tzinfo=UTC))
    assert ask(asked) != first


def test_files_without_a_date_are_mentioned(uv: FakeUv) -> None:
    uv.warning = "warning: `six-1.16.0.tar.gz` is missing an upload date, but user provided: x\n"
    lock = ask(cell())
    assert isinstance(lock, Lock)
    assert lock.note == (
        "the package index gives no upload date for some files, which were left out"
    )


def test_refresh_asks_again(uv: FakeUv) -> None:
    first = ask(cell())
    uv.version = "2"
    assert ask(cell(), refresh=True) != first
    assert ask(cell()) != first


@pytest.mark.parametrize(
    ("other", "requirements", "interpreter"),
    [
        (cell(python="3.10"), (), INTERPRETER),
        (cell(pins=Pins(name="np", packages={"numpy": "1"})), (), INTERPRETER),
        (cell(), ("scipy",), INTERPRETER),
        (cell(), (), None),
    ],
    ids=["python", "pins", "requirements", "interpreter"],
)
def test_another_question_is_another_lock(
    uv: FakeUv, other: Cell, requirements: tuple[str, ...], interpreter: Interpreter | None
) -> None:
    ask(cell())
    ask(other, requirements, interpreter)
    assert len(uv.arguments) == 2


def test_a_damaged_cache_is_asked_again(uv: FakeUv, tmp_path: Path) -> None:
    first = ask(cell())
    (kept,) = (tmp_path / "locks").iterdir()
    kept.write_text(kept.read_text()[:40])
    assert ask(cell()) == first
    assert len(uv.arguments) == 2


def test_a_cache_that_cannot_be_written_is_infrastructure(uv: FakeUv, tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file where a folder should be")
    failure = ask(cell())
    assert isinstance(failure, CellFailure)
    assert (failure.ending, failure.type) == (Ending.INFRASTRUCTURE, "CannotWrite")
    assert failure.message.startswith("the lock cannot be written: ")


def test_an_index_that_is_away_is_asked_three_times(uv: FakeUv) -> None:
    uv.failures = [UNREACHABLE] * 2
    assert isinstance(ask(cell()), Lock)
    uv.failures = [UNREACHABLE] * 3
    failure = ask(cell(python="3.10"))
    assert isinstance(failure, CellFailure)
    assert (failure.ending, failure.type) == (Ending.INFRASTRUCTURE, "IndexUnavailable")
    assert len(uv.arguments) == 6


def test_what_cannot_be_solved_is_asked_once(uv: FakeUv) -> None:
    uv.failures = [NO_SOLUTION]
    failure = ask(cell())
    assert isinstance(failure, CellFailure)
    assert failure.type == "NoSolution"
    assert len(uv.arguments) == 1


def test_without_the_index_an_earlier_day_serves(
    uv: FakeUv, today: Callable[[datetime], None]
) -> None:
    asked = cell(resolution=Resolution.TODAY)
    for day in (9, 11):
        uv.version = str(day)
        today(datetime(2026, 5, day, tzinfo=UTC))
        ask(asked)
    today(datetime(2026, 5, 20, tzinfo=UTC))
    uv.failures = [UNREACHABLE] * 3
    lock = ask(asked)
    assert isinstance(lock, Lock)
    assert lock.packages == {"tensorflow": "11"}
    assert lock.note == "the package index does not answer; resolved on 2026-05-11"


def test_without_the_index_a_lock_that_was_to_be_refreshed_serves(
    uv: FakeUv, today: Callable[[datetime], None]
) -> None:
    today(datetime(2026, 5, 9, tzinfo=UTC))
    first = ask(cell())
    assert isinstance(first, Lock)
    uv.failures = [UNREACHABLE] * 3
    note = "the package index does not answer; resolved on 2026-05-09"
    assert ask(cell(), refresh=True) == first.model_copy(update={"note": note})


def test_captured_versions_hold_for_what_is_there_anyway(uv: FakeUv) -> None:
    packages = {"numpy": "1.26.4", "jupyter": "1.0.0"}
    captured = Pins(name="captured", packages=packages, constraints=True)
    ask(cell(pins=captured), ("scipy<2",))
    assert uv.stdin == ["tensorflow[and-cuda]==2.15.1\nscipy<2\n"]
    assert uv.pins == ["numpy==1.26.4\njupyter==1.0.0"]
    assert "--exclude-newer-package=numpy=2999-01-01" in uv.arguments[0]


def test_a_lock_of_captured_versions_is_kept_by_them(uv: FakeUv) -> None:
    for version in ("1.26.4", "1.26.3", "1.26.4"):
        ask(cell(pins=Pins(name="captured", packages={"numpy": version}, constraints=True)))
    assert uv.pins == ["numpy==1.26.4", "numpy==1.26.3"]
