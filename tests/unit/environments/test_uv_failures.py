# ruff: noqa: E501 - the lines are uv's
"""Outputs of uv 0.13.8, collected from an index that failed in each of these ways."""

from __future__ import annotations

import pytest

from harness.environments.process import Completed
from harness.environments.uv_failures import RETRIED, classify
from harness.observation import Ending, Stage

NO_VERSION = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of six==99 and you require six==99, we can conclude that your requirements are unsatisfiable.
"""
CONFLICT = """\
error: No solution found when resolving dependencies
  cause: Because you require numpy==1.24.0 and numpy==1.25.0, we can conclude that your requirements are unsatisfiable.
"""
UNKNOWN_PACKAGE = """\
error: No solution found when resolving dependencies
  cause: Because no-such was not found in the package registry and you require no-such==1, we can conclude that your requirements are unsatisfiable.
"""
UNLISTED = UNKNOWN_PACKAGE.replace("no-such", "tensorflow-cpu")
UNAUTHORISED = (
    UNKNOWN_PACKAGE
    + "\nhint: An index URL (http://example.invalid/simple) could not be queried due to a lack of valid authentication credentials (401 Unauthorized)\n"
)
FORBIDDEN = (
    UNKNOWN_PACKAGE
    + "\nhint: An index (http://example.invalid/simple) returned a 403 Forbidden error. Check that the index URL is correct and the credentials are valid.\n"
)
OFFLINE = """\
error: No solution found when resolving dependencies
  cause: Because attrs was not found in the cache and you require attrs==21.1.0, we can conclude that your requirements are unsatisfiable.

