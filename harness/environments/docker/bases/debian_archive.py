"""The archive a Debian base is imported from: nothing of this machine or of the moment in it."""

from __future__ import annotations

import fnmatch
import hashlib
import re
import tarfile
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath

from harness.environments.docker.bases.debian_suite import DebianError

__all__ = ["write_base"]

# Where this machine's mirrors, proxies, names and keys are; logs, caches and backups; and what
# nobody reads in a container. The packages' licences stay.
_LEFT_OUT = (
    "dev/*", "proc/*", "run/*", "sys/*", "tmp/*", "var/tmp/*", "boot/*",
    "etc/apt/apt.conf", "etc/apt/apt.conf.d/99*", "etc/apt/auth.conf*", "etc/apt/sources.list*",
    "etc/dpkg/dpkg.cfg.d/99*", "etc/hostname", "etc/hosts", "etc/machine-id", "etc/resolv.conf",
    "etc/*-", "etc/.pwd.lock", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid",
    "root/.*", "var/backups/*", "var/cache/*", "var/log/*", "var/lib/apt/*", "var/lib/dpkg/*-old",
    "var/lib/dpkg/lock*", "var/lib/dpkg/triggers/Lock", "var/lib/systemd/*",
    "debootstrap*", "usr/lib/python3*/EXTERNALLY-MANAGED",
    "usr/share/info/*", "usr/share/lintian/*", "usr/share/locale/*", "usr/share/man/*",
)  # fmt: skip
_DOCUMENTS = "usr/share/doc/*"
_RELEASES = re.compile(r"var/lib/apt/lists/[^/]*Release")
_DATE = re.compile(r"^Date: (.+)$", re.MULTILINE)
_LONGEST_RELEASE_BYTES = 1 << 20


def write_base(suite: Path, archive: Path, *, python: str) -> str:
    """Write what a base needs of the tar file `suite` to `archive` and return its sha256.

    The same packages make the same bytes: names are sorted, and what was made rather than unpacked
    bears the date of the suite. `/usr/local/bin/python` is the suite's `python` (`X.Y`), and what
    is installed for it lands below `/usr/local`, under the names it has in other bases too.

    Raises:
        DebianError: the suite has no such Python, or does not say its date.
    """
    with tarfile.open(suite, "r") as source:
        members = {_name(member): member for member in source}
        if f"usr/bin/python{python}" not in members:
            raise DebianError(f"the suite has no python{python}")
        date = _date(source, members)
        kept = {name: member for name, member in members.items() if not _left_out(name, member)}
        with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as target:
            for name in sorted(kept, key=lambda name: (kept[name].islnk(), name)):
                member = kept[name]
                content = source.extractfile(member) if member.isreg() else None
                target.addfile(_plain(name, member, date), content)
            for entry in _added(python, frozenset(kept), date):
                target.addfile(entry)
    with archive.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _name(member: tarfile.TarInfo) -> str:
    return PurePosixPath(member.name).as_posix()


def _left_out(name: str, member: tarfile.TarInfo) -> bool:
    if name == "." or not (member.isdir() or member.isreg() or member.issym() or member.islnk()):
        return True
    if fnmatch.fnmatch(name, _DOCUMENTS):
        return not (member.isdir() or name.endswith("/copyright"))
    return any(fnmatch.fnmatch(name, pattern) for pattern in _LEFT_OUT)


def _date(source: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> int:
    """Return when the newest of the suite's parts was published, in seconds since 1970."""
    dates = []
    for name, member in members.items():
        content = source.extractfile(member) if _RELEASES.fullmatch(name) else None
        if content is not None:
            text = content.read(_LONGEST_RELEASE_BYTES).decode("utf-8", "replace")
            dates += [
                int(parsedate_to_datetime(found).timestamp()) for found in _DATE.findall(text)
            ]
    if not dates:
        raise DebianError("the suite does not say when it was published")
    return max(dates)


def _plain(name: str, member: tarfile.TarInfo, date: int) -> tarfile.TarInfo:
    """Return the entry of `member`: no name of an owner, nothing that runs as another user."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = member.type, member.size if member.isreg() else 0
    entry.mode = member.mode & ~0o6000
    entry.uid, entry.gid = member.uid, member.gid
    # A file that was unpacked is older than its suite: its bytecode bears its time.
    entry.mtime = min(int(member.mtime), date) if not member.isdir() else date
    entry.linkname = _name_of_link(member)
    return entry


def _name_of_link(member: tarfile.TarInfo) -> str:
    return PurePosixPath(member.linkname).as_posix() if member.islnk() else member.linkname


def _added(python: str, there: frozenset[str], date: int) -> Iterator[tarfile.TarInfo]:
    """Yield the entries that make the suite's Python the one of `/usr/local`."""
    library = f"usr/local/lib/python{python}"
    for folder in (library, f"{library}/dist-packages"):
        if folder not in there:
            yield _entry(folder, tarfile.DIRTYPE, 0o755, date)
    links = {
        "usr/local/bin/python": f"/usr/bin/python{python}",
        "usr/local/bin/python3": f"/usr/bin/python{python}",
        f"{library}/site-packages": "dist-packages",
    }
    for name, target in links.items():
        yield _entry(name, tarfile.SYMTYPE, 0o777, date, target)


def _entry(name: str, kind: bytes, mode: int, date: int, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime, entry.linkname = kind, mode, date, target
    return entry
