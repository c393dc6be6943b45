"""A base image's file system made from a CPython of this machine, for where no registry answers.

The interpreter is moved to `/usr/local` (CPython finds its library from where the program is, see
`Modules/getpath.py`); beside it lie the libraries it and TensorFlow's wheels load, a shell with a
few tools, and nothing else of the machine: no site-packages, no configuration, no certificates.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.environments.interpreters import Interpreter
from harness.environments.process import Completed, run_program

__all__ = ["CHANGES", "EPOCH", "SliceError", "fingerprint", "make_root", "obstacle"]

CHANGES = ("ENV PATH=/usr/local/bin:/usr/bin:/bin", "ENV LANG=C.UTF-8", 'CMD ["python"]')
"""What `docker import` is told of the image beside its files (Dockerfile instructions)."""

EPOCH = 315_532_800
"""Modification time of every file, in seconds: 1980-01-01, the earliest a zip file can hold."""

# What a slice leaves out of `lib/pythonX.Y`: tests, what needs a screen, what other packages put
# there, static libraries, and bytecode, which is made anew because its stamps would not fit.
_LEFT_OUT = (
    "test", "tests", "idlelib", "turtledemo", "tkinter", "site-packages", "dist-packages",
    "__pycache__", "config-*", "EXTERNALLY-MANAGED", "*.a", "_tkinter*.so", "_test*.so",
    "_ctypes_test*.so", "xx*.so",
)  # fmt: skip

_NEVER_LISTED = frozenset(_LEFT_OUT[: _LEFT_OUT.index("config-*")])

_TOOLS = (
    "sh", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dirname", "echo", "env",
    "expr", "false", "grep", "head", "id", "ln", "ls", "mkdir", "mktemp", "mv", "nproc", "pwd",
    "readlink", "rm", "rmdir", "sed", "sleep", "sort", "tail", "test", "touch", "tr", "true",
    "uname", "wc",
)  # fmt: skip

# Loaded by wheels, or by glibc itself through dlopen, so no program's `ldd` names them.
_REQUIRED = ("libstdc++.so.6", "libgcc_s.so.1")
_WANTED = (
    "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libm.so.6", "libresolv.so.2",
    "libnss_dns.so.2", "libnss_files.so.2", "libgomp.so.1",
)  # fmt: skip

_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/ld.so.conf": "/usr/local/lib\n/usr/lib\n",
}
_FOLDERS = ("root", "run", "tmp", "usr/bin", "usr/lib", "usr/local/bin", "usr/local/lib", "var/tmp")
_LINKS = {"bin": "usr/bin", "sbin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib"}

_SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
_LIBRARY = re.compile(r"^\s+(?:\S+ => )?(/.+) \(0x[0-9a-f]+\)$", re.MULTILINE)


class SliceError(Exception):
    """This machine lacks something without which no slice works; the text says what."""


def obstacle(interpreter: Interpreter, machine: str) -> str | None:
    """Tell why no base for `machine` can be made from `interpreter`, or None where it can."""
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return "a base can be made from an interpreter only on Linux with glibc"
    if interpreter.machine != machine:
        return f"{interpreter} is for {interpreter.machine}, the Docker engine for {machine}"
    if interpreter.prefix == Path("/usr") or not _library(interpreter).is_dir():
        return f"{interpreter.path} is spread over the system and cannot be moved"
    missing = [name for name in ("ldd", "ldconfig") if shutil.which(name, path=_SYSTEM) is None]
    return f"{missing[0]} is missing on this machine" if missing else None


def fingerprint(interpreter: Interpreter) -> str:
    """Return a digest that changes when a slice of `interpreter` may have other content.

    It reads no file but this module's own: names, sizes and times of the interpreter's files, and
    the linker's cache, which package managers rewrite whenever a library changes.
    """
    digest = hashlib.sha256(Path(__file__).read_bytes())
    found = (shutil.which(name, path=_SYSTEM) for name in _TOOLS)
    files = [interpreter.path, Path("/etc/ld.so.cache"), *map(Path, filter(None, found))]
    for file in (*map(str, files), *sorted(_files(str(_library(interpreter))))):
        status = os.lstat(file)
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(folder: str) -> Iterator[str]:
    """Yield the paths below `folder` that a slice may hold.

    What others have installed there can be many times as much: it is not even listed.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in _NEVER_LISTED:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.path


def make_root(interpreter: Interpreter, root: Path) -> None:
    """Fill the empty folder `root` with the file system of the slice.

    Raises:
        SliceError: a library that wheels need is not on this machine, or a program failed.
        OSError: the disk is full, or a file cannot be read.
    """
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for link, target in _LINKS.items():
        (root / link).symlink_to(target)
    for name, text in _FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    programs = [*_copy_interpreter(interpreter, root), *_copy_tools(root)]
    _copy_libraries(programs, interpreter.prefix, root)
    locale = Path("/usr/lib/locale/C.utf8")
    if locale.is_dir():  # before glibc 2.35 it is not built in, and CPython 3.6 needs it
        shutil.copytree(locale, root / "usr/lib/locale/C.utf8")
    _compile(interpreter, root)
    _run("ldconfig", "-r", root)


