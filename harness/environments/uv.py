"""Running uv: which binary, with which cache, index and environment variables."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import uv

from harness.environments.process import Completed, run_program
from harness.network import ca_bundle, index_url
from harness.once import once
from harness.paths import cache_directory

__all__ = ["run_uv", "uv_cache", "uv_environment", "uv_program", "uv_version"]

# The user's uv settings that say how to reach an index. The others (UV_EXCLUDE_NEWER, UV_PYTHON,
# UV_OVERRIDE, UV_RESOLUTION, ...) would change what a lock holds without being part of the cell.
_CONNECTION = (
    "UV_CONCURRENT_",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_HTTP_",
    "UV_INDEX",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_LINK_MODE",
    "UV_NATIVE_TLS",
    "UV_OFFLINE",
    "UV_PYTHON_DOWNLOADS",
    "UV_PYTHON_INSTALL_MIRROR",
    "UV_REQUEST_TIMEOUT",
    "UV_SYSTEM_CERTS",
)

# What would make uv, or the programs it starts to build a package, see the harness's own venv.
_REMOVED = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME")


@functools.cache
def uv_program() -> Path:
    """Return the uv binary of the harness's own dependency."""
    return Path(uv.find_uv_bin())


@once
def uv_version() -> str:
    """Return uv's name and version, such as `uv 0.13.8`, as the binary itself says it."""
    words = run_program([uv_program(), "--version"], timeout_seconds=60).stdout.split()
    return " ".join(words[:2])


def uv_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Return uv's cache folder: `$UV_CACHE_DIR`, else one in the harness's cache."""
    chosen = environment.get("UV_CACHE_DIR")
    return Path(chosen).expanduser().absolute() if chosen else cache_directory() / "uv"


def uv_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment variables uv is run with.

    The index and its credentials are only ever here, never on a command line, which other users
    of the machine can read.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name not in _REMOVED and (not name.startswith("UV_") or name.startswith(_CONNECTION))
    }
    kept |= {"UV_CACHE_DIR": str(uv_cache(environment)), "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    index = index_url(environment)
    if index is not None:
        # A user's own setting may name the index, and its credentials go by that name.
        kept.setdefault("UV_DEFAULT_INDEX", index)
    certificates = ca_bundle(environment)
    if certificates is not None:
        kept["SSL_CERT_FILE"] = str(certificates)
    return kept


def run_uv(
    arguments: Sequence[str | os.PathLike[str]],
    *,
    stdin: str | None = None,
    timeout_seconds: float | None = None,
    on_stderr_line: Callable[[str], None] | None = None,
    directory: Path | None = None,
) -> Completed:
    """Run uv without any configuration file and wait for it."""
    return run_program(
        [uv_program(), "--no-config", *arguments],
        environment=uv_environment(),
        stdin=stdin,
        timeout_seconds=timeout_seconds,
        on_stderr_line=on_stderr_line,
        directory=directory,
    )