hint: Packages were unavailable because the network was disabled. When the network is disabled, registry packages may only be read from the cache.
"""
REFUSED = """\
error: Request failed after 3 retries in 6.2s
  cause: Failed to fetch: http://user:secret@example.invalid/simple/six/
  cause: error sending request for url (http://user:secret@example.invalid/simple/six/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""
NO_NAME = """\
error: Request failed after 3 retries in 10.0s
  cause: Failed to fetch: https://example.invalid/simple/six/
  cause: client error (Connect)
  cause: dns error
  cause: failed to lookup address information: Name or service not known
"""
SERVER_ERROR = """\
error: Request failed after 1 retry in 1.0s
  cause: Failed to fetch: http://example.invalid/simple/good/
  cause: HTTP status server error (503 Service Unavailable) for url (http://example.invalid/simple/good/)
"""
CUT_SHORT = """\
error: Failed to download `good==1.0`
  cause: Failed to write to the distribution cache
  cause: error decoding response body
  cause: request or response body error
  cause: error reading a body from connection
  cause: end of file before message length reached
"""
DAMAGED = """\
error: No solution found when resolving dependencies
  cause: Because good==1.0 has an invalid package format and only good==1.0 is available, we can conclude that all versions of good cannot be used.
         And because you require good, we can conclude that your requirements are unsatisfiable.

hint: The structure of `good` (v1.0) was invalid:
  Bad CRC (got a385c52c, expected 0cc8ef72) for file: good-1.0.dist-info/METADATA
"""
HASH_MISMATCH = """\
error: Failed to download `good==1.0`
  cause: Hash mismatch for `good==1.0`

         Expected:
           sha256:0000

         Computed:
           sha256:3e21
"""
NO_DATES = """\
warning: `good-1.0-py3-none-any.whl` is missing an upload date, but user provided: 2024-01-02T00:00:00Z
error: No solution found when resolving dependencies
  cause: Because there are no versions of good and you require good, we can conclude that your requirements are unsatisfiable.
"""
BUILD = """\
error: Failed to build `bad==1.0`
  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)

         [stderr]
         boom: no compiler

hint: Build failures usually indicate a problem with the package or the build environment
"""
BUILD_WITHOUT_NETWORK = BUILD.replace(
    "boom: no compiler", "urllib.error.URLError: <urlopen error [Errno 111] Connection refused>"
)
DISK_FULL = """\
error: Failed to download `good==1.0`
  cause: Failed to write to the distribution cache
  cause: No space left on device (os error 28)
"""
NO_WHEEL = """\
error: No solution found when resolving dependencies
  cause: Because gast==0.2.2 has no usable wheels and tensorflow==1.15.5 depends on gast==0.2.2, we can conclude that tensorflow==1.15.5 cannot be used.

hint: Wheels are required for `gast` because building from source is disabled for all packages (i.e., with `--no-build`)
"""
UNHEARD_OF = "thread 'main' panicked at src/main.rs\n"

INFRASTRUCTURE = Ending.INFRASTRUCTURE


@pytest.mark.parametrize(
    ("stderr", "ending", "kind"),
    [
        (NO_VERSION, Ending.EXCEPTION, "NoSolution"),
        (CONFLICT, Ending.EXCEPTION, "NoSolution"),
        (UNKNOWN_PACKAGE, Ending.EXCEPTION, "NoSolution"),
        (NO_WHEEL, Ending.EXCEPTION, "NoSolution"),
        (BUILD, Ending.EXCEPTION, "BuildFailed"),
        (UNLISTED, INFRASTRUCTURE, "IndexUnavailable"),
        (UNAUTHORISED, INFRASTRUCTURE, "IndexUnavailable"),
        (FORBIDDEN, INFRASTRUCTURE, "IndexUnavailable"),
        (OFFLINE, INFRASTRUCTURE, "IndexUnavailable"),
        (REFUSED, INFRASTRUCTURE, "IndexUnavailable"),
        (NO_NAME, INFRASTRUCTURE, "IndexUnavailable"),
        (SERVER_ERROR, INFRASTRUCTURE, "IndexUnavailable"),
        (CUT_SHORT, INFRASTRUCTURE, "IndexUnavailable"),
        (BUILD_WITHOUT_NETWORK, INFRASTRUCTURE, "IndexUnavailable"),
        (DAMAGED, INFRASTRUCTURE, "DamagedDownload"),
        (HASH_MISMATCH, INFRASTRUCTURE, "DamagedDownload"),
        (NO_DATES, INFRASTRUCTURE, "IndexHasNoDates"),
        (DISK_FULL, INFRASTRUCTURE, "DiskFull"),
        (UNHEARD_OF, INFRASTRUCTURE, "ResolverError"),
        ("", INFRASTRUCTURE, "ResolverError"),
    ],
)
def test_what_a_failed_resolution_means(stderr: str, ending: Ending, kind: str) -> None:
    failure = classify(Stage.RESOLVE, Completed(1, "", stderr), distribution="tensorflow-cpu")
    assert (failure.stage, failure.ending, failure.type) == (Stage.RESOLVE, ending, kind)


def test_what_cannot_be_built_for_want_of_an_interpreter_is_skipped() -> None:
    failure = classify(
        Stage.RESOLVE, Completed(1, "", NO_WHEEL), distribution="tensorflow", native=False
    )
    assert (failure.ending, failure.type) == (Ending.SKIPPED, "NoInterpreter")


def test_a_lock_the_index_cannot_serve_is_infrastructure() -> None:
    failure = classify(Stage.BUILD, Completed(1, "", UNKNOWN_PACKAGE), distribution="tensorflow")
    assert (failure.stage, failure.ending) == (Stage.BUILD, INFRASTRUCTURE)
    assert failure.type == "NotOnIndex"


@pytest.mark.parametrize(
    ("completed", "kind", "message"),
    [
        (Completed(-9, "", NO_VERSION), "Stopped", "uv was ended by SIGKILL."),
        (Completed(-9, "", "", True), "ResolverTimeout", "uv took too long and was ended."),
    ],
)
def test_uv_that_was_ended_says_nothing(completed: Completed, kind: str, message: str) -> None:
    failure = classify(Stage.RESOLVE, completed, distribution="tensorflow")
    assert (failure.ending, failure.type) == (INFRASTRUCTURE, kind)
    assert failure.message.startswith(message)
    assert failure.type not in RETRIED


def test_the_message_is_what_uv_said() -> None:
    failure = classify(Stage.RESOLVE, Completed(1, "", NO_VERSION), distribution="tensorflow")
    assert failure.message == (
        "No solution found when resolving dependencies\n"
        "  cause: Because there is no version of six==99 and you require six==99, we can conclude"
        " that your requirements are unsatisfiable."
    )
    assert failure.log == NO_VERSION


def test_a_long_message_keeps_its_ends() -> None:
    lines = [f"line {number}" for number in range(100)]
    stderr = "warning: before\nerror: Failed to build `bad`\n" + "\n".join(lines)
    failure = classify(Stage.RESOLVE, Completed(1, "", stderr), distribution="tensorflow")
    kept = failure.message.split("\n")
    assert kept[:4] == ["Failed to build `bad`", "line 0", "line 1", "[...]"]
    assert kept[-1] == "line 99"
    assert len(kept) == 12
    assert "line 50" in failure.log


def test_credentials_are_never_kept() -> None:
    failure = classify(Stage.RESOLVE, Completed(2, "", REFUSED), distribution="tensorflow")
    assert "secret" not in failure.model_dump_json()
    assert "http://example.invalid/simple/six/" in failure.message


def test_an_index_without_dates_comes_with_advice() -> None:
    failure = classify(Stage.RESOLVE, Completed(1, "", NO_DATES), distribution="tensorflow")
    assert failure.message.startswith(
        "The package index gives no upload dates, so nothing can be resolved as of a release. "
        "Use an index that gives them (`upload-time`, PEP 700), or `resolution: [today]`.\n"
    )
