"""Turning what reading damaged graphs raises into an error for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from google.protobuf.message import DecodeError

from harness.errors import ModelError, Problem
from harness.model.wire import WireError
from harness.untrusted import UntrustedFileError

__all__ = ["damage_is_an_error"]


@contextmanager
def damage_is_an_error(path: Path) -> Iterator[None]:
    """Raise a `ModelError` where the file `path` is missing, no file, or no sound message."""
    try:
        yield
    except (UntrustedFileError, FileNotFoundError) as error:
        raise ModelError([Problem(where=str(path), what=str(error))]) from None
    except (WireError, DecodeError) as error:
        what = f"is damaged: {error if isinstance(error, WireError) else 'it cannot be read'}"
        raise ModelError(
            [Problem(where=str(path), what=what, hint="copy or save the model again")]
        ) from None
