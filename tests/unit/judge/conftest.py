"""Numerics are tested by properties; how long an example takes says nothing about them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("harness", deadline=None)
settings.load_profile("harness")
