"""A cell to a lock, and a lock to an environment that a probe can be run in."""
