"""The prefix of a registry: what is allowed, and the one way it is written."""

from __future__ import annotations

import re

__all__ = ["ALLOWED", "prefix_problem", "registry_prefix"]

ALLOWED = (
    "a registry's host and, if it has them, port and folders: registry.example/team/ or"
    " localhost:5000/; Docker Hub's is docker.io/NAME/"
)

# What follows a prefix is the repository and the tag of an image, which Docker limits with it.
_LONGEST = 180
# https://github.com/distribution/reference: domain and path-component. A host without a dot or a
# port would be taken for a name on Docker Hub.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:localhost|{_LABEL}(?:\.{_LABEL})+|{_LABEL}(?=:)|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?"
_FOLDER = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_PREFIX = re.compile(rf"{_HOST}(?:/{_FOLDER})*/?")


def registry_prefix(text: str) -> str | None:
    """Return `text` with one slash at its end; None where it is no prefix of a registry."""
    if len(text) > _LONGEST or not _PREFIX.fullmatch(text):
        return None
    return text if text.endswith("/") else f"{text}/"


def prefix_problem(text: str) -> str:
    """Return what is wrong with `text`, and what is allowed; never a password that is in it."""
    if "@" in text:
        what = "a prefix of a registry has no `@`: log in with `docker login`, which keeps it apart"
    elif "://" in text:
        what = f"{text!r} begins like an address: leave out {text.partition('://')[0]}://"
    elif len(text) > _LONGEST:
        what = f"a prefix of a registry has at most {_LONGEST} characters, and this has {len(text)}"
    else:
        what = f"{text!r} is no prefix of a registry"
    return f"{what}\n  allowed: {ALLOWED}"
