"""What is said of images that a registry has."""

from __future__ import annotations

import json

from harness.report.head import head
from harness.report.machine import render_json
from harness.report.markdown import render_markdown
from harness.report.table import CellRow, Table
from harness.report.terminal import render_terminal
from tests.support.tables import sweep_table

PLACE = "registry.example/team/tensorflow-environment-matrix"


def pushed(digits: str, *, cells: int) -> Table:
    """A table whose first cells have images that a registry has, each of its own."""
    table = sweep_table()
    rows = [
        _pushed(
            cell, f"{digits}{number:02}", number < cells or cell.id == table.recommendation.cell
        )
        for number, cell in enumerate(table.cells)
    ]
    return table.model_copy(update={"cells": tuple(rows)})


def _pushed(cell: CellRow, digits: str, is_there: bool) -> CellRow:
    if cell.image is None:
        return cell
    image: dict[str, object] = {"digest": f"sha256:{digits:0>64}"}
    if is_there:
        image["pushed"] = f"{PLACE}@sha256:{digits}"
    return cell.model_copy(update={"image": cell.image.model_copy(update=image)})


def test_the_reports_name_the_registry_and_the_digest_to_deploy() -> None:
    table = pushed("ab", cells=2)
    chosen = next(cell for cell in table.cells if cell.id == table.recommendation.cell)
    assert chosen.image is not None
    deployed = f"image {chosen.image.pushed}, here {chosen.image.tag} (sha256:"
    terminal = render_terminal(table, width=120, color=False, folder="results")
    assert deployed in terminal
    assert "Registry   has " in terminal
    markdown = render_markdown(table).replace("\\", "")
    assert deployed in markdown
    assert "**Registry**: has " in markdown
    references = [cell["image"] for cell in json.loads(render_json(table))["cells"]]
    assert {image["pushed"] for image in references if image} >= {chosen.image.pushed}


def test_where_nothing_was_pushed_nothing_is_said_of_registries() -> None:
    assert "Registry" not in dict(head(sweep_table()))


def test_how_many_images_a_registry_has_is_said() -> None:
    table = pushed("ab", cells=0)
    images = sum(cell.image is not None for cell in table.cells)
    assert dict(head(table))["Registry"] == (
        f"has 1 of {images} images, as {PLACE}; digests in table.json"
    )
