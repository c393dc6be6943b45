"""What the harness keeps in Docker: a list of it, and its share of the disk."""
