"""The table of attacks: `python -m tests.hostile.table`, or `pytest -s tests/hostile`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from harness.text import printable
from tests.hostile.catalogue import ATTACKS
from tests.hostile.models import HARMLESS
from tests.hostile.sweep import Swept, sweep
from tests.support.require import docker_daemon

__all__ = ["attack_table"]


def attack_table(swept: Swept) -> str:
    """Return a line for each model: the attack, what became of it, what is left on the host."""
    rows = []
    does = {attack.name: attack.does for attack in ATTACKS}
    for name in (*does, *HARMLESS):
        row = swept.row(name)
        verdict = row["verdict"] + (f" at {row['stage']}" if row["stage"] else "")
        code = row["reason"]["code"] if row["reason"] else "-"
        refused, reached = (len(swept.tried(name, how)) for how in ("refused", "done"))
        tried = f"{refused} refused, {reached} done" if refused or reached else ""
        rows.append((name, does.get(name, "nothing"), verdict, code, tried, swept.size(name)))
    headers = ("attack", "what it does", "verdict", "code", "tried", "results, bytes")
    table = tabulate(rows, headers=headers)
    left = "; ".join(f"{kind}: {', '.join(found) or 'none'}" for kind, found in swept.left.items())
    return printable(
        f"{table}\n\nexit status {swept.done.returncode}, {swept.seconds:.0f} s"
        f"\nleft on this machine: {left}\nreached a listener: {', '.join(swept.hits) or 'nothing'}"
        f"\nthe host's file: {swept.marker.read_text()}"
    )


def main() -> None:
    """Sweep and print."""
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(attack_table(sweep(docker_daemon(), Path(folder))) + "\n")


if __name__ == "__main__":
    main()