def _library(interpreter: Interpreter) -> Path:
    return interpreter.prefix / "lib" / f"python{interpreter.python}"


def _copy_interpreter(interpreter: Interpreter, root: Path) -> list[Path]:
    """Copy the program, its library and headers; return the originals of what is native code."""
    local, name = root / "usr/local", f"python{interpreter.python}"
    program = Path(shutil.copy(interpreter.path, local / "bin" / name))
    for link in ("python3", "python"):
        (local / "bin" / link).symlink_to(name)
    library = local / "lib" / name
    shutil.copytree(_library(interpreter), library, ignore=_left_out, symlinks=True)
    (library / "site-packages").mkdir()
    for headers in interpreter.prefix.glob(f"include/{name}*"):
        shutil.copytree(headers, local / "include" / headers.name)
    for settings in library.glob("_sysconfigdata*.py"):
        text = settings.read_text(encoding="utf-8")
        _writable(settings)
        settings.write_text(text.replace(str(interpreter.prefix), "/usr/local"), encoding="utf-8")
    extensions = sorted((library / "lib-dynload").glob("*.so"))
    if interpreter.source != "uv-managed":  # those come stripped
        _strip([program, *extensions])
    return [
        interpreter.path,
        *(_library(interpreter) / "lib-dynload" / path.name for path in extensions),
    ]


def _left_out(_: str, names: list[str]) -> set[str]:
    return {name for name in names for pattern in _LEFT_OUT if fnmatch.fnmatch(name, pattern)}


def _copy_tools(root: Path) -> list[Path]:
    """Copy the shell and the tools; one program under several names stays one."""
    programs = {}
    for name in _TOOLS:
        found = shutil.which(name, path=_SYSTEM)
        if found is not None:
            program = Path(found).resolve()
            programs[program.name] = program
            if program.name != name:
                (root / "usr/bin" / name).symlink_to(program.name)
    for name, program in programs.items():
        shutil.copy(program, root / "usr/bin" / name)
    return list(programs.values())


def _copy_libraries(programs: Iterable[Path], prefix: Path, root: Path) -> None:
    found = _libraries(programs)
    folders = dict.fromkeys(path.parent for path in found if not path.is_relative_to(prefix))
    for name in (*_REQUIRED, *_WANTED):
        path = next((folder / name for folder in folders if (folder / name).exists()), None)
        if path is not None:
            found |= {path: None} | _libraries([path])
        elif name in _REQUIRED:
            raise SliceError(f"{name}, which TensorFlow's wheels need, is not on this machine")
    for path in found:
        own = path.is_relative_to(prefix)
        copy = Path(shutil.copy(path, root / ("usr/local/lib" if own else "usr/lib") / path.name))
        if own:
            _strip([copy])


def _libraries(programs: Iterable[Path]) -> dict[Path, None]:
    """Return the libraries the dynamic linker loads for `programs`, itself included."""
    output = _run("ldd", *programs, check=False).stdout
    return dict.fromkeys(Path(match[1]) for match in _LIBRARY.finditer(output))


def _strip(files: list[Path]) -> None:
    """Remove debugging symbols, three quarters of a CPython built by hand; where that is known."""
    if shutil.which("strip", path=_SYSTEM) is not None:
        for file in files:
            _writable(file)
        _run("strip", "--strip-unneeded", *files, check=False)


def _compile(interpreter: Interpreter, root: Path) -> None:
    """Make bytecode that fits the fixed modification times and the place in the image."""
    library = root / f"usr/local/lib/python{interpreter.python}"
    for path in library.rglob("*.py"):
        os.utime(path, (EPOCH, EPOCH))
    place = f"/usr/local/lib/python{interpreter.python}"
    # A fixed hash seed, because the order of a set's elements ends up in the bytecode.
    run_program(
        [interpreter.path, "-s", "-m", "compileall", "-q", "-d", place, library],
        environment={"PATH": _SYSTEM, "PYTHONHASHSEED": "0"},
    )


def _writable(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o200)


def _run(name: str, *arguments: str | Path, check: bool = True) -> Completed:
    """Run a program of the system, unaffected by the user's settings."""
    program = shutil.which(name, path=_SYSTEM) or name
    completed = run_program([program, *arguments], environment={"PATH": _SYSTEM, "LC_ALL": "C"})
    if check and completed.status != 0:
        raise SliceError(f"{name} failed: {completed.output.strip()}")
    return completed
