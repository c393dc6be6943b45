"""The images that environments are built on: where each comes from, and by which digest."""
