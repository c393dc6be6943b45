"""The user's network settings: package index, proxies, certificates."""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from harness.errors import UsageError

__all__ = [
    "ca_bundle",
    "index_url",
    "masked",
    "pip_files",
    "proxy_variables",
    "without_credentials",
]

_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")


def index_url(environment: Mapping[str, str], files: Sequence[Path] | None = None) -> str | None:
    """Return the package index the user chose, with its credentials; None where none was chosen.

    `UV_DEFAULT_INDEX`, `UV_INDEX_URL`, `PIP_INDEX_URL` and then pip's configuration `files`
    (`pip_files(environment)` where not given) are asked, in this order.

    Raises:
        UsageError: the setting is no http or https URL, or a configuration file is broken.
    """
    for variable in _INDEX_VARIABLES:
        value = environment.get(variable, "").strip()
        if value:
            # uv also takes `name=url`.
            return _checked(re.sub(r"^[\w.-]+=(?=\w+:)", "", value), variable)
    for file in reversed(pip_files(environment) if files is None else files):
        configured = _configured(file, "index-url", "index_url")
        if configured:
            return _checked(configured, str(file))
    return None


def pip_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the places of pip's configuration files; a later one overrides an earlier one.

    Source: https://pip.pypa.io/en/stable/topics/configuration/
    """
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return ()
    home = Path(environment.get("HOME") or Path.home())
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
    if sys.platform == "darwin":
        library = Path("Library/Application Support/pip")
        shared = [Path("/") / library]
        user = home / library if (home / library).is_dir() else user
    else:
        folders = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        shared = [*(Path(folder) / "pip" for folder in folders.split(os.pathsep)), Path("/etc")]
    files = [folder / "pip.conf" for folder in shared]
    if not (chosen and Path(chosen).exists()):
        files += [home / ".pip" / "pip.conf", user / "pip.conf"]
    files.append(Path(sys.prefix) / "pip.conf")
    if chosen:
        files.append(Path(chosen))
    return tuple(files)


def _configured(file: Path, *keys: str) -> str | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    except configparser.Error as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{file}: pip's configuration cannot be read: {reason}") from None
    values = [
        parser.get(section, key, fallback="").strip()
        for section in ("install", "global")
        for key in keys
    ]
    return next((value for value in values if value), None)


def _checked(url: str, where: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(
            f"{where}: the package index {masked(url)} cannot be asked which releases exist\n"
            "  allowed: an http or https URL\n"
            f"  hint: unset it in {where} to use the default index"
        )
    return url


def without_credentials(url: str) -> str:
    """Return `url` without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def masked(url: str) -> str:
    """Return `url` for printing: credentials are shown as `***`."""
    return re.sub(r"(?<=//)[^/]*@", "***@", url)


def proxy_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy settings that are set, under the names they are set by.

    Programs differ in whether they read `HTTP_PROXY` or `http_proxy`, so both are passed on.
    """
    names = [spelt for name in _PROXY_VARIABLES for spelt in (name, name.lower())]
    return {name: environment[name] for name in names if environment.get(name)}


def ca_bundle(environment: Mapping[str, str], files: Sequence[Path] | None = None) -> Path | None:
    """Return the file of certificates the user trusts; None for the programs' own.

    Environment variables are asked first, then `cert` of pip's configuration `files`
    (`pip_files(environment)` where not given).
    """
    asked = pip_files(environment) if files is None else files
    named = [environment.get(variable) for variable in _CA_VARIABLES]
    named += [_configured(file, "cert") for file in reversed(asked)]
    return next((Path(name) for name in named if name and Path(name).is_file()), None)
