"""The fixed inference script; it runs inside environments and imports nothing of the harness."""
