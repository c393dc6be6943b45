"""An image from a lock: its recipe, the builders, and what a build prints."""
