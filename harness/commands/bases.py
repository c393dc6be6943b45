"""`harness bases`: what images stand on, by digest, and renewing the digests."""

from __future__ import annotations

import argparse

from harness.environments.docker.bases.listing import find_bases, list_bases
from harness.environments.docker.bases.refresh import refresh_bases
from harness.output import shown, width, write
from harness.report.bases import render_bases, render_refreshed

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Print the bases, or what renewing their digests changed."""
    bases = find_bases(options.base)
    if options.refresh:
        refreshed = refresh_bases(bases.registry, bases.pinned)
        write(render_refreshed(refreshed, file=shown(bases.pinned.file), width=width()))
    else:
        write(render_bases(list_bases(bases), width=width()))
    return 0
