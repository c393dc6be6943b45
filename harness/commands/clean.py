"""`harness clean`: removes what the harness made, and nothing else."""

from __future__ import annotations

import argparse

from harness.commands.shared import engines
from harness.environments import choose
from harness.environments.keeping.kept import Selection
from harness.errors import HarnessError, UsageError
from harness.output import tell, write

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Remove it, or with `--dry-run` say what would go."""
    which = Selection(unused=options.unused, older_than=options.older_than, dry_run=options.dry_run)
    if options.all and not which.everything:
        raise UsageError("--all and --unused or --older-than: all is not some of it")
    for name in engines(options.engine):
        try:
            engine = choose.choose_engine(name).engine
        except HarnessError as error:
            tell(f"{name}: nothing removed: {str(error).splitlines()[0]}")
            continue
        leftovers = () if which.dry_run else engine.remove_leftovers()
        removed = (*leftovers, *engine.clean(which))
        for line in removed or ("there is nothing to remove",):
            write(f"{name}: {line}\n")
    return 0
