"""`results/`: layout, schema, atomic writes, loading."""
