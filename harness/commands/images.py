"""`harness images`: what the harness keeps, in Docker and beside it."""

from __future__ import annotations

import argparse

from harness.commands.shared import engines
from harness.environments import choose
from harness.errors import HarnessError
from harness.output import tell, width, write
from harness.report.images import render_inventories, render_inventories_json

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Print images, environments and caches."""
    kept = []
    for name in engines(options.engine):
        try:
            kept.append(choose.choose_engine(name).engine.inventory())
        except HarnessError as error:
            if name == options.engine:
                raise
            tell(f"{name}: not listed: {str(error).splitlines()[0]}")
    if options.format == "json":
        write(render_inventories_json(kept))
    else:
        write(render_inventories(kept, width=width()))
    return 0
