"""What an engine is: it makes environments and runs the probe in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from harness.cell import Cell, Flags, Platform, Value
from harness.environments.keeping.kept import EVERYTHING, Inventory, Selection
from harness.observation import Ending, EnvironmentFacts, Stage

__all__ = [
    "Attempt",
    "CellFailure",
    "Engine",
    "Environment",
    "Limits",
    "Lock",
    "Progress",
    "Run",
    "RunOutcome",
]

Progress = Callable[[str], None]
"""Called with one short phrase whenever the work goes on to something else: `downloading`."""


class Limits(Value):
    """What a run may use."""

    timeout_seconds: float
    memory_bytes: int
    cpus: float
    output_bytes: int


class Lock(Value):
    """Every package of an environment with exact version and hashes."""

    text: str
    """`requirements.txt` syntax with `--hash` lines."""
    packages: dict[str, str]
    """Normalised name (PEP 503) to version."""
    digest: str
    """sha256 over the sorted requirement and hash lines, comments left out."""
    distribution: str
    """The package TensorFlow comes from."""
    installer: str
    """Such as `uv 0.9.8`."""
    python: str
    """`X.Y`."""
    note: str | None = None
    """What a reader should know, such as that it came from the cache because of no network."""


class CellFailure(Value):
    """A cell that ended before its probe could start; data, like every failure of a cell."""

    stage: Literal[Stage.RESOLVE, Stage.BUILD, Stage.START]
    ending: Literal[Ending.EXCEPTION, Ending.SKIPPED, Ending.INFRASTRUCTURE]
    """`exception`: the environment cannot be made from what was published. `infrastructure`:
    network, disk, daemon. `skipped`: this machine lacks something."""
    type: str
    """A short word for the kind, such as `NoSolution`, `DaemonUnavailable`, `NoGPU`."""
    message: str
    log: str = ""
    """All that was printed."""
    packages: dict[str, str] = Field(default_factory=dict)
    """What was found installed, by normalised name (PEP 503), where that is what is wrong."""


class Environment(Value):
    """Something a probe can be run in."""

    identity: str
    """Changes whenever anything in the environment changes; part of an observation's key."""
    facts: EnvironmentFacts
    location: str
    """Image tag, or path of the venv."""
    mounts: dict[str, str] = Field(default_factory=dict)
    """What is mounted read-only into a container of the image: place there to path on the Docker
    daemon's machine. Empty where the image has it all."""
    gpu: bool = False
    """Whether its runs are given a GPU. A CUDA cell's without one is only checked."""
    build_seconds: float
    """0 where it was there already."""
    reused: bool
    notes: tuple[str, ...] = ()
    """What a reader of the results should know of how it was made."""
    log: str = Field(default="", repr=False)


class Attempt(Value):
    """One process of a run: one model, read by one loader."""

    name: str
    """Its folder below `Run.out`; unique in the run, `[a-z0-9-]+`."""
    request: str
    """What the probe is told, as JSON. It names the model `{model}` and the folder of `files`
    `{files}`: the engine replaces them by the paths the run sees."""
    model: Path
    """The model's folder or file."""
    files: dict[str, Path] = Field(default_factory=dict)
    """What lies beside the model, by the name the run sees it under: `inputs.npz`, `build.py`."""


class Run(Value):
    """Attempts in one environment that share a start of TensorFlow, one after the other."""

    cell: str
    sweep: str
    probe: Path
    """`probe.py`; the folder it is in is seen read-only by the run."""
    attempts: tuple[Attempt, ...] = Field(min_length=1)
    out: Path
    """Empty folder, exists; what an attempt writes lands in the folder of its name below."""
    flags: Flags
    limits: Limits
    """Of each attempt; the first one's time holds the start of TensorFlow too."""
    gpu: bool = False


class RunOutcome(Value):
    """How an attempt ended, seen from outside. What it wrote itself is in its folder."""

    ending: Ending
    """`completed` only says that the process ended with status 0."""
    exit_status: int | None = None
    signal: str | None = None
    message: str = ""
    """What the engine has to say, such as why the infrastructure failed."""
    log: str = Field(default="", repr=False)
    """stdout and stderr of the probe, the middle left out beyond a limit."""
    seconds: float = 0.0


class Engine(Protocol):
    """Makes environments and runs probes in them. Every method can be called from any thread."""

    @property
    def name(self) -> Literal["docker", "venv"]:
        """The engine's name."""

    @property
    def platform(self) -> Platform:
        """What environments are made for."""

    def describe(self) -> str:
        """Return one line: what this engine is, what it stands on and how it isolates."""

    def unobtainable(self, pythons: frozenset[str]) -> dict[str, str]:
        """Return those of `pythons` (`X.Y`) that cannot be got here, each with the reason."""

    def lock(
        self, cell: Cell, requirements: tuple[str, ...], progress: Progress
    ) -> Lock | CellFailure:
        """Resolve `cell` and `requirements` (extra, from the model) to exact versions."""

    def build(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
        """Make the environment of `lock`, or return the one that is there."""

    def run(self, environment: Environment, run: Run, progress: Progress) -> tuple[RunOutcome, ...]:
        """Run every attempt in a process of its own and return how each ended, in their order.

        An attempt that breaks a limit, crashes or hangs costs itself only: those after it run
        afresh. Returns when nothing of them is left running.
        """

    def release(self, environment: Environment) -> None:
        """Take notice that nothing is run in `environment` any more; it may make room for others.

        It may be built again later.
        """

    def stop(self) -> None:
        """End everything in flight; the calls it interrupts return `infrastructure`."""

    def remove_leftovers(self) -> tuple[str, ...]:
        """Remove what harness processes that no longer live left running; say what it was."""

    def dropped(self) -> frozenset[str]:
        """Return the locations of environments that were removed, once released, for others."""

    def inventory(self) -> Inventory:
        """Return every environment and cache this engine keeps, with sizes and uses.

        Raises:
            NoEngineError: it cannot be listed.
        """

    def clean(self, which: Selection = EVERYTHING) -> tuple[str, ...]:
        """Remove environments and caches this engine made, nothing else; say what it was."""
