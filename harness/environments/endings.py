"""What an exit status says of how a process ended."""

from __future__ import annotations

import signal

from harness.environments.engine import RunOutcome
from harness.observation import Ending

__all__ = ["ending_of", "signal_name"]

_SHELL_OFFSET = 128
# Signals a process causes by what it computes, or raises against itself. Others come from outside.
_OWN = frozenset({"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP"})


def signal_name(status: int) -> str | None:
    """Return the signal that ended a process, such as `SIGSEGV`.

    Python's negative statuses and the 128+n of shells and containers say the same.
    """
    number = -status if status < 0 else status - _SHELL_OFFSET
    try:
        return signal.Signals(number).name
    except ValueError:
        return None


def ending_of(status: int) -> RunOutcome:
    """Return the outcome of a run that nothing but itself ended, judged by its status alone.

    A signal's exit status is 128+n in it, however it came in. A signal that only comes from
    outside, such as the SIGKILL of a machine out of memory, is infrastructure: it says nothing
    about the model.
    """
    name = signal_name(status)
    if status == 0:
        return RunOutcome(ending=Ending.COMPLETED, exit_status=0)
    if name is None:
        return RunOutcome(ending=Ending.EXIT, exit_status=status)
    normalised = _SHELL_OFFSET - status if status < 0 else status
    if name in _OWN:
        return RunOutcome(ending=Ending.SIGNAL, exit_status=normalised, signal=name)
    return RunOutcome(
        ending=Ending.INFRASTRUCTURE,
        exit_status=normalised,
        signal=name,
        message=f"ended from outside by {name}, as a machine does that is out of memory",
    )
