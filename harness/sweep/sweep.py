"""The sweep: every task once, each observation saved as soon as it is whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, wait

from harness.errors import InterruptedSweepError
from harness.sweep.group import run_group
from harness.sweep.work import Sweep, Task, by_environment

__all__ = ["run_sweep"]


def run_sweep(sweep: Sweep, tasks: Sequence[Task], executor: Executor) -> None:
    """Do every task; returns when all are observed.

    Raises:
        InterruptedSweepError: the user stopped it; what was observed is kept.
        ResultsError: an observation cannot be written; what was observed is kept.
    """
    sweep.display.start(len(tasks))
    futures: list[Future[None]] = []
    try:
        futures.extend(executor.submit(run_group, sweep, group) for group in by_environment(tasks))
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


def _stop(sweep: Sweep, futures: Sequence[Future[None]]) -> None:
    """End what is in flight and wait until nothing is left running."""
    sweep.stopping.set()
    for future in futures:
        future.cancel()
    sweep.engine.stop()
    while not all(future.done() for future in futures):
        time.sleep(0.2)
        sweep.engine.stop()
