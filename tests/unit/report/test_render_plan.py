from __future__ import annotations

from pathlib import Path

import pytest

from harness.cell import Flags
from harness.plan.plan import PlannedCell
from harness.report.plan import render_plan
from tests.support.fakes import plan
from tests.support.tables import declared, sweep_plan

EXPECTED = Path(__file__).parent / "expected"


@pytest.mark.parametrize("width", [80, 200])
def test_the_whole_plan(width: int) -> None:
    text = render_plan(sweep_plan(), width=width)
    assert text == (EXPECTED / f"plan-{width}.txt").read_text()


def test_cells_that_differ_in_flags_cost_one_environment() -> None:
    cells = [declared("2.20.0", "3.13", flags=Flags(name=name)) for name in ("default", "off")]
    assert render_plan(plan(*cells), width=120).endswith(
        "\n2 cells, 2 to run in 1 environment: about 0.3 GB to download and 1.1 GB of disk,"
        " less what earlier sweeps left.\n"
    )


def test_cuda_costs_more() -> None:
    cells = [declared("2.20.0", "3.13"), declared("2.20.0", "3.13", device="cuda")]
    assert render_plan(plan(*cells), width=120).endswith(
        "\n2 cells, 2 to run in 2 environments: about 3.1 GB to download and 5.8 GB of disk,"
        " less what earlier sweeps left.\n"
    )


def test_text_from_elsewhere_obeys_nobody() -> None:
    odd = PlannedCell(cell=declared("2.20.0", "3.13", note="\x1b[2J\u202eevil\nline"))
    text = render_plan(plan(odd), width=80)
    assert {character for character in text if not character.isprintable()} == {"\n"}
    assert "\n- \ufffdevil line (1 cell: tf2.20.0-py3.13-cpu)\n" in text
