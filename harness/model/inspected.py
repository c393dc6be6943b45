"""What a reader of one format found in a model's files."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.model import Signature, Writer

__all__ = ["Inspected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """Facts of a model, read without running anything."""

    writer: Writer
    signatures: tuple[Signature, ...] = ()
    """Empty where the files do not tell."""
    notes: tuple[str, ...] = ()
