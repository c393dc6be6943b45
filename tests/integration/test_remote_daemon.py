"""A daemon that does not see this machine's files: the tests run where it cannot see any of them.

`remote_cases.py` holds them. They run in a mount namespace of their own, with everything the
harness is given and writes in a file system in memory that the daemon does not have: so it is too
where the harness runs in a container with the daemon's socket, or the daemon on another machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.require import docker_daemon, missing
from tests.support.servers import port_proxy

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "remote_cases.py"
SOCKET = Path("/var/run/docker.sock")

_MAIN = (
    "isolates",
    "a_run_that_completes",
    "a_hang_is_a_timeout",
    "a_crash_is_a_signal and SIGSEGV",
    "too_much_output and file",
    "hostile_comes_back",
    "goes_away",
    "changed_model",
    "leaves_no_volume",
)
"""Tests that run each time; by hand, the file can be run whole."""
_OVER_TCP = ("isolates", "attempts_share_a_start")

_HIDE = """
mount -t tmpfs -o size=256m tmpfs "$0" && mkdir -m 1777 "$0/tmp" && export TMPDIR="$0/tmp" \
&& exec "$@"
"""


def hidden(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command that sees files in `folder`, also temporary ones, that nobody else sees."""
    return subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", _HIDE, folder, *command],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder to hide; its path is short, because sockets are made below it."""
    docker_daemon()
    if not SOCKET.exists() or "DOCKER_HOST" in os.environ:
        pytest.skip("the daemon does not listen where this test can stand between")
    made = Path(tempfile.mkdtemp(prefix="hidden-"))
    try:
        tried = hidden(made, "true")
        if tried.returncode != 0:
            missing("namespaces", f"no mount namespace can be made here: {tried.stderr.strip()}")
        yield made
    finally:
        made.rmdir()


def run_cases(folder: Path, chosen: tuple[str, ...], **variables: str) -> None:
    wanted = " or ".join(f"({each})" for each in chosen)
    options = ["-p", "no:cacheprovider", "-q", "--basetemp", str(folder / "base"), "-k", wanted]
    # The docker package forgets to close a connection that the other side has closed.
    options += ["-W", "ignore::pytest.PytestUnraisableExceptionWarning"]
    ran = hidden(folder, sys.executable, "-m", "pytest", str(CASES), *options, **variables)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(chosen)} passed" in ran.stdout


def test_the_engine_does_the_same_unseen(folder: Path) -> None:
    run_cases(folder, _MAIN)


def test_it_does_so_over_tcp(folder: Path) -> None:
    with port_proxy(str(SOCKET)) as port:
        run_cases(folder, _OVER_TCP, DOCKER_HOST=f"tcp://127.0.0.1:{port}")


def test_a_context_of_the_docker_command_line_is_followed(tmp_path: Path) -> None:
    docker_daemon()
    if not SOCKET.exists() or "DOCKER_HOST" in os.environ:
        pytest.skip("the daemon does not listen where this test can stand between")
    environment = os.environ | {"DOCKER_CONFIG": str(tmp_path)}
    ask = (
        "import json; from harness.environments.docker.daemon import find_daemon as f; d = f();"
        " print(json.dumps(d if isinstance(d, str) else d.client.api.base_url))"
    )

    def asked() -> str:
        ran = subprocess.run(
            [sys.executable, "-c", ask],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        said: str = json.loads(ran.stdout)
        return said

    def docker(*words: str) -> None:
        subprocess.run(
            ["docker", "context", *words], env=environment, capture_output=True, check=True
        )

    with port_proxy(str(SOCKET)) as port:
        docker("create", "other", "--docker", f"host=tcp://127.0.0.1:{port}")
        assert asked() == "http+docker://localhost"
        docker("use", "other")
        assert asked() == f"http://127.0.0.1:{port}"
    assert "refused" in asked().lower()
