"""What the daemon's answers mean, of every version of its API."""

from __future__ import annotations

from typing import Any

import pytest

from harness.environments.docker.daemon import api_version, stream_error


@pytest.mark.parametrize(
    ("oldest", "newest", "spoken"),
    [
        ("1.12", "1.41", "1.41"),  # Docker 20.10
        ("1.24", "1.45", "1.45"),
        ("1.44", "1.55", "1.45"),  # newer than known, and it still speaks what is known
        ("1.50", "1.60", "1.50"),  # it does not any more
        ("1.0", "1.9", "1.9"),  # versions, not numbers
    ],
)
def test_the_newest_api_that_is_known_is_spoken(oldest: str, newest: str, spoken: str) -> None:
    assert api_version(newest, oldest) == spoken


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ({"status": "Pulling"}, None),
        ({"error": "denied", "errorDetail": {"message": "denied"}}, "denied"),
        ({"errorDetail": {"code": 1, "message": "denied"}}, "denied"),
        ({"error": "denied"}, "denied"),
        ({"errorDetail": {}}, "an error without words"),
        ({"error": "", "errorDetail": {"message": ""}}, "an error without words"),
    ],
)
def test_an_error_of_a_stream(line: dict[str, Any], error: str | None) -> None:
    assert stream_error(line) == error
