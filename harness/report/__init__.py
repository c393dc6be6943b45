"""Everything a person or a machine reads. Returns text."""
