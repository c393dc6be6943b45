"""The JSON Schema of `matrix.yaml`, for editors: `python -m harness.plan.schema > FILE`."""

from __future__ import annotations

import json
import sys
from typing import Any

from harness.plan.matrix import Matrix

__all__ = ["matrix_schema", "matrix_schema_text"]


def matrix_schema() -> dict[str, object]:
    """Return the JSON Schema of `matrix.yaml`."""
    schema = _without_null(Matrix.model_json_schema(by_alias=True))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def matrix_schema_text() -> str:
    """Return the text of `docs/matrix.schema.json`."""
    return json.dumps(matrix_schema(), indent=2) + "\n"


def _without_null(value: Any) -> Any:
    """Return a schema in which what may be left out may not be null: the file has no nulls."""
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_null(item) for key, item in value.items()}
    if "default" in kept and kept["default"] is None:
        del kept["default"]
    choices = kept.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        del kept["anyOf"]
        (only,) = (choice for choice in choices if choice != {"type": "null"})
        kept = {**only, **kept}
    return kept


if __name__ == "__main__":
    sys.stdout.write(matrix_schema_text())
