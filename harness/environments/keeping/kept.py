"""Values: what the harness keeps on this machine, and which of it is to be removed."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import ConfigDict, Field

from harness.cell import Value

__all__ = ["EVERYTHING", "Inventory", "Kept", "Kind", "Selection"]


class Kind(StrEnum):
    """What is kept."""

    ENVIRONMENT = "environment"
    BASE = "base"
    INSTALLER = "installer"
    """What environments are installed with: an image that holds nothing but uv."""
    VOLUME = "volume"
    WHEELS = "packages"
    """Packages that were downloaded, for environments to come."""
    BUILD_CACHE = "build cache"
    """Steps of builds, kept so that the same ones need not be made again."""
    INTERPRETER = "interpreters"


class Kept(Value):
    """One thing that is kept."""

    kind: Kind
    name: str
    """Image tag, path, or the name of a volume."""
    cell: str | None = None
    """Id of the cell without flags, of an environment; None where that was not noted."""
    size_bytes: int | None = None
    """What it takes, what it shares with others included; None where it cannot be learnt."""
    shared_bytes: int = 0
    """Of that, what others have too."""
    created: datetime | None = None
    last_used: datetime | None = None
    """When a sweep last used it, as far as is noted."""
    sweeps: tuple[str, ...] = ()
    """The last sweeps that used it, `model/sweep id`, the newest first."""
    unused: bool = False
    """Whether the last sweep of no model used it, as far as is noted."""
    in_use: str | None = None
    """Who uses it now: then it stays. None: nobody."""
    ours: bool = True
    """False where it is only used, and not the harness's to remove: a base from a registry."""

    @property
    def since(self) -> datetime | None:
        """When it was last used, or made if no use is noted."""
        return self.last_used or self.created


class Inventory(Value):
    """Everything an engine keeps."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    engine: Literal["docker", "venv"]
    place: str
    """Where it all lies."""
    items: tuple[Kept, ...]
    total_bytes: int
    """What it takes together, shared bytes counted once, without what is not ours."""
    not_ours_bytes: int = 0
    """What the items that are not ours take, shared bytes counted once."""
    free_bytes: int | None = None
    """What is left there; None where that cannot be known."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class Selection(Value):
    """Which of it `harness clean` is asked to remove; what is given must hold together."""

    unused: bool = False
    """Only what the last sweep of no model used."""
    older_than: timedelta | None = None
    """Only what was last used, or made if no use is noted, longer ago."""
    dry_run: bool = False
    """Only say what would go."""

    @property
    def everything(self) -> bool:
        """Whether all that the harness made is to go, what is kept beside the items too."""
        return not self.unused and self.older_than is None

    def takes(self, item: Kept, now: datetime) -> bool:
        """Tell whether `item` is to be removed."""
        if not item.ours:
            return False
        if self.unused and not item.unused:
            return False
        if self.older_than is None:
            return True
        return item.since is not None and now - item.since > self.older_than


EVERYTHING = Selection()
