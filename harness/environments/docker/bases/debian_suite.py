"""The file system of a Debian suite as a tar archive, made with this machine's settings of apt."""

from __future__ import annotations

import functools
import os
import re
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from harness.environments.process import Completed, run_program
from harness.text import one_line

__all__ = [
    "KEYRING", "SYSTEM", "Apt", "DebianError", "Tool", "apt_of_this_machine", "make_suite",
    "packages", "parse_apt", "sources",
]  # fmt: skip

SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_TIMEOUT_SECONDS = 1_800.0
_TESTING = "forky"
"""Has neither updates nor security updates of its own before it is released."""
_WITH_DISTUTILS = ("bullseye", "bookworm")
"""Suites that keep `distutils`, which older TensorFlow imports, in a package of its own."""
_TARGETS = "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)"


class Tool(StrEnum):
    """What can make the file system of a suite, the better first."""

    MMDEBSTRAP = "mmdebstrap"
    DEBOOTSTRAP = "debootstrap"


class DebianError(Exception):
    """A suite could not be made; the text says why."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True, repr=False)
class Apt:
    """How this machine reaches Debian's archive. May hold credentials: never printed or kept."""

    mirror: str | None = None
    """None: the tool's own default."""
    security: str | None = None
    """Where security updates come from; None: there is no such place, or the default is used."""
    settings: tuple[str, ...] = ()
    """Lines of `apt.conf` below `Acquire::`, such as proxies."""

    @property
    def places(self) -> tuple[str, ...]:
        """The mirrors, without credentials."""
        return tuple(_bare(place) for place in (self.mirror, self.security) if place is not None)


@functools.cache
def apt_of_this_machine() -> Apt:
    """Return what apt is told on this machine; nothing where there is no apt."""
    if shutil.which("apt-get", path=SYSTEM) is None:
        return Apt()
    targets = _run(["apt-get", "indextargets", "--format", _TARGETS]).stdout
    return parse_apt(targets, _run(["apt-config", "dump"]).stdout)


def parse_apt(targets: str, configuration: str) -> Apt:
    """Read what `apt-get indextargets` (in our format) and `apt-config dump` say."""
    debian = [
        (place, codename)
        for place, codename, component, origin in (
            line.split(" ")
            for line in targets.splitlines()
            if line.count(" ") == 3  # noqa: PLR2004
        )
        if component == "main" and origin == "Debian"
    ]
    return Apt(
        mirror=next((place for place, codename in debian if "-" not in codename), None),
        security=next((place for place, name in debian if name.endswith("-security")), None),
        settings=tuple(line for line in configuration.splitlines() if line.startswith("Acquire::")),
    )


def sources(suite: str, apt: Apt) -> str:
    """Return the `sources.list` of `suite`; empty where the tool's own default is to be used."""
    if apt.mirror is None:
        return ""
    places = [(apt.mirror, suite)]
    if suite != _TESTING:
        places.append((apt.mirror, f"{suite}-updates"))
    if suite != _TESTING and apt.security is not None:
        places.append((apt.security, f"{suite}-security"))
    return "".join(f"deb [signed-by={KEYRING}] {place} {name} main\n" for place, name in places)


def packages(suite: str, python: str) -> tuple[str, ...]:
    """Return the packages to install beside the smallest system."""
    distutils = ("python3-distutils",) if suite in _WITH_DISTUTILS else ()
    # The Python itself, and what TensorFlow's wheels load beside the C library.
    return (f"python{python}", *distutils, "libgomp1", "libstdc++6")


def make_suite(tool: Tool, suite: str, python: str, *, apt: Apt, root: bool, folder: Path) -> Path:
    """Make the file system of `suite` with `python` in `folder`; return its tar archive.

    Raises:
        DebianError: the archive cannot be reached, has no such package, or the tool failed.
        OSError: the disk is full.
    """
    archive = folder / "suite.tar"
    if tool is Tool.MMDEBSTRAP:
        _mmdebstrap(suite, python, apt=apt, root=root, folder=folder, archive=archive)
    else:
        _debootstrap(suite, python, apt=apt, folder=folder, archive=archive)
    return archive


def _mmdebstrap(
    suite: str, python: str, *, apt: Apt, root: bool, folder: Path, archive: Path
) -> None:
    environment = {}
    if root:
        # A file that only root can read, because arguments are seen by all of the machine.
        settings = folder / "apt.conf"
        settings.touch(mode=0o600)
        settings.write_text("".join(f"{line}\n" for line in apt.settings), encoding="utf-8")
        options = [f"--aptopt={settings}", "--mode=root"]
        environment["TMPDIR"] = str(folder)
    else:
        # Whoever is not root has read these where every user of the machine can.
        options = [*(f"--aptopt={line.rstrip(';')}" for line in apt.settings), "--mode=unshare"]
    listed = sources(suite, apt)
    _make(
        [
            Tool.MMDEBSTRAP,
            *("--quiet", "--variant=minbase", "--skip=cleanup/apt/lists", *options),
            f"--include={','.join(packages(suite, python))}",
            *(suite, str(archive), *(["-"] if listed else [])),
        ],
        suite,
        environment=environment,
        stdin=listed,
    )


def _debootstrap(suite: str, python: str, *, apt: Apt, folder: Path, archive: Path) -> None:
    """Make it as root from the suite alone: this tool knows neither updates nor apt's settings."""
    found = re.search(r'^Acquire::http::Proxy "(.+)";$', "\n".join(apt.settings), re.MULTILINE)
    made = folder / "suite"
    _make(
        [
            *(Tool.DEBOOTSTRAP, "--variant=minbase", f"--keyring={KEYRING}"),
            f"--include={','.join(packages(suite, python))}",
            *(suite, str(made), *([apt.mirror] if apt.mirror else [])),
        ],
        suite,
        environment={"http_proxy": found[1]} if found else {},
    )
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(made, ".")


def _make(
    command: list[str], suite: str, *, environment: Mapping[str, str], stdin: str = ""
) -> None:
    completed = _run(command, environment=environment, stdin=stdin, timeout=_TIMEOUT_SECONDS)
    if completed.status == 0:
        return
    said = [line[3:] for line in completed.output.splitlines() if line.startswith("E: ")]
    why = "it took too long" if completed.timed_out else (said or ["no message"])[0]
    message = f"{command[0]} could not make a base of Debian {suite}: {one_line(why, limit=500)}"
    raise DebianError(message, completed.output)


def _run(
    command: list[str],
    *,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float = 60.0,
) -> Completed:
    """Run a program of the system; of the user's environment it sees only the proxies."""
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    program = shutil.which(command[0], path=SYSTEM) or command[0]
    # A fixed hash seed, because the order of a set's elements ends up in the bytecode.
    fixed = {"PATH": SYSTEM, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}
    return run_program(
        [program, *command[1:]],
        environment={**proxies, **fixed, **(environment or {})},
        stdin=stdin,
        timeout_seconds=timeout,
    )


def _bare(place: str) -> str:
    parts = urlsplit(place)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
