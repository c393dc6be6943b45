"""Where `images/` lies: in a checkout beside the package, in a wheel inside it."""

from __future__ import annotations

from pathlib import Path

import harness

__all__ = ["image_file", "image_path"]


def image_path(name: str) -> Path:
    """Return the path of a file of `images/`."""
    package = Path(harness.__file__).parent
    inside = package / "images"
    return (inside if inside.is_dir() else package.parent / "images") / name


def image_file(name: str) -> str:
    """Return the text of a file of `images/`."""
    return image_path(name).read_text(encoding="utf-8")
