"""Verdicts to reasons, by records of known failures."""
