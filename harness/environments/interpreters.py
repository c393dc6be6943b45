"""Which CPython interpreters this machine has, seen by running them, and getting one that lacks."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.version import Version

from harness.cell import Platform, Value
from harness.environments.process import run_program
from harness.environments.uv import run_uv
from harness.files import write_atomically
from harness.once import once
from harness.paths import cache_directory

__all__ = [
    "Interpreter",
    "Places",
    "find_interpreter",
    "host_platform",
    "inspect_interpreter",
    "inspections_directory",
    "managed_pythons",
    "provide_interpreter",
    "search",
]

Source = Literal["uv-managed", "pyenv", "system"]

# Run by candidates as old as Python 2.7. Builds without these modules cannot run TensorFlow, and
# that would look like TensorFlow's fault.
_INSPECT = """
import ctypes, json, platform, ssl, sys, zlib
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": list(sys.version_info[:3]),
    "final": sys.version_info[3] == "final",
    "gil": "t" not in getattr(sys, "abiflags", ""),
    "executable": sys.executable,
    "prefix": sys.prefix,
    "base_prefix": getattr(sys, "base_prefix", sys.prefix),
    "machine": platform.machine(),
}))
"""

_SYSTEM = (Path("/usr/local/bin"), Path("/usr/bin"))
_PREFERENCE: tuple[Source, ...] = ("system", "pyenv", "uv-managed")
_DOWNLOAD_SECONDS = 180.0


class Interpreter(Value):
    """A CPython interpreter that was seen to run."""

    path: Path
    """The program itself: no shim, no venv."""
    python: str
    """`X.Y`."""
    version: str
    """`X.Y.Z`."""
    prefix: Path
    """The folder that holds `bin` and `lib`."""
    machine: str
    source: Source

    def __str__(self) -> str:
        return f"CPython {self.version} ({self.source})"


class Inspection(Value):
    """What an interpreter says of itself."""

    implementation: str
    version: tuple[int, int, int]
    final: bool
    gil: bool
    executable: Path
    prefix: Path
    base_prefix: Path
    machine: str


Inspect = Callable[[Path], Inspection | None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where interpreters are looked for."""

    path: tuple[Path, ...]
    """Folders of programs."""
    pyenv: Path
    managed: tuple[Path, ...]
    """Folders of uv-managed interpreters."""

    @classmethod
    def of_this_machine(cls, environment: Mapping[str, str] = os.environ) -> Places:
        """Return `PATH` and the usual places."""
        pyenv = Path(environment.get("PYENV_ROOT") or Path.home() / ".pyenv")
        path = tuple(Path(entry) for entry in environment.get("PATH", "").split(":") if entry)
        # A shim only leads to an interpreter below `pyenv`, if to any.
        path = tuple(entry for entry in path if entry != pyenv / "shims")
        return cls((*path, *_SYSTEM), pyenv, (managed_pythons(), *_users_managed_pythons()))

    def candidates(self, python: str) -> Iterator[Path]:
        """Yield the programs that may be CPython `python`, each once."""
        name = f"python{python}"
        found = [folder / name for folder in self.path]
        found += sorted(self.pyenv.glob(f"versions/{python}.*/bin/{name}"))
        for folder in self.managed:
            found += sorted(folder.glob(f"cpython-{python}.*/bin/{name}"))
        yield from dict.fromkeys(path for path in found if path.is_file())

    def source(self, path: Path) -> Source:
        """Tell who put the interpreter at `path` there."""
        if any(path.is_relative_to(folder.resolve()) for folder in self.managed):
            return "uv-managed"
        return "pyenv" if path.is_relative_to(self.pyenv.resolve()) else "system"


