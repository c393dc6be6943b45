from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import docker
import pytest
import requests
from docker.errors import APIError, DockerException, NotFound

from harness.environments.docker.bases import debian, slices
from harness.environments.docker.bases.archive import write_archive
from harness.environments.docker.bases.choose import Bases
from harness.environments.docker.bases.host_slice import obstacle
from harness.environments.docker.daemon import Daemon, explain, find_image, import_archive
from harness.environments.engine import CellFailure
from harness.environments.interpreters import Interpreter
from harness.environments.options import BaseSource
from harness.observation import Base, Ending
from tests.support.bases import NOT_PINNED, NOTHING, FakeImages, daemon, pinned_bases, refused

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
SILENT = APIError("500 Server Error", explanation="dial tcp: no such host")


@pytest.fixture(autouse=True)
def _nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_BASES", raising=False)
    monkeypatch.setattr(slices, "movable_interpreter", lambda python: None)
    monkeypatch.setattr(slices, "provide_interpreter", lambda python: f"no CPython {python} here")
    monkeypatch.setattr(debian.Machine, "this", classmethod(lambda cls: NOTHING))


def silent(phrase: str) -> None:
    """A progress nobody sees."""


def bases_of(images: FakeImages, wanted: BaseSource = "auto", *, prefix: str = "") -> Bases:
    """Bases of which none is pinned."""
    return Bases(daemon(images), wanted, prefix=prefix, pinned=NOT_PINNED)


def test_a_registry_comes_first_and_is_pinned_by_digest() -> None:
    images = FakeImages(DIGEST, {"python:3.11-slim": {}})
    found = bases_of(images).get("3.11", silent)
    assert found == Base(kind="registry", reference=f"python:3.11-slim@{DIGEST}", digest=DIGEST)
    assert images.pulled == [f"python@{DIGEST}"]


def test_what_is_pinned_is_asked_for_by_digest() -> None:
    images = FakeImages(DIGEST)
    pinned = pinned_bases({"3.11": f"python:3.11-slim-bookworm@{DIGEST}"})
    found = Bases(daemon(images), prefix="", pinned=pinned).get("3.11", silent)
    reference = f"python:3.11-slim-bookworm@{DIGEST}"
    assert found == Base(kind="registry", reference=reference, digest=DIGEST)
    assert images.asked == [reference]
    assert images.pulled == [f"python@{DIGEST}"]


def test_what_is_pinned_and_here_is_not_asked_for() -> None:
    reference = f"python:3.11-slim-bookworm@{DIGEST}"
    images = FakeImages(SILENT, {reference: {}})
    looked = Bases(daemon(images), prefix="", pinned=pinned_bases({"3.11": reference}))
    found = looked.get("3.11", silent)
    assert found == Base(kind="registry", reference=reference, digest=DIGEST)
    assert (images.asked, images.pulled) == ([], [])


def test_a_pinned_digest_that_is_gone_is_replaced_by_the_tag_and_it_is_said() -> None:
    class Moved(FakeImages):
        def answer(self, name: str) -> object:
            return NotFound("manifest unknown") if "@" in name else OTHER

    images = Moved(None)
    pinned = pinned_bases({"3.11": f"python:3.11-slim-bookworm@{DIGEST}"})
    looked = Bases(daemon(images), prefix="", pinned=pinned)
    said: list[str] = []
    found = looked.get("3.11", said.append)
    note = (
        "the registry no longer has python:3.11-slim-bookworm as it is pinned"
        " (sha256:abababababab); taken as it is now (sha256:cdcdcdcdcdcd)"
    )
    assert found == Base(
        kind="registry", reference=f"python:3.11-slim-bookworm@{OTHER}", digest=OTHER, note=note
    )
    assert said == [note, "downloading python:3.11-slim-bookworm"]
    assert looked.describe() == f"bases python:X.Y-slim from a registry, by digest; {note}"


def test_a_pinned_digest_of_another_machine_is_replaced_by_the_tag_and_it_is_said() -> None:
    class Elsewhere(FakeImages):
        def answer(self, name: str) -> object:
            return DIGEST if "@" in name else OTHER

        def platforms(self, name: str) -> list[dict[str, str]]:
            return [{"architecture": "arm64" if "@" in name else "amd64", "os": "linux"}]

    pinned = pinned_bases({"3.11": f"python:3.11-slim-bookworm@{DIGEST}"})
    found = Bases(daemon(Elsewhere(None)), prefix="", pinned=pinned).get("3.11", silent)
    assert isinstance(found, Base)
    assert found.digest == OTHER
    assert found.note == (
        "the registry has for other machines only python:3.11-slim-bookworm as it is pinned"
        " (sha256:abababababab); taken as it is now (sha256:cdcdcdcdcdcd)"
    )


def test_a_registry_that_refuses_one_image_is_asked_for_others() -> None:
    images = FakeImages(refused("denied: requested access to the resource is denied"))
    looked = bases_of(images, "registry")
    assert looked.obstacle("3.11") == (
        "no base of source registry: the registry refuses python:3.11-slim"
        " (denied: requested access to the resource is denied)"
    )
    assert looked.obstacle("3.12") is not None
    assert images.asked == ["python:3.11-slim", "python:3.12-slim"]


