"""Thin sessions over the `harness` command line and the checks; no logic."""

from __future__ import annotations

import sys

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")


def _groups(*names: str) -> list[str]:
    return nox.project.dependency_groups(PYPROJECT, *names)


def _harness(session: nox.Session, command: str) -> None:
    session.install("-e", ".", silent=True)
    try:
        # By default nox kills what takes longer than half a second to stop its containers.
        session.run("harness", command, *session.posargs, interrupt_timeout=60)
    except nox.command.CommandFailed as failed:
        # nox itself ends with 1 whatever failed; before 2026.7.11 it does not tell the code.
        sys.exit(getattr(failed, "return_code", None) or 1)


@nox.session
def matrix(session: nox.Session) -> None:
    """Run models in every environment of the matrix: nox -s matrix -- MODEL_DIR ..."""
    _harness(session, "matrix")


@nox.session
def cells(session: nox.Session) -> None:
    """List the cells of the matrix and what each would cost; run nothing."""
    _harness(session, "cells")


@nox.session
def inspect(session: nox.Session) -> None:
    """Tell what a model is, without TensorFlow: nox -s inspect -- MODEL_DIR."""
    _harness(session, "inspect")


@nox.session
def capture(session: nox.Session) -> None:
    """Write a script that records a model where it was made: nox -s capture -- MODEL_DIR."""
    _harness(session, "capture")


@nox.session
def report(session: nox.Session) -> None:
    """Judge and render a saved sweep again, offline."""
    _harness(session, "report")


@nox.session
def images(session: nox.Session) -> None:
    """List the images, environments and caches the harness keeps."""
    _harness(session, "images")


@nox.session
def bases(session: nox.Session) -> None:
    """List the base images of this machine; --refresh: pin them to what the registry has now."""
    _harness(session, "bases")


@nox.session
def clean(session: nox.Session) -> None:
    """Remove the images, environments and caches the harness made: nox -s clean -- --unused."""
    _harness(session, "clean")


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests: nox -s tests -- tests/unit for the quick ones."""
    session.install("-e", ".", *_groups("tests"), silent=True)
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install(*_groups("lint"), silent=True)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.install("-e", ".", *_groups("types"), silent=True)
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the harness against doing the same by hand, side by side."""
    session.install("-e", ".", silent=True)
    session.run("python", "benchmarks/run.py", *session.posargs)
