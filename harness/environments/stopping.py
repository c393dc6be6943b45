"""What becomes of work that the user stopped, the same in every engine."""

from __future__ import annotations

from harness.environments.engine import CellFailure, RunOutcome
from harness.observation import Ending, Stage

__all__ = ["stopped_build", "stopped_run"]


def stopped_build() -> CellFailure:
    """Return what becomes of a build that the user stopped."""
    return CellFailure(
        stage=Stage.BUILD, ending=Ending.INFRASTRUCTURE, type="Stopped", message="stopped"
    )


def stopped_run() -> RunOutcome:
    """Return what becomes of a run that the user stopped."""
    return RunOutcome(ending=Ending.INFRASTRUCTURE, message="stopped")
