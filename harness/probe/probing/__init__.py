"""The parts of the probe; only `probe.py` beside this folder imports them."""
