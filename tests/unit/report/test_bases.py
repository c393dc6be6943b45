"""How the bases of a machine and a refresh are shown."""

from __future__ import annotations

from harness.environments.docker.bases.listing import ListedBase
from harness.environments.docker.bases.refresh import Refreshed
from harness.report.bases import render_bases, render_refreshed

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32


def test_which_bases_there_are() -> None:
    silent = "no registry answers; no such image on this machine"
    bases = (
        ListedBase(
            wanted="Python 3.10",
            source="registry",
            reference="python:3.10-slim-bookworm",
            digest=DIGEST,
            remark="the registry no longer has it",
        ),
        ListedBase(wanted="Python 3.11", source="host-slice", reference="CPython 3.11.7 (pyenv)"),
        ListedBase(wanted="CUDA 10.0 with cuDNN 7.4", remark=silent),
        ListedBase(wanted="CUDA 11.2 with cuDNN 8.1", remark=silent),
    )
    assert render_bases(bases, width=90) == (
        "for                       source      base                       digest\n"
        "------------------------  ----------  -------------------------  -------------------\n"
        "Python 3.10               registry    python:3.10-slim-bookworm  sha256:abababababab\n"
        "Python 3.11               host-slice  CPython 3.11.7 (pyenv)     still to be made\n"
        "CUDA 10.0 with cuDNN 7.4  -           -                          -\n"
        "CUDA 11.2 with cuDNN 8.1  -           -                          -\n"
        "\n"
        "None for:\n"
        "- CUDA 10.0 with cuDNN 7.4, CUDA 11.2 with cuDNN 8.1: no registry answers; no such image\n"
        "  on this machine\n"
        "\n"
        "Notes:\n"
        "- Python 3.10: the registry no longer has it\n"
    )


def test_what_a_refresh_changed() -> None:
    images = (
        Refreshed(name="python:3.6-slim", old=None, new=OTHER),
        Refreshed(name="python:3.10-slim", old=DIGEST, new=OTHER),
        Refreshed(name="python:3.11-slim", old=OTHER, new=OTHER),
        Refreshed(name="nvidia/cuda:x", old=DIGEST, new=None, why="the registry has no x"),
    )
    assert render_refreshed(images, file="images/bases.yaml", width=100) == (
        f"python:3.6-slim: not pinned -> {OTHER}\n"
        f"python:3.10-slim: {DIGEST} -> {OTHER}\n"
        "\n"
        "Left as they were:\n"
        "- nvidia/cuda:x: the registry has no x\n"
        "\n"
        "images/bases.yaml: 2 digests changed, 1 as before, 1 not to be had.\n"
    )
    unchanged = render_refreshed(images[2:3], file="bases.yaml", width=100)
    assert unchanged == "bases.yaml: 0 digests changed, 1 as before, 0 not to be had.\n"
