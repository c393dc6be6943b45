"""The table for other programs: `table.json` and its JSON Schema."""

from __future__ import annotations

import json

from harness.report.table import Table
from harness.text import harmless_json

__all__ = ["render_json", "table_schema"]


def render_json(table: Table) -> str:
    """Return `table.json`: strict JSON, in which a distance that is not finite is null."""
    return harmless_json(table.model_dump_json(indent=1)) + "\n"


def table_schema() -> str:
    """Return the JSON Schema of `table.json`; `docs/table.schema.json` holds it."""
    return json.dumps(Table.model_json_schema(mode="serialization"), indent=1) + "\n"
