"""In which environments a TensorFlow model loads and gives the same numbers."""

__version__ = "0.1.0"
