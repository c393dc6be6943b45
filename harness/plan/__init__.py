"""`matrix.yaml` and the package index to an ordered plan of cells."""
