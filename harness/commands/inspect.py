"""`harness inspect`: what a model is, without TensorFlow."""

from __future__ import annotations

import argparse

from harness.model.inspection import inspect_model
from harness.output import width, write
from harness.report.inspection import render_inspection, render_inspection_json

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Print what the files say."""
    inspection = inspect_model(options.model_dir)
    if options.format == "json":
        write(render_inspection_json(inspection))
    else:
        write(render_inspection(inspection, width=width()))
    return 0
