"""Which saved sweep somebody means."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ResultsError, nearest
from harness.store.layout import SweepFolder

__all__ = ["find_sweep"]


def find_sweep(results: Path, wanted: str | None) -> SweepFolder:
    """Return the sweep that `wanted` names: a folder, `<model>` or `<model>/<sweep id>`.

    None is the newest of all.

    Raises:
        ResultsError: there is none.
    """
    if wanted is None:
        folders = {path.parent.resolve() for path in results.glob("*/*/sweep.json")}
        if not folders:
            raise ResultsError(
                f"{results}: no sweep here\n"
                "  Run `harness matrix MODEL_DIR` first, or name another place with --results DIR."
            )
        return SweepFolder(max(folders, key=lambda path: path.name))
    for path in (Path(wanted), results / wanted, results / wanted / "latest"):
        if (path / "sweep.json").is_file():
            return SweepFolder(path.resolve())
    there = sorted({path.parts[-3] for path in results.glob("*/*/sweep.json")})
    hint = nearest(wanted, there)
    raise ResultsError(
        f"{wanted}: no sweep of that name in {results}\n"
        "  allowed: a sweep's folder, <model>, or <model>/<sweep id>\n"
        f"  models with sweeps: {', '.join(there) or 'none'}"
        + (f"\n  hint: {hint}" if hint else "")
    )
