"""How a build inside Docker reaches the package index: the user's settings as one secret file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from harness.environments.docker import names

__all__ = ["needs_host_network", "network_file", "network_files"]

# What of the environment uv is run with on this machine says how to reach an index.
_SETTINGS = re.compile(
    r"UV_(DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|HTTP_\w+|INDEX\w*|INSECURE_HOST|REQUEST_TIMEOUT)"
    r"|(HTTP|HTTPS|ALL|NO)_PROXY",
    re.IGNORECASE,
)


def network_file(environment: Mapping[str, str]) -> str:
    """Return the lines `NAME='value'` a shell reads; it may hold credentials.

    `environment` is what uv is run with on this machine. The file of certificates it names is
    seen by the build under another path.
    """
    settings = {name: value for name, value in environment.items() if _SETTINGS.fullmatch(name)}
    if "SSL_CERT_FILE" in environment:
        settings["SSL_CERT_FILE"] = f"{names.FOLDER}/certificates"
    return "".join(f"{name}={shlex.quote(settings[name])}\n" for name in sorted(settings))


def network_files(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return what `install.sh` finds beside itself: `network` and `certificates`, perhaps empty.

    Raises:
        OSError: the file of certificates cannot be read.
    """
    certificates = environment.get("SSL_CERT_FILE")
    return {
        "network": network_file(environment).encode(),
        "certificates": b"" if certificates is None else Path(certificates).read_bytes(),
    }


def needs_host_network(environment: Mapping[str, str]) -> bool:
    """Tell whether the index or a proxy is this machine itself, which a build cannot see."""
    values = [
        word
        for name, value in environment.items()
        if _SETTINGS.fullmatch(name) and not name.upper().startswith("NO_")
        for word in value.split()
    ]
    return any(_is_loopback(value) for value in values)


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError:
        return False
    return host in {"localhost", "::1"} or host.startswith("127.")
