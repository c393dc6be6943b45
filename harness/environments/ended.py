"""`ended.json`: what the probe's parent says of how an attempt ended, read as hostile input."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.environments.endings import ending_of
from harness.environments.engine import RunOutcome
from harness.observation import Ending
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["Ended", "outcome_of", "parse_ended", "read_ended"]

_MOST_BYTES = 4096


class Ended(BaseModel):
    """How one attempt ended: by a status or by a signal."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    schema_: Literal[1] = Field(alias="schema")
    status: Annotated[int, Field(ge=0, le=255)] | None
    signal: Annotated[str, Field(pattern=r"^SIG[A-Z0-9]{1,12}$")] | None
    seconds: Annotated[float, Field(ge=0)]
    oom_kills: Annotated[int, Field(ge=0)] | None = None
    """Processes of the same control group that were killed for want of memory meanwhile."""

    @property
    def crashed(self) -> bool:
        """Whether it ended otherwise than a probe does, which has the statuses 0 and 1."""
        return self.status not in (0, 1)


def read_ended(path: Path) -> Ended | None:
    """Return what the file says; None where there is none, or nothing of the kind."""
    try:
        with open_regular(path) as stream:
            return parse_ended(stream.read(_MOST_BYTES + 1))
    except (OSError, UntrustedFileError):
        return None


def parse_ended(data: bytes) -> Ended | None:
    """Return what the content of `ended.json` says; None where it is nothing of the kind.

    A longer file is none, so that its first 4097 bytes are enough.
    """
    try:
        return Ended.model_validate_json(data) if len(data) <= _MOST_BYTES else None
    except ValidationError:
        return None


def outcome_of(ended: Ended) -> RunOutcome:
    """Return the outcome of an attempt that nothing but itself ended."""
    if ended.signal is not None:
        number = signal.Signals.__members__.get(ended.signal)
        if number is not None:
            return ending_of(-number)
        message = f"ended from outside by {ended.signal}"
        return RunOutcome(ending=Ending.INFRASTRUCTURE, signal=ended.signal, message=message)
    if ended.status == 0:
        return RunOutcome(ending=Ending.COMPLETED, exit_status=0)
    return RunOutcome(ending=Ending.EXIT, exit_status=ended.status)
