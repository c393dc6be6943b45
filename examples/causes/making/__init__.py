"""What `make.py` runs: one module for each family of causes."""
