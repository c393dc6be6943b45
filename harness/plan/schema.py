"""The JSON Schema of `matrix.yaml`, for editors: `python -m harness.plan.schema > FILE`."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from harness.plan.matrix import Matrix
from harness.plan.sections import Section

__all__ = ["matrix_schema", "matrix_schema_text"]


def matrix_schema() -> dict[str, object]:
    """Return the JSON Schema of `matrix.yaml`."""
    schema = Matrix.model_json_schema(by_alias=True)
    sections = {section.__name__: section for section in Section.__subclasses__()}
    for name, part in {Matrix.__name__: schema, **schema["$defs"]}.items():
        for field, text in _attribute_docstrings(sections[name]) if name in sections else ():
            part["properties"][field] = {"description": text, **part["properties"][field]}
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **_without_null(schema)}


def matrix_schema_text() -> str:
    """Return the text of `docs/matrix.schema.json`."""
    return json.dumps(matrix_schema(), indent=2) + "\n"


def _attribute_docstrings(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Yield the name in the file and the docstring of each field that has one.

    Pydantic's `use_attribute_docstrings` would read the source of every section at every start.
    """
    (body,) = ast.parse(inspect.getsource(section)).body
    assert isinstance(body, ast.ClassDef), "the source of a class is one"
    for field, text in pairwise(body.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(said))
            ):
                yield section.model_fields[name].alias or name, inspect.cleandoc(said)


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
