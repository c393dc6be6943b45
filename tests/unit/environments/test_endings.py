from __future__ import annotations

import pytest

from harness.environments.endings import ending_of, signal_name
from harness.observation import Ending


@pytest.mark.parametrize(
    ("status", "ending", "exit_status", "signal"),
    [
        (0, Ending.COMPLETED, 0, None),
        (1, Ending.EXIT, 1, None),
        (255, Ending.EXIT, 255, None),
        (-6, Ending.SIGNAL, 134, "SIGABRT"),
        (134, Ending.SIGNAL, 134, "SIGABRT"),
        (-11, Ending.SIGNAL, 139, "SIGSEGV"),
        (132, Ending.SIGNAL, 132, "SIGILL"),
        (-9, Ending.INFRASTRUCTURE, 137, "SIGKILL"),
        (143, Ending.INFRASTRUCTURE, 143, "SIGTERM"),
    ],
)
def test_what_a_status_says(
    status: int, ending: Ending, exit_status: int, signal: str | None
) -> None:
    outcome = ending_of(status)
    assert (outcome.ending, outcome.exit_status, outcome.signal) == (ending, exit_status, signal)


def test_a_signal_from_outside_is_explained() -> None:
    assert ending_of(-9).message == (
        "ended from outside by SIGKILL, as a machine does that is out of memory"
    )


@pytest.mark.parametrize("status", [0, 1, 127, 128, 255])
def test_statuses_without_a_signal(status: int) -> None:
    assert signal_name(status) is None
