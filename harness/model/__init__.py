"""`model_dir` to a `Model`, without TensorFlow."""
