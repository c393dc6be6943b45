"""What becomes of attempts, over real folders and a parent that the test plays."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.cell import Flags
from harness.environments.attempts import Attempts, attempts_of
from harness.environments.ended import Ended, outcome_of
from harness.environments.endings import ending_of
from harness.environments.engine import Attempt, Limits, Run, RunOutcome
from harness.environments.log import BoundedLog
from harness.environments.stopping import stopped_run
from harness.environments.written import FreeSpace
from harness.observation import Ending

LIMITS = Limits(timeout_seconds=60, memory_bytes=2**30, cpus=1, output_bytes=10_000)

Act = Callable[["Parent", Path], None]
"""What an attempt does in its folder, up to its end or that of its parent."""


class Parent:
    """A probe's parent that does what the test says whenever it is looked at."""

    def __init__(self, out: Path, acts: dict[str, Act], *, status: int = 0) -> None:
        self.log = BoundedLog()
        self.log.add(b"starting\n")
        self.status = status
        self.quiet = True
        self.oom = False
        self.died = False
        self.breaks: RunOutcome | None = None
        self.ends = 0
        self._out = out
        self._acts = acts

    def runs(self, seconds: float) -> bool:
        for name, act in tuple(self._acts.items()):
            if (self._out / name).exists() and not self.died:
                del self._acts[name]
                act(self, self._out / name)
            break
        return not self.died

    def is_quiet(self) -> bool:
        return self.quiet

    def broken(self) -> RunOutcome | None:
        return self.breaks

    def outcome(self, ended: Ended) -> RunOutcome:
        return outcome_of(ended)

    def end(self) -> RunOutcome:
        self.ends += 1
        self.died = True
        return RunOutcome(ending=Ending.OUT_OF_MEMORY) if self.oom else ending_of(self.status)


def ends(status: int | None = 0, signal: str | None = None, *, wrote: int = 0) -> Act:
    def act(parent: Parent, folder: Path) -> None:
        (folder / "probe.log").write_text(f"of {folder.name}")
        (folder / "outputs.npz").write_bytes(bytes(wrote))
        ended = {"schema": 1, "status": status, "signal": signal, "seconds": 1.0}
        (folder / "ended.json").write_text(json.dumps(ended))

    return act


def hangs(parent: Parent, folder: Path) -> None:
    (folder / "probe.log").touch()


def dies(parent: Parent, folder: Path) -> None:
    (folder / "probe.log").touch()
    parent.died = True


def dies_before(parent: Parent, folder: Path) -> None:
    parent.died = True


