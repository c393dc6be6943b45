"""What several commands have in common."""

from __future__ import annotations

from pathlib import Path

from harness.output import colored, shown, width
from harness.report.machine import render_json
from harness.report.markdown import render_markdown
from harness.report.table import Table
from harness.report.terminal import render_terminal

__all__ = ["engines", "rendered"]


def engines(wanted: str) -> tuple[str, ...]:
    """Return the engines that `--engine` means to a command that looks after what is kept."""
    return ("docker", "venv") if wanted == "auto" else (wanted,)


def rendered(folder: Path, table: Table, form: str) -> str:
    """Return `table`, whose sweep is in `folder`, as `table`, `markdown` or `json`."""
    if form == "markdown":
        return render_markdown(table)
    if form == "json":
        return render_json(table)
    return render_terminal(table, width=width(), color=colored(), folder=shown(folder))
