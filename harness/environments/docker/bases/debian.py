"""Bases made of a Debian suite's own Python, by mmdebstrap or debootstrap."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.environments.docker import names
from harness.environments.docker.bases import debian_archive, debian_suite
from harness.environments.docker.bases.debian_archive import write_base
from harness.environments.docker.bases.debian_suite import (
    KEYRING,
    SYSTEM,
    Apt,
    DebianError,
    Tool,
    apt_of_this_machine,
    make_suite,
)
from harness.environments.docker.bases.made import MadeBases
from harness.environments.docker.building.output import shown
from harness.environments.docker.daemon import Daemon
from harness.environments.engine import CellFailure, Progress
from harness.observation import Base, Ending, Stage

__all__ = ["SUITES", "DebianBases", "Machine", "obstacle"]

SUITES = {"3.9": "bullseye", "3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}
"""The suite whose own Python each is, by the version of its package `python3`."""

_CHANGES = ("ENV PATH=/usr/local/bin:/usr/bin:/bin", "ENV LANG=C.UTF-8", 'CMD ["python"]')


@dataclass(frozen=True, slots=True)
class Machine:
    """What of a machine decides whether it can make these bases."""

    system: str
    machine: str
    """As wheel tags spell it: `x86_64`, `aarch64`."""
    tool: Tool | None
    root: bool
    namespaces: str | None
    """Why a user who is not root cannot act as root in a namespace; None where they can."""
    keyring: bool
    """Whether it has the keys that Debian's archive is signed with."""

    @classmethod
    def this(cls) -> Machine:
        """Return what this machine is."""
        return cls(
            system=platform.system(),
            machine=platform.machine(),
            tool=next((tool for tool in Tool if shutil.which(tool, path=SYSTEM)), None),
            root=os.geteuid() == 0,
            namespaces=_namespaces(),
            keyring=KEYRING.exists(),
        )


def obstacle(python: str, here: Machine, machine: str) -> str | None:
    """Tell why `here` can make no base of `python` for `machine`, or None where it can."""
    if python not in SUITES:
        has = ", ".join(f"{suite} has {has}" for has, suite in SUITES.items())
        return f"it is no Debian suite's own Python ({has})"
    missing = _missing(here)
    if missing is not None:
        return missing
    if here.machine != machine:
        return f"{here.tool} makes bases for {here.machine}, and the Docker engine is {machine}"
    if here.tool is Tool.DEBOOTSTRAP and not here.root:
        return "debootstrap needs root; mmdebstrap, which need not, is not installed"
    if here.namespaces is not None and not here.root:
        return f"mmdebstrap needs root or user namespaces: {here.namespaces}"
    return None


def _missing(here: Machine) -> str | None:
    if here.system != "Linux":
        return "a base of Debian's packages can be made only on Linux"
    if here.tool is None:
        return "neither mmdebstrap nor debootstrap is installed on this machine"
    if not here.keyring:
        return "the package debian-archive-keyring is not installed on this machine"
    return None


class DebianBases:
    """The smallest system of a Debian suite, its Python, and what TensorFlow's wheels load."""

    name = "debian"

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._made = MadeBases(daemon, kind="debian", changes=_CHANGES, flavour="debian")

    def describe(self) -> str:
        """Return a few words: what its bases are."""
        return "bases made of Debian's packages"

    def preview(self, python: str) -> Base | str:
        """Return the base of `python`, without digest before it is made, or why there is none."""
        why = obstacle(python, Machine.this(), self._daemon.machine)
        if why is not None:
            return why
        made = self._made.find(_fingerprint(python, apt_of_this_machine()), python)
        return made or Base(kind="debian", reference=f"Debian {SUITES[python]}")

    def get(self, python: str, progress: Progress) -> Base | CellFailure:
        """Return the base of `python`, made if it was not: once, until the harness is cleaned."""
        here, apt, suite = Machine.this(), apt_of_this_machine(), SUITES[python]
        fingerprint = _fingerprint(python, apt)
        found = self._made.find(fingerprint, python)
        if found is not None:
            return found
        assert here.tool is not None, "only what `preview` has is got"
        tool = here.tool

        def make(folder: Path) -> tuple[Path, str]:
            progress(f"making a base of Debian {suite} with {tool}")
            raw = make_suite(tool, suite, python, apt=apt, root=here.root, folder=folder)
            archive = folder / "base.tar"
            return archive, f"sha256:{write_base(raw, archive, python=python)}"

        try:
            label = f"{names.ENVIRONMENTS}.suite={suite}"
            return self._made.add(fingerprint, python, make, labels=(label,))
        except DebianError as error:
            return CellFailure(
                stage=Stage.BUILD,
                ending=Ending.INFRASTRUCTURE,
                type="DebianUnavailable",
                message=shown(str(error)),
                log=shown(error.log),
            )


def _fingerprint(python: str, apt: Apt) -> str:
    """Return a digest that changes when a base of `python` is made in another way.

    What the mirrors have published since does not change it: an image that is used stays as it is.
    """
    digest = hashlib.sha256()
    for module in (debian_suite, debian_archive):
        digest.update(Path(module.__file__ or "").read_bytes())
    digest.update("\n".join((python, SUITES[python], *apt.places)).encode())
    return digest.hexdigest()


def _namespaces() -> str | None:
    """Return why user namespaces cannot be used here, or None where they can."""
    for setting, none in (
        ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
        ("/proc/sys/user/max_user_namespaces", "0"),
    ):
        path = Path(setting)
        if path.exists() and path.read_text(encoding="ascii").strip() == none:
            return f"{setting} is {none}"
    if shutil.which("newuidmap", path=SYSTEM) is None:
        return "newuidmap, of the package uidmap, is not installed"
    return None
