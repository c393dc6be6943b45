"""Several models in one view."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness.cell import Device, Resolution
from harness.model.model import Format
from harness.observation import Stage
from harness.plan.plan import IndexState
from harness.report.summary import render_summary
from harness.report.table import CellRow, LoaderRow, ModelRow, Recommendation, Table
from harness.verdict import Reason, Reference, Verdict

OLD, NEW = "tf2.15.1-py3.11-cpu", "tf2.21.0-py3.13-cpu"


def row(cell: str, *loaders: tuple[str, Verdict, str | None]) -> CellRow:
    attempts = tuple(
        LoaderRow(
            name=name,
            verdict=verdict,
            stage=Stage.LOAD if code else None,
            reason=Reason(code=code, message=f"because of {code}") if code else None,
        )
        for name, verdict, code in loaders
    )
    return CellRow(
        id=cell,
        tensorflow=cell[2:8],
        python="3.11",
        device=Device.CPU,
        resolution=Resolution.AS_RELEASED,
        pins="default",
        flags="default",
        verdict=attempts[0].verdict,
        stage=attempts[0].stage,
        reason=attempts[0].reason,
        divergence=None,
        noise_floor=None,
        accuracy=None,
        deterministic=None,
        note=None,
        loaders=attempts,
    )


def table(name: str, form: Format, *rows: CellRow) -> Table:
    return Table(
        model=ModelRow(name=name, digest="0" * 64, format=form),
        engine="venv",
        engine_description="venv engine",
        sweep="sweep",
        reference=Reference(cell=None, why="none"),
        cells=rows,
        recommendation=Recommendation(cell=None, image=None, why="none"),
        index=IndexState(retrieved=datetime(2026, 1, 2, tzinfo=UTC), source="network"),
    )


TABLES = (
    table(
        "one",
        Format.SAVED_MODEL,
        row(OLD, ("saved_model.load", Verdict.IDENTICAL, None), ("session", Verdict.FAILED, "a")),
        row(NEW, ("saved_model.load", Verdict.DIVERGED, None)),
    ),
    table(
        "two",
        Format.SAVED_MODEL,
        row(OLD, ("saved_model.load", Verdict.FAILED, "b"), ("session", Verdict.FAILED, "a")),
        row(NEW, ("saved_model.load", Verdict.UNKNOWN, None)),
    ),
    table("three", Format.HDF5, row(NEW, ("keras.load_model", Verdict.EQUIVALENT, None))),
)


def shares(text: str, *start: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.split()[: len(start)] == list(start)]
    return line.split()[len(start) :]


def test_counts_by_format_loader_and_cell() -> None:
    text = render_summary(TABLES, width=200)
    assert shares(text, "saved_model", "saved_model.load") == ["1/2", "1/1"]
    assert shares(text, "saved_model", "session") == ["0/2", "-"]
    assert shares(text, "hdf5", "keras.load_model") == ["-", "1/1"]


def test_names_every_failure_once_with_its_models_and_cells() -> None:
    text = " ".join(render_summary(TABLES, width=80).split())
    assert f"session failed at load, 2 models: because of a [a] (one, two; in {OLD})" in text
    assert f"saved_model.load failed at load, 1 model: because of b [b] (two; in {OLD})" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_keeps_to_the_width(width: int) -> None:
    cells = [f"tf2.{minor}.0-py3.11-cpu" for minor in range(20)]
    many = table(
        "many",
        Format.SAVED_MODEL,
        *(row(cell, ("saved_model.load", Verdict.IDENTICAL, None)) for cell in cells),
    )
    text = render_summary([many], width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("1/1") == len(cells)
