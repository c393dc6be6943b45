"""Runs in containers: what a run may do, what it sees, and how it ended."""
