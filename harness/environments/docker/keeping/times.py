"""Moments as the Docker API writes them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

__all__ = ["parse_time"]


def parse_time(value: object) -> datetime | None:
    """Return the moment that seconds since 1970 or an RFC 3339 text name; None for anything else.

    The Docker API has both, the text with nanoseconds, and years before 1970 for `never`.
    """
    moment = None
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, int | float):
            moment = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str):
            moment = datetime.fromisoformat(value).astimezone(UTC)
    return moment if moment is not None and moment.year > 1970 else None  # noqa: PLR2004
