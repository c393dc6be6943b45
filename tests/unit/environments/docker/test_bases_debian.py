"""Bases of Debian's packages: what they need, what apt is told, and what ends up in them."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.environments.docker.bases.debian import Machine, obstacle
from harness.environments.docker.bases.debian_archive import write_base
from harness.environments.docker.bases.debian_suite import (
    Apt,
    DebianError,
    Tool,
    packages,
    parse_apt,
    sources,
)

ABLE = Machine(
    system="Linux",
    machine="x86_64",
    tool=Tool.MMDEBSTRAP,
    root=True,
    namespaces=None,
    keyring=True,
)
SUITES = "(bullseye has 3.9, bookworm has 3.11, trixie has 3.13, forky has 3.14)"
UNZONED = "/proc/sys/user/max_user_namespaces is 0"


def test_a_machine_that_can() -> None:
    for python in ("3.9", "3.11", "3.13", "3.14"):
        assert obstacle(python, ABLE, "x86_64") is None
    assert obstacle("3.11", replace(ABLE, root=False), "x86_64") is None
    assert obstacle("3.11", replace(ABLE, namespaces=UNZONED), "x86_64") is None
    assert obstacle("3.11", replace(ABLE, tool=Tool.DEBOOTSTRAP), "x86_64") is None


@pytest.mark.parametrize(
    ("python", "here", "why"),
    [
        ("3.12", ABLE, f"it is no Debian suite's own Python {SUITES}"),
        (
            "3.11",
            replace(ABLE, system="Darwin"),
            "a base of Debian's packages can be made only on Linux",
        ),
        (
            "3.11",
            replace(ABLE, tool=None),
            "neither mmdebstrap nor debootstrap is installed on this machine",
        ),
        (
            "3.11",
            replace(ABLE, keyring=False),
            "the package debian-archive-keyring is not installed on this machine",
        ),
        (
            "3.11",
            replace(ABLE, machine="aarch64"),
            "mmdebstrap makes bases for aarch64, and the Docker engine is x86_64",
        ),
        (
            "3.11",
            replace(ABLE, root=False, tool=Tool.DEBOOTSTRAP),
            "debootstrap needs root; mmdebstrap, which need not, is not installed",
        ),
        (
            "3.11",
            replace(ABLE, root=False, namespaces=UNZONED),
            f"mmdebstrap needs root or user namespaces: {UNZONED}",
        ),
    ],
)
def test_a_machine_that_cannot(python: str, here: Machine, why: str) -> None:
    assert obstacle(python, here, "x86_64") == why


TARGETS = """\
http://user:word@mirror.example/debian/ bookworm-updates main Debian
http://user:word@mirror.example/debian/ bookworm main Debian
http://user:word@mirror.example/debian/ bookworm contrib Debian
http://mirror.example/security/ bookworm-security main Debian
https://packages.example/ stable main Someone else
https://packages.example/ stable main Example
"""
CONFIGURATION = """\
APT::Architecture "amd64";
Acquire::http::Proxy "http://user:word@proxy.example:3128/";
Acquire::Check-Valid-Until "false";
DPkg::Post-Invoke "";
"""


def test_what_apt_is_told_on_this_machine() -> None:
    apt = parse_apt(TARGETS, CONFIGURATION)
    assert apt == Apt(
        mirror="http://user:word@mirror.example/debian/",
        security="http://mirror.example/security/",
        settings=(
            'Acquire::http::Proxy "http://user:word@proxy.example:3128/";',
            'Acquire::Check-Valid-Until "false";',
        ),
    )
    assert apt.places == ("http://mirror.example/debian/", "http://mirror.example/security/")
    assert "word" not in repr(apt)
    assert parse_apt("", "") == Apt()


def test_where_a_suite_comes_from() -> None:
    apt = Apt(mirror="http://m.example/debian/", security="http://m.example/security/")
    keys = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    assert sources("trixie", apt) == (
        f"deb {keys} http://m.example/debian/ trixie main\n"
        f"deb {keys} http://m.example/debian/ trixie-updates main\n"
        f"deb {keys} http://m.example/security/ trixie-security main\n"
    )
    assert sources("forky", apt) == f"deb {keys} http://m.example/debian/ forky main\n"
    assert sources("trixie", replace(apt, security=None)).count("deb ") == 2
    assert sources("trixie", Apt()) == ""


def test_what_is_installed() -> None:
    assert packages("bookworm", "3.11") == (
        "python3.11", "python3-distutils", "libgomp1", "libstdc++6",
    )  # fmt: skip
    assert packages("trixie", "3.13") == ("python3.13", "libgomp1", "libstdc++6")


RELEASE = "var/lib/apt/lists/m.example_dists_bookworm_InRelease"
PUBLISHED = 1_747_736_000  # Tue, 20 May 2025 10:13:20 UTC


def suite(path: Path, *, made: int, order: int = 1, python: str = "3.11") -> Path:
    """What mmdebstrap writes, in little; `made` is when it ran, in seconds since 1970."""
    files = {
        f"usr/bin/python{python}": (b"elf", 0o755, 100),
        "usr/lib/python3.11/os.py": (b"import", 0o644, 100),
        "usr/lib/python3.11/EXTERNALLY-MANAGED": (b"no", 0o644, 100),
        "usr/bin/su": (b"elf", 0o4755, 100),
        "usr/share/doc/base/copyright": (b"free", 0o644, 100),
        "usr/share/doc/base/changelog.gz": (b"long", 0o644, 100),
        "usr/share/man/man1/su.1": (b"man", 0o644, 100),
        "etc/passwd": (b"root", 0o644, made),
        "etc/passwd-": (b"root", 0o644, made),
        "etc/shadow": (b"root:*:20000", 0o640, made),
        "etc/hostname": (f"made{made}".encode(), 0o644, made),
        "etc/resolv.conf": (b"nameserver 10.0.0.1", 0o644, made),
        "etc/apt/sources.list": (b"deb http://user:word@m.example/", 0o644, made),
        "etc/apt/sources.list.d/more.sources": (b"secret", 0o644, made),
        "etc/apt/auth.conf.d/own": (b"secret", 0o600, made),
        "etc/apt/apt.conf.d/99mmdebstrap": (b"secret", 0o644, made),
        "etc/apt/apt.conf.d/01autoremove": (b"ours", 0o644, 100),
        "var/log/dpkg.log": (f"{made}".encode(), 0o644, made),
        "var/cache/ldconfig/aux-cache": (f"{made}".encode(), 0o600, made),
        RELEASE: (b"Origin: Debian\nDate: Tue, 20 May 2025 10:13:20 UTC\n", 0o644, 100),
    }
    with tarfile.open(path, "w") as tar:
        for folder in (".", "usr", "usr/bin", "dev", "tmp"):
            entry = tarfile.TarInfo(f"./{folder}")
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, made
            tar.addfile(entry)
        device = tarfile.TarInfo("./dev/null")
        device.type = tarfile.CHRTYPE
        tar.addfile(device)
        for name, (content, mode, mtime) in list(files.items())[::order]:
            entry = tarfile.TarInfo(f"./{name}")
            entry.size, entry.mode, entry.mtime = len(content), mode, mtime
            entry.uname, entry.gid = f"user{made}", 5
            tar.addfile(entry, io.BytesIO(content))
        for name, target in (("a-hard-link", "./usr/bin/su"), ("usr/bin/zz", "./usr/bin/su")):
            entry = tarfile.TarInfo(f"./{name}")
            entry.type, entry.linkname, entry.mtime = tarfile.LNKTYPE, target, 100
            tar.addfile(entry)
    return path


def test_the_same_packages_make_the_same_base(tmp_path: Path) -> None:
    one = suite(tmp_path / "1.tar", made=1_760_000_000)
    two = suite(tmp_path / "2.tar", made=1_770_000_000, order=-1)
    digests = [write_base(raw, tmp_path / "base.tar", python="3.11") for raw in (one, two)]
    assert digests[0] == digests[1]


def test_what_a_base_holds(tmp_path: Path) -> None:
    raw = suite(tmp_path / "suite.tar", made=1_760_000_000)
    write_base(raw, tmp_path / "base.tar", python="3.11")
    with tarfile.open(tmp_path / "base.tar") as tar:
        entries = {entry.name: entry for entry in tar}
        library = "usr/local/lib/python3.11"
        assert list(entries) == [
            "dev", "etc/apt/apt.conf.d/01autoremove", "etc/passwd", "tmp", "usr", "usr/bin",
            "usr/bin/python3.11", "usr/bin/su", "usr/lib/python3.11/os.py",
            "usr/share/doc/base/copyright", "a-hard-link", "usr/bin/zz",
            library, f"{library}/dist-packages", "usr/local/bin/python", "usr/local/bin/python3",
            f"{library}/site-packages",
        ]  # fmt: skip
        assert entries["usr/local/bin/python"].linkname == "/usr/bin/python3.11"
        assert entries[f"{library}/site-packages"].linkname == "dist-packages"
        assert entries["a-hard-link"].linkname == "usr/bin/su"
        # Nobody becomes root by it, and no file is newer than the suite.
        assert entries["usr/bin/su"].mode == 0o755
        assert {entry.uname for entry in entries.values()} == {""}
        assert entries["etc/passwd"].mtime == PUBLISHED
        assert entries["usr/lib/python3.11/os.py"].mtime == 100
        content = b"".join(
            stream.read()
            for entry in tar
            if entry.isreg() and (stream := tar.extractfile(entry)) is not None
        )
    assert b"secret" not in content
    assert b"word" not in content


def test_a_suite_that_has_moved_on(tmp_path: Path) -> None:
    raw = suite(tmp_path / "suite.tar", made=1_760_000_000, python="3.15")
    with pytest.raises(DebianError, match=r"the suite has no python3\.14"):
        write_base(raw, tmp_path / "base.tar", python="3.14")