def host_platform() -> Platform:
    """Return the platform of this machine, spelt as wheel tags spell it."""
    system = {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
    return Platform(system=system, machine=platform.machine())


def inspections_directory() -> Path:
    """Return the folder of what interpreters that work said of themselves."""
    return cache_directory() / "interpreters"


def managed_pythons() -> Path:
    """Return the folder of the interpreters the harness had uv install."""
    return cache_directory() / "pythons"


def find_interpreter(python: str) -> Interpreter | None:
    """Return the newest working CPython `python` (`X.Y`) on this machine, or None."""
    return search(python, Places.of_this_machine(), inspect_interpreter)


def search(python: str, places: Places, inspect: Inspect) -> Interpreter | None:
    """Return the newest of the candidates that work; of equals, the most self-contained."""
    return max(_working(python, places, inspect), key=_rank, default=None)


@functools.cache
def inspect_interpreter(path: Path) -> Inspection | None:
    """Run the interpreter at `path` in isolation; None where it does not work.

    What one that works says is remembered until its program changes: it takes a tenth of a second.
    Not where another program answers, as one does for a shim: which, may change without a trace.
    """
    try:
        remembered = _remembered(path)
        with suppress(OSError, ValueError):
            return Inspection.model_validate_json(remembered.read_bytes())
        completed = run_program([path, "-I", "-c", _INSPECT], timeout_seconds=30)
        inspection = Inspection.model_validate(json.loads(completed.stdout))
    except (OSError, ValueError):
        return None
    if inspection.executable.resolve() == path.resolve():
        with suppress(OSError):  # a cache that cannot be written
            write_atomically(remembered, inspection.model_dump_json())
    return inspection


def _remembered(path: Path) -> Path:
    status = path.stat()
    program = (str(path), status.st_ino, status.st_size, status.st_mtime_ns)
    name = hashlib.sha256(repr(program).encode()).hexdigest()
    return inspections_directory() / f"{name}.json"


def provide_interpreter(python: str) -> Interpreter | str:
    """Return a CPython `python`, installed through uv where it lacks, else why there is none.

    An installation is tried once per process. It needs the network and goes into the harness's
    cache, not into the user's own uv folder.
    """
    with _providing:
        if python not in _provided:
            _provided[python] = find_interpreter(python) or _install(python)
        return _provided[python]


_providing = threading.Lock()
_provided: dict[str, Interpreter | str] = {}


def _install(python: str) -> Interpreter | str:
    completed = run_uv(
        ["python", "install", "--no-bin", "--install-dir", managed_pythons(), python],
        timeout_seconds=_DOWNLOAD_SECONDS,
    )
    found = find_interpreter(python)
    if found is not None:
        return found
    lines = [line.strip() for line in completed.stderr.splitlines() if line.strip()]
    why = "it took too long" if completed.timed_out else (lines or ["no message"])[-1]
    why = why.removeprefix("error: ").removeprefix("cause: ")
    return f"no CPython {python} on this machine, and uv could not install one: {why}"


@once
def _users_managed_pythons() -> tuple[Path, ...]:
    folder = run_uv(["python", "dir"], timeout_seconds=60).stdout.strip()
    return (Path(folder),) if folder else ()


def _working(python: str, places: Places, inspect: Inspect) -> Iterable[Interpreter]:
    for candidate in places.candidates(python):
        inspection = inspect(candidate)
        if inspection is not None and inspection.prefix != inspection.base_prefix:
            inspection = inspect(inspection.base_prefix / "bin" / f"python{python}")
        if inspection is not None and _fits(inspection, python):
            path = inspection.executable.resolve()
            yield Interpreter(
                path=path,
                python=python,
                version=".".join(map(str, inspection.version)),
                prefix=inspection.base_prefix,
                machine=inspection.machine,
                source=places.source(path),
            )


def _fits(inspection: Inspection, python: str) -> bool:
    return (
        inspection.implementation == "CPython"
        and f"{inspection.version[0]}.{inspection.version[1]}" == python
        and inspection.final
        and inspection.gil
        and inspection.prefix == inspection.base_prefix
        and inspection.machine == platform.machine()
    )


def _rank(interpreter: Interpreter) -> tuple[Version, int]:
    return Version(interpreter.version), _PREFERENCE.index(interpreter.source)
