"""The sweep: every cell of a plan once, each observation saved as soon as it is whole."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, wait

from harness.cell import Cell
from harness.errors import InterruptedSweepError
from harness.plan.plan import PlannedCell
from harness.sweep.group import Sweep, run_group

__all__ = ["run_sweep"]


def run_sweep(sweep: Sweep, executor: Executor) -> None:
    """Run every cell that can run; returns when all are observed.

    Raises:
        InterruptedSweepError: the user stopped it; what was observed is kept.
        ResultsError: an observation cannot be written; what was observed is kept.
    """
    groups = tuple(_groups(sweep.plan.cells))
    sweep.display.start(sum(len(group) for group in groups))
    futures: list[Future[None]] = []
    try:
        futures.extend(executor.submit(run_group, sweep, group) for group in groups)
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    except KeyboardInterrupt:
        _stop(sweep, futures)
        raise InterruptedSweepError(
            "stopped; everything observed so far is kept.\n"
            "  Run the same command again: it goes on where it stopped."
        ) from None
    except BaseException:
        _stop(sweep, futures)
        raise


def _groups(cells: Sequence[PlannedCell]) -> Iterator[tuple[Cell, ...]]:
    """Gather the cells that can run by the environment they share, in the plan's order."""
    groups: dict[str, list[Cell]] = defaultdict(list)
    for planned in cells:
        if planned.unavailable is None:
            groups[planned.cell.environment_id].append(planned.cell)
    return (tuple(group) for group in groups.values())


def _stop(sweep: Sweep, futures: Sequence[Future[None]]) -> None:
    """End what is in flight and wait until nothing is left running."""
    sweep.stopping.set()
    for future in futures:
        future.cancel()
    sweep.engine.stop()
    while not all(future.done() for future in futures):
        time.sleep(0.2)
        sweep.engine.stop()
