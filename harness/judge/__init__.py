"""Observations and a reference to verdicts. Pure numpy."""
