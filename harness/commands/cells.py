"""`harness cells`: the plan and what it would cost; nothing is run."""

from __future__ import annotations

import argparse

from harness.environments import choose
from harness.environments.options import Options
from harness.output import tell, width, write
from harness.plan.matrix import load_matrix
from harness.planning import plan_matrix
from harness.report.plan import render_plan

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Print the cells of the matrix."""
    matrix = load_matrix(options.matrix)
    chosen = choose.choose_engine(options.engine, Options(base=options.base))
    tell(chosen.description)
    plan = plan_matrix(matrix, chosen.engine, only=options.only, refresh=options.fresh)
    write(render_plan(plan, width=width()))
    return 0
