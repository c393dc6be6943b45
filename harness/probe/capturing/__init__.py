"""What a capture script does beside the probe's own work."""
