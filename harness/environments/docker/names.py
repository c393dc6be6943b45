"""What the harness's images, containers and labels are called."""

from __future__ import annotations

from harness.environments.owner import LABEL

__all__ = [
    "BASES",
    "BUILD",
    "CACHE",
    "CELL",
    "ENVIRONMENTS",
    "FOLDER",
    "INSTALLERS",
    "LEFT_OUT",
    "LOCK",
    "OWNER",
    "ROLE",
    "SWEEP",
    "VERSION",
    "VOLUME",
]

ENVIRONMENTS = LABEL
"""Repository of the images of environments."""
BASES = f"{LABEL}-base"
"""Repository of the bases made from this machine's interpreters."""
INSTALLERS = f"{LABEL}-uv"
"""Repository of the images that hold nothing but uv."""

FOLDER = f"/run/{LABEL}"
"""Where a build sees its tools, and by which its records in BuildKit's cache are known as ours."""
CACHE = f"{LABEL}-uv"
"""Id of the BuildKit cache mount that keeps wheels."""

VOLUME = f"{LABEL}-mounted"
"""The volume of environments that are mounted, with uv's cache, from which they are linked."""

ROLE = f"{LABEL}.role"
"""Label: `environment`, `base`, `installer`, `stage` (of a classic build), `run`, `install` (of an
environment that is mounted), `check` (of what is installed) or, of the volume, `cache`."""
OWNER = f"{LABEL}.owner"
"""Label of what must not outlive the harness that made it."""
BUILD = f"{LABEL}.build"
"""Label of the stages of a classic build: the identity of what is built."""
CELL = f"{LABEL}.cell"
SWEEP = f"{LABEL}.sweep"
LOCK = f"{LABEL}.lock"
"""Label of an environment's image: the digest of its lock."""
VERSION = f"{LABEL}.version"
"""Label of an environment's image: the version of the harness that made it."""
LEFT_OUT = f"{LABEL}.left-out"
"""Label of an environment's image: what of its packages is not in it, to save disk and time."""