@pytest.mark.parametrize(
    ("wanted", "why", "describes"),
    [
        (
            "registry",
            "no registry answers (dial tcp: no such host)",
            "bases pulled before from a registry (no registry answers (dial tcp: no such host))",
        ),
        (
            "local-image",
            "no local image python:3.11-slim",
            "bases python:X.Y-slim of this machine",
        ),
        ("host-slice", "no CPython 3.11 here", "bases made from this machine's interpreters"),
        (
            "debian",
            "neither mmdebstrap nor debootstrap is installed on this machine",
            "bases made of Debian's packages",
        ),
    ],
)
def test_a_source_that_was_named_is_the_only_one(
    wanted: BaseSource, why: str, describes: str
) -> None:
    looked = bases_of(FakeImages(SILENT), wanted)
    found = looked.get("3.11", silent)
    assert isinstance(found, CellFailure)
    assert (found.ending, found.type) == (Ending.SKIPPED, "NoBase")
    assert found.message == f"no base of source {wanted}: {why}"
    assert looked.describe() == describes


def test_an_image_of_this_machine_is_not_taken_where_a_registry_was_named() -> None:
    images = FakeImages(SILENT, {"python:3.11-slim": {}})
    assert bases_of(images, "registry").obstacle("3.11") is not None
    assert bases_of(images, "local-image").obstacle("3.11") is None
    assert images.asked == ["python:3.11-slim"]


def test_podman_says_no_digests() -> None:
    images = FakeImages(DIGEST)
    looked = Bases(daemon(images, podman=True), "registry", prefix="", pinned=NOT_PINNED)
    assert looked.obstacle("3.11") == (
        "no base of source registry: Podman does not say by which digest a registry has an image"
    )
    assert images.asked == []


def test_a_mirror_is_asked_instead() -> None:
    images = FakeImages(DIGEST)
    found = bases_of(images, prefix="mirror.example/library/").get("3.11", silent)
    assert images.asked == ["mirror.example/library/python:3.11-slim"]
    assert isinstance(found, Base)
    assert found.reference == f"mirror.example/library/python:3.11-slim@{DIGEST}"


def test_the_registry_is_asked_once_for_each_python() -> None:
    images = FakeImages(DIGEST)
    looked = bases_of(images)
    for python in ("3.11", "3.11", "3.12"):
        looked.get(python, silent)
    assert images.asked == ["python:3.11-slim", "python:3.12-slim"]


def test_a_registry_that_failed_is_not_asked_again() -> None:
    images = FakeImages(SILENT, {"python:3.11-slim": {}, "python:3.12-slim": {}})
    looked = bases_of(images)
    assert looked.get("3.11", silent) == Base(
        kind="local-image", reference="python:3.11-slim", digest="sha256:local"
    )
    assert isinstance(looked.get("3.12", silent), Base)
    assert images.asked == ["python:3.11-slim"]
    assert looked.describe() == (
        "bases made from this machine's interpreters (no registry answers)"
    )


def test_what_a_registry_answered_holds_while_it_does_not() -> None:
    bases_of(FakeImages(DIGEST)).get("3.11", silent)
    images = FakeImages(SILENT, {f"python:3.11-slim@{DIGEST}": {}, "python:3.11-slim": {}})
    looked = bases_of(images)
    assert looked.get("3.11", silent) == Base(
        kind="registry", reference=f"python:3.11-slim@{DIGEST}", digest=DIGEST
    )
    assert images.pulled == []
    assert looked.describe() == (
        "bases pulled before, else made from this machine's interpreters (no registry answers)"
    )
    elsewhere = bases_of(images, prefix="mirror.example/").get("3.11", silent)
    assert isinstance(elsewhere, CellFailure)


def test_a_base_that_was_removed_is_not_taken_for_pulled() -> None:
    bases_of(FakeImages(DIGEST)).get("3.11", silent)
    images = FakeImages(SILENT, {"python:3.11-slim": {}})
    found = bases_of(images).get("3.11", silent)
    assert isinstance(found, Base)
    assert found.kind == "local-image"


def test_an_image_of_ours_is_no_base_from_elsewhere() -> None:
    images = FakeImages(
        SILENT, {"python:3.11-slim": {"tensorflow-environment-matrix.role": "base"}}
    )
    found = bases_of(images).get("3.11", silent)
    assert isinstance(found, CellFailure)


def test_a_python_that_nothing_has_is_skipped_and_every_reason_is_said() -> None:
    images = FakeImages(NotFound("no such manifest"))
    looked = bases_of(images)
    found = looked.get("3.99", silent)
    assert isinstance(found, CellFailure)
    assert (found.ending, found.type) == (Ending.SKIPPED, "NoBase")
    assert (
        found.message
        == looked.obstacle("3.99")
        == (
            "the registry has no python:3.99-slim; no local image python:3.99-slim;"
            " no CPython 3.99 here; it is no Debian suite's own Python (bullseye has 3.9,"
            " bookworm has 3.11, trixie has 3.13, forky has 3.14)"
        )
    )