@pytest.fixture
def out(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


class Case:
    """Three attempts, `a`, `b` and `c`."""

    def __init__(self, out: Path, attempts: Attempts, stopped: threading.Event) -> None:
        self.out = out
        self.attempts = attempts
        self.stopped = stopped

    def start(self, *, status: int = 0, **acts: Act) -> Parent:
        """Watch one start in which the attempts act so."""
        self.attempts.make_folders()
        parent = Parent(self.out, acts, status=status)
        self.attempts.watch(parent)
        return parent

    @property
    def left(self) -> list[str]:
        return [attempt.name for attempt in self.attempts.left]

    def endings(self) -> list[Ending]:
        return [outcome.ending for outcome in self.attempts.outcomes]


SAID: list[str] = []


def case_of(out: Path, limits: Limits = LIMITS) -> Iterator[Case]:
    run = Run(
        cell="c",
        sweep="s",
        probe=Path("/probe.py"),
        attempts=tuple(Attempt(name=name, request="{}", model=Path("/m") / name) for name in "abc"),
        out=out,
        flags=Flags(),
        limits=limits,
    )
    stopped = threading.Event()
    SAID.clear()
    with attempts_of(run, foreign=False, stopped=stopped, progress=SAID.append) as attempts:
        yield Case(out, attempts, stopped)


@pytest.fixture
def case(out: Path) -> Iterator[Case]:
    yield from case_of(out)


@pytest.fixture
def hasty(out: Path) -> Iterator[Case]:
    yield from case_of(out, LIMITS.model_copy(update={"timeout_seconds": 0.0}))


def test_all_of_them_end(case: Case) -> None:
    parent = case.start(a=ends(), b=ends(1), c=ends())
    assert case.endings() == [Ending.COMPLETED, Ending.EXIT, Ending.COMPLETED]
    assert [outcome.log for outcome in case.attempts.outcomes] == [
        f"starting\nof {name}\n" for name in "abc"
    ]
    assert SAID == ["running 1 of 3", "running 2 of 3", "running 3 of 3"]
    assert parent.ends > 0


@pytest.mark.parametrize(
    ("status", "signal", "ending"),
    [
        (3, None, Ending.EXIT),
        (None, "SIGSEGV", Ending.SIGNAL),
        (None, "SIGKILL", Ending.INFRASTRUCTURE),
    ],
)
def test_a_crash_costs_one(
    case: Case, status: int | None, signal: str | None, ending: Ending
) -> None:
    case.start(a=ends(), b=ends(status, signal), c=ends())
    assert case.left == ["c"]
    case.start(c=ends())
    assert case.endings() == [Ending.COMPLETED, ending, Ending.COMPLETED]


def test_the_parents_death_is_that_of_the_attempt_in_flight(case: Case) -> None:
    case.start(a=ends(), b=dies, c=ends(), status=-11)
    assert case.left == ["c"]
    case.start(c=ends())
    assert case.endings() == [Ending.COMPLETED, Ending.SIGNAL, Ending.COMPLETED]


def test_a_start_that_dies_is_the_end_of_all_that_are_left(case: Case) -> None:
    case.start(a=ends(None, "SIGABRT"))
    case.start(b=dies_before, status=-9)
    assert case.endings() == [Ending.SIGNAL, Ending.INFRASTRUCTURE, Ending.INFRASTRUCTURE]
    assert [outcome.log for outcome in case.attempts.outcomes[1:]] == ["starting\n"] * 2


def test_a_parent_that_dies_later_costs_one(case: Case) -> None:
    case.start(a=ends(), b=dies_before, status=-11)
    assert case.left == ["c"]
    case.start(c=ends())
    assert case.endings() == [Ending.COMPLETED, Ending.SIGNAL, Ending.COMPLETED]


def test_an_attempt_that_hides_that_it_began_costs_one(case: Case) -> None:
    def hides(parent: Parent, folder: Path) -> None:
        hangs(parent, folder)
        parent.breaks = RunOutcome(ending=Ending.TIMEOUT)

    def broken(self: Parent) -> RunOutcome | None:
        (case.out / "a" / "probe.log").unlink()
        return self.breaks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parent, "broken", broken)
        case.start(a=hides)
    assert case.left == ["b", "c"]
    case.attempts.give_up(RunOutcome(ending=Ending.COMPLETED))


def test_a_killed_attempt_was_out_of_memory_where_the_container_was(case: Case) -> None:
    def killed(parent: Parent, folder: Path) -> None:
        parent.oom = True
        ends(None, "SIGKILL")(parent, folder)

    def crashes(parent: Parent, folder: Path) -> None:
        parent.oom = True
        ends(None, "SIGSEGV")(parent, folder)

    case.start(a=killed)
    case.start(b=crashes)
    case.start(c=ends())
    assert case.endings() == [Ending.OUT_OF_MEMORY, Ending.SIGNAL, Ending.COMPLETED]


def test_a_hang_costs_one(hasty: Case) -> None:
    hasty.start(a=hangs)
    assert hasty.left == ["b", "c"]
    hasty.start(b=hangs)
    hasty.start(c=ends())
    assert hasty.endings() == [Ending.TIMEOUT, Ending.TIMEOUT, Ending.COMPLETED]
    assert hasty.attempts.outcomes[0].message == "still running after 0 seconds"


def test_a_start_that_hangs_is_not_tried_again(hasty: Case) -> None:
    hasty.start()
    assert hasty.endings() == [Ending.TIMEOUT] * 3


def test_an_engines_own_limit_costs_one(case: Case) -> None:
    def eats(parent: Parent, folder: Path) -> None:
        (folder / "probe.log").touch()
        parent.breaks = RunOutcome(ending=Ending.OUT_OF_MEMORY, message="used a lot")

    case.start(a=eats)
    case.start(b=ends(), c=ends())
    assert case.endings() == [Ending.OUT_OF_MEMORY, Ending.COMPLETED, Ending.COMPLETED]


