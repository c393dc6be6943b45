"""What a source of bases is."""

from __future__ import annotations

from typing import Protocol

from harness.environments.engine import CellFailure, Progress
from harness.observation import Base

__all__ = ["Source"]


class Source(Protocol):
    """Somewhere bases come from. Each method may raise those of `DOCKER_ERRORS`."""

    @property
    def name(self) -> str:
        """As `Options.base` names it."""

    def describe(self) -> str:
        """Return a few words: what its bases are."""

    def preview(self, python: str) -> Base | str:
        """Return the base `python` (`X.Y`) would get, or why it gets none.

        Nothing is downloaded or made: what has to be made first has no digest yet.
        """

    def get(self, python: str, progress: Progress) -> Base | CellFailure:
        """Return the base of `python`, which `preview` has, pulled or made if it is not there."""