def test_without_a_registry_the_reason_says_so() -> None:
    looked = bases_of(FakeImages(SILENT))
    assert looked.obstacle("3.11") == (
        "no registry answers (dial tcp: no such host); no local image python:3.11-slim;"
        " no CPython 3.11 here; neither mmdebstrap nor debootstrap is installed on this machine"
    )


def test_with_a_registry_every_python_it_has_can_be_got() -> None:
    assert bases_of(FakeImages(DIGEST)).obstacle("3.6") is None


def test_a_pull_that_fails_is_infrastructure() -> None:
    class Broken(FakeImages):
        def pull(self, name: str) -> None:
            raise requests.exceptions.ConnectionError("connection reset")

    found = bases_of(Broken(DIGEST)).get("3.11", silent)
    assert isinstance(found, CellFailure)
    assert (found.ending, found.type) == (Ending.INFRASTRUCTURE, "DaemonUnavailable")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (APIError("x", explanation="write: no space left on device"), "DiskFull"),
        (OSError(28, "No space left on device"), "DiskFull"),
        (requests.exceptions.ConnectionError("aborted"), "DaemonUnavailable"),
        (requests.exceptions.ReadTimeout("read timed out"), "DaemonUnavailable"),
        (APIError("x", explanation="conflict"), "DockerError"),
        (APIError("x", explanation='could not select device driver ""'), "NoGpuRuntime"),
        (DockerException("anything"), "DockerError"),
        (PermissionError(13, "Permission denied"), "DockerError"),
    ],
)
def test_what_an_error_of_docker_means(error: Exception, kind: str) -> None:
    assert explain(error)[0] == kind
    assert "\n" not in explain(error)[1]


def test_an_image_that_is_not_there() -> None:
    assert find_image(daemon(FakeImages(SILENT)), "x:1") is None


def test_an_import_that_failed_after_status_200(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    answer = '{"status":"Loading"}\n{"errorDetail":{},"error":"no space left on device"}\n'
    api = SimpleNamespace(import_image_from_file=lambda *_, **__: answer)
    client = cast("docker.DockerClient", SimpleNamespace(api=api, images=FakeImages(SILENT)))
    broken = Daemon(client=client, hasty=client, version="1", machine="x86_64", cpus=2, security=())
    with pytest.raises(DockerException, match="no space left on device"):
        import_archive(broken, tmp_path / "a.tar", repository="r", tag="t", changes=())


def interpreter(**fields: object) -> Interpreter:
    values: dict[str, object] = {
        "path": Path("/p/bin/python3.11"),
        "python": "3.11",
        "version": "3.11.7",
        "prefix": Path("/p"),
        "machine": "x86_64",
        "source": "pyenv",
    }
    return Interpreter.model_validate(values | fields)


def test_what_cannot_become_a_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    assert obstacle(interpreter(), "aarch64") == (
        "CPython 3.11.7 (pyenv) is for x86_64, the Docker engine for aarch64"
    )
    system = interpreter(path=Path("/usr/bin/python3.11"), prefix=Path("/usr"), source="system")
    assert obstacle(system, "x86_64") == (
        "/usr/bin/python3.11 is spread over the system and cannot be moved"
    )
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert obstacle(interpreter(), "x86_64") == (
        "a base can be made from an interpreter only on Linux with glibc"
    )


def tree(folder: Path, names: list[str], mode: int) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
        (folder / name).chmod(mode)
    (folder / "tmp").mkdir(parents=True)
    (folder / "link").symlink_to("a")
    return folder


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    names = ["a", "b/c", "b/d"]
    one = tree(tmp_path / "one", names, 0o600)
    two = tree(tmp_path / "two", names[::-1], 0o664)
    digests = [
        write_archive(root, tmp_path / f"{root.name}.tar", mtime=315_532_800) for root in (one, two)
    ]
    assert digests[0] == digests[1]
    assert digests[0] == hashlib.sha256((tmp_path / "one.tar").read_bytes()).hexdigest()
    with tarfile.open(tmp_path / "one.tar") as archive:
        entries = {entry.name: (entry.mode, entry.uid, entry.mtime) for entry in archive}
    assert entries == {
        "a": (0o644, 0, 315_532_800),
        "b": (0o755, 0, 315_532_800),
        "b/c": (0o644, 0, 315_532_800),
        "b/d": (0o644, 0, 315_532_800),
        "link": (0o755, 0, 315_532_800),
        "tmp": (0o1777, 0, 315_532_800),
    }


def test_other_content_makes_another_archive(tmp_path: Path) -> None:
    one = tree(tmp_path / "one", ["a"], 0o644)
    first = write_archive(one, tmp_path / "1.tar", mtime=1)
    (one / "a").chmod(0o755)
    assert write_archive(one, tmp_path / "2.tar", mtime=1) != first