def test_output_counts_until_the_end_and_for_each_alone(case: Case) -> None:
    def prints(parent: Parent, folder: Path) -> None:
        parent.log.add(bytes(9_000))
        ends(wrote=2_000)(parent, folder)

    case.start(a=ends(wrote=9_000), b=ends(wrote=9_000), c=prints)
    assert case.endings() == [Ending.COMPLETED, Ending.COMPLETED, Ending.OUTPUT_LIMIT]
    message = case.attempts.outcomes[2].message
    assert message.startswith("wrote 11,")
    assert message.endswith(" bytes where 10,000 are allowed")


def test_an_end_with_too_much_output_is_no_end_of_its_own(case: Case) -> None:
    case.start(a=ends(None, "SIGXFSZ", wrote=10_000))
    assert case.left == ["b", "c"]
    case.start(b=ends(), c=ends())
    assert case.endings()[0] is Ending.OUTPUT_LIMIT


def test_too_many_files_are_too_much_output(case: Case) -> None:
    def multiplies(parent: Parent, folder: Path) -> None:
        hangs(parent, folder)
        for number in range(10_001):
            (folder / str(number)).touch()

    case.start(a=multiplies)
    assert case.left == ["b", "c"]
    case.start(b=ends(), c=ends())
    outcome = case.attempts.outcomes[0]
    assert outcome.ending is Ending.OUTPUT_LIMIT
    assert outcome.message == "wrote more than 10,000 files and folders"


@pytest.mark.parametrize(
    ("came_back", "ending"), [(True, Ending.OUTPUT_LIMIT), (False, Ending.INFRASTRUCTURE)]
)
def test_a_disk_that_is_nearly_full_ends_what_runs(
    out: Path, monkeypatch: pytest.MonkeyPatch, came_back: bool, ending: Ending
) -> None:
    monkeypatch.setattr(FreeSpace, "is_scarce", lambda space: True)
    monkeypatch.setattr(FreeSpace, "came_back", lambda space: came_back)
    for case in case_of(out):
        assert case.start(a=hangs).ends > 0
        case.attempts.give_up(stopped_run())
        outcome = case.attempts.outcomes[0]
        assert outcome.ending is ending
        assert ("deleted" in outcome.message) == came_back


def test_what_goes_on_after_its_end_does_not_run_beside_another_model(case: Case) -> None:
    def goes_on(parent: Parent, folder: Path) -> None:
        parent.quiet = False
        ends()(parent, folder)

    case.start(a=goes_on)
    assert case.left == ["b", "c"]
    case.start(b=ends(), c=ends())
    assert case.endings() == [Ending.COMPLETED] * 3


def test_what_is_stopped_is_stopped_for_all_that_are_left(case: Case) -> None:
    def is_stopped(parent: Parent, folder: Path) -> None:
        hangs(parent, folder)
        case.stopped.set()

    case.start(a=ends(), b=is_stopped)
    assert case.attempts.outcomes[0].ending is Ending.COMPLETED
    assert case.attempts.outcomes[1:] == (stopped_run(), stopped_run())


def test_what_cannot_be_started_is_given_up(case: Case) -> None:
    case.start(a=ends(None, "SIGSEGV"))
    case.attempts.give_up(RunOutcome(ending=Ending.INFRASTRUCTURE, message="no daemon"))
    assert [outcome.message for outcome in case.attempts.outcomes[1:]] == ["no daemon"] * 2
    assert case.attempts.outcomes[0].ending is Ending.SIGNAL


def test_a_forged_end_is_only_of_the_one_that_runs(case: Case) -> None:
    def forges(parent: Parent, folder: Path) -> None:
        ends(139)(parent, folder.parent / "b")
        ends()(parent, folder)

    case.start(a=forges, b=ends(1), c=ends())
    assert case.endings() == [Ending.COMPLETED, Ending.EXIT, Ending.COMPLETED]


def test_every_folder_is_there_afterwards(out: Path) -> None:
    for case in case_of(out):
        case.start(a=ends(wrote=10), b=dies)
        case.start(c=dies_before)
    assert sorted(path.name for path in out.iterdir()) == ["a", "b", "c"]
    assert (out / "a" / "outputs.npz").stat().st_size == 10
    assert [path.name for path in out.parent.iterdir()] == ["out"]
