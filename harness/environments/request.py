"""`requests.json`: what the probe is told, filled in with the paths that a run sees."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from harness.environments.engine import Attempt

__all__ = ["Places", "requests_text"]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a run sees what an attempt is given."""

    model: str
    files: str


def requests_text(attempts: Iterable[tuple[Attempt, Places]]) -> str:
    """Return the text of `requests.json`.

    It also says that each attempt's folder is taken away when that has ended, and that the next
    one begins after that.

    Raises:
        ValueError: the request of an attempt is not JSON.
    """
    filled = [
        {"name": attempt.name, "request": _filled(json.loads(attempt.request), places)}
        for attempt, places in attempts
    ]
    return json.dumps({"schema": 1, "taken": True, "attempts": filled}, indent=1)


def _filled(value: object, places: Places) -> object:
    """Return `value` with `{model}` and `{files}` replaced by paths.

    A placeholder counts only where a string begins with it, as in `{files}/inputs.npz`: neither a
    path nor a model's own text can change anything else.
    """
    match value:
        case dict():
            return {key: _filled(item, places) for key, item in value.items()}
        case list():
            return [_filled(item, places) for item in value]
        case str():
            head, slash, rest = value.partition("/")
            paths = {"{model}": places.model, "{files}": places.files}
            return paths.get(head, head) + slash + rest
        case _:
            return value
