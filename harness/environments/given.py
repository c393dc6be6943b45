"""What the attempts of a run are given: each model and each set of files once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness.environments.engine import Attempt

__all__ = ["Given"]

_Files = frozenset[tuple[str, Path]]


@dataclass
class Given:
    """The models and files of attempts, each under the name of the first attempt that has it.

    The loaders of one model share it, so that a run over many models sees each of them once.
    """

    models: dict[str, Path] = field(default_factory=dict)
    """Attempt to model, without those whose model an earlier attempt has."""
    files: dict[str, dict[str, Path]] = field(default_factory=dict)
    """Attempt to files, without those whose files an earlier attempt has."""
    _model_of: dict[Path, str] = field(default_factory=dict)
    _files_of: dict[_Files, str] = field(default_factory=dict)

    @classmethod
    def of(cls, attempts: Iterable[Attempt]) -> Given:
        """Gather what the attempts are given."""
        given = cls()
        for attempt in attempts:
            if given._model_of.setdefault(attempt.model, attempt.name) == attempt.name:
                given.models[attempt.name] = attempt.model
            files = frozenset(attempt.files.items())
            if given._files_of.setdefault(files, attempt.name) == attempt.name:
                given.files[attempt.name] = attempt.files
        return given

    def model_of(self, attempt: Attempt) -> str:
        """Return the attempt under whose name the model of `attempt` is."""
        return self._model_of[attempt.model]

    def files_of(self, attempt: Attempt) -> str:
        """Return the attempt under whose name the files of `attempt` are."""
        return self._files_of[frozenset(attempt.files.items())]
