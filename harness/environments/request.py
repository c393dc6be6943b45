"""Filling in a probe request: where the run sees the model and the inputs."""

from __future__ import annotations

import json

__all__ = ["fill_request"]


def fill_request(request: str, *, model: str, inputs: str | None) -> str:
    """Return the text of `request` with `{model}` and `{inputs}` replaced by paths.

    A placeholder counts only where a JSON string begins with it, as in `{inputs}/inputs.npz`:
    neither a path nor a model's own text can change anything else.

    Raises:
        ValueError: `request` is not JSON.
    """
    paths = {"{model}": model} | ({} if inputs is None else {"{inputs}": inputs})

    def filled(value: object) -> object:
        match value:
            case dict():
                return {key: filled(item) for key, item in value.items()}
            case list():
                return [filled(item) for item in value]
            case str():
                head, slash, rest = value.partition("/")
                return paths.get(head, head) + slash + rest
            case _:
                return value

    return json.dumps(filled(json.loads(request)), indent=1)
