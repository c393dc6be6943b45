"""What goes to a daemon that does not see this machine's files, and what comes back."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker
import pytest
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from harness.environments.docker.daemon import Daemon
from harness.environments.docker.running import keeper as script
from harness.environments.docker.running.received import unpack
from harness.environments.docker.running.remote import Keeper, Looked, RemoteFolders
from harness.environments.docker.running.transfer import (
    archive,
    by_folder,
    content_digest,
    entries,
    text_entry,
)
from harness.environments.docker.sight import Sight
from harness.environments.written import MOST_DEPTH, MOST_ENTRIES
from harness.untrusted import UntrustedFileError

GO_ON = threading.Event()


def sent(path: Path, stopped: threading.Event = GO_ON) -> bytes:
    return b"".join(archive(entries("", path), stopped))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "data").write_bytes(bytes(3_000_000))
    (folder / "variables" / "data").chmod(0o600)
    (folder / "link").symlink_to("saved_model.pb")
    os.mkfifo(folder / "pipe")
    return folder


def test_a_model_arrives_as_it_is_and_everyone_can_read_it(model: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(sent(model))) as tar:
        found = {member.name: member for member in tar}
        data = tar.extractfile("variables/data")
        assert data is not None
        assert data.read() == bytes(3_000_000)
    assert sorted(found) == ["link", "saved_model.pb", "variables", "variables/data"]
    assert {(member.uid, member.gid) for member in found.values()} == {(0, 0)}
    assert [found[name].mode for name in ("variables", "variables/data")] == [0o755, 0o644]
    assert (found["link"].issym(), found["link"].linkname) == (True, "saved_model.pb")


def test_long_names_and_odd_ones_arrive(tmp_path: Path) -> None:
    names = ["x" * 200, "ä b", os.fsdecode(b"\xff")]
    for name in names:
        (tmp_path / name).touch()
    with tarfile.open(fileobj=io.BytesIO(sent(tmp_path)), encoding="utf-8") as tar:
        assert sorted(tar.getnames()) == sorted(names)


def test_a_file_that_shrinks_while_it_is_sent_is_an_error(model: Path) -> None:
    listed = list(entries("", model))
    (model / "variables" / "data").write_bytes(b"short")
    with pytest.raises(OSError, match="became shorter"):
        b"".join(archive(listed, GO_ON))


def test_sending_can_be_stopped(model: Path) -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(OSError, match="stopped"):
        sent(model, stopped)


def test_a_text_is_sent_as_a_file() -> None:
    data = b"".join(archive([text_entry("requests.json", "{}")], GO_ON))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        stream = tar.extractfile("requests.json")
        assert stream is not None
        assert stream.read() == b"{}"


def test_files_of_one_folder_are_sent_together(tmp_path: Path) -> None:
    for name in ("a", "b", "m.keras"):
        (tmp_path / name).touch()
    places = {
        "/models/x": tmp_path,
        "/models/y/m.keras": tmp_path / "m.keras",
        "/files/x/inputs.npz": tmp_path / "a",
        "/files/x/build.py": tmp_path / "b",
    }
    assert by_folder(places) == {
        "/models/x": {"": tmp_path},
        "/models/y": {"m.keras": tmp_path / "m.keras"},
        "/files/x": {"inputs.npz": tmp_path / "a", "build.py": tmp_path / "b"},
    }


def test_what_changed_is_told_without_reading_it(model: Path) -> None:
    def digest() -> str:
        return content_digest(entries("", model))

    first = digest()
    assert digest() == first
    os.utime(model / "saved_model.pb", ns=(1, 1))
    assert digest() != first


def tar_of(*members: tuple[str, bytes | tarfile.TarInfo]) -> list[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(content, bytes) else content
            info.name = name
            info.size = len(content) if isinstance(content, bytes) else info.size
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    data = buffer.getvalue()
    return [data[i : i + 700] for i in range(0, len(data), 700)]


def kind(number: bytes, linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = number, linkname
    return info


def names_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_files_and_folders_come_back(tmp_path: Path) -> None:
    chunks = tar_of(
        ("x", kind(tarfile.DIRTYPE)), ("x/report.json", b"{}"), ("x/a/b", bytes(5000)), ("x/e", b"")
    )
    unpack(chunks, tmp_path, most_bytes=6000)
    assert names_below(tmp_path) == ["a", "a/b", "e", "report.json"]
    assert (tmp_path / "a" / "b").read_bytes() == bytes(5000)
    assert (tmp_path / "report.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "number",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE],
)
def test_nothing_but_files_and_folders_comes_back(tmp_path: Path, number: bytes) -> None:
    unpack(tar_of(("x/odd", kind(number, "/etc/passwd")), ("x/f", b"1")), tmp_path, most_bytes=99)
    assert names_below(tmp_path) == ["f"]


@pytest.mark.parametrize("name", ["/etc/x", "x/../../y", "../y", "x/" + "d/" * 70 + "f"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    with pytest.raises(UntrustedFileError, match="leads elsewhere"):
        unpack(tar_of((name, b"1")), folder, most_bytes=99)
    assert names_below(tmp_path) == ["in", "in/here"]


def test_a_link_is_no_way_out(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    chunks = tar_of(("x/l", kind(tarfile.SYMTYPE, str(outside))), ("x/l/f", b"1"))
    unpack(chunks, folder, most_bytes=99)
    assert names_below(outside) == []
    assert names_below(folder) == ["l", "l/f"]


def test_too_much_is_refused_before_it_is_written(tmp_path: Path) -> None:
    giant = kind(tarfile.REGTYPE)
    giant.size = 2**40

    def chunks() -> Iterator[bytes]:
        yield giant.tobuf()
        yield from [bytes(2**20)] * 2  # what is read at once
        raise AssertionError("read on")

    giant.name = "x/giant"
    with pytest.raises(UntrustedFileError, match="more than 1,000 bytes"):
        unpack(chunks(), tmp_path, most_bytes=1000)
    assert names_below(tmp_path) == []


def test_a_stream_without_end_is_refused(tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield kind(tarfile.DIRTYPE).tobuf()

    with pytest.raises(UntrustedFileError, match="more than 20000 files"):
        unpack(endless(), tmp_path, most_bytes=10)


@pytest.mark.parametrize(
    "chunks",
    [
        [b"no tar" * 1000],
        tar_of(("x/f", bytes(9000)))[:5],
        tar_of(("x/f", b"1"), ("x/f", b"2")),
        tar_of(("x/f", b"1"), ("x/f/g", b"2")),
        [],
    ],
    ids=["no tar", "cut off", "twice", "below a file", "nothing"],
)
def test_what_is_no_whole_tar_is_refused(tmp_path: Path, chunks: list[bytes]) -> None:
    with pytest.raises(UntrustedFileError):
        unpack(chunks, tmp_path, most_bytes=20_000)


def test_a_slow_stream_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(UntrustedFileError, match="takes too long"):
        unpack(tar_of(("x/f", b"1")), tmp_path, most_bytes=99, seconds=-1)


USER = os.getuid()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    script.prepare(str(folder), USER)
    return folder


class LocalKeeper:
    """A keeper whose volume is a folder here."""

    def __init__(self, volume: Path) -> None:
        self.volume = str(volume)
        self.asked: list[str] = []
        self.away = False
        self.free_bytes: int | None = None

    def ask(self, action: str, *words: str) -> Looked:
        self.asked.append(action)
        if self.away:
            raise requests.exceptions.ConnectionError("gone")
        answer = getattr(script, action)(self.volume, USER, *words)
        if answer.get("taken"):
            answer["taken"] = "/out" + answer["taken"].removeprefix(self.volume)
        if self.free_bytes is not None:
            answer["free_bytes"] = self.free_bytes
        return Looked.model_validate_json(json.dumps(answer))

    def fetch(self, path: str, folder: Path, *, most_bytes: int) -> None:
        source = Path(self.volume + path.removeprefix("/out"))
        chunks = archive(entries(source.name, source), GO_ON)
        unpack(chunks, folder, most_bytes=most_bytes)


@pytest.fixture
def local(volume: Path) -> LocalKeeper:
    return LocalKeeper(volume)


@pytest.fixture
def folders(local: LocalKeeper, tmp_path: Path) -> RemoteFolders:
    out = tmp_path / "out"
    out.mkdir()
    made = RemoteFolders(cast("Keeper", local), out, most_bytes=1_000_000)
    for name in ("a", "b"):
        made.make(name)
    return made


def test_only_its_owner_makes_folders_in_a_volume(volume: Path, folders: RemoteFolders) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in (volume, *volume.iterdir())}
    assert modes == {"volume": 0o755, ".taken": 0o700, "a": 0o700, "b": 0o700}


def test_where_an_attempt_is(volume: Path, folders: RemoteFolders) -> None:
    assert not folders.begun("a")
    (volume / "a" / "probe.log").write_text("printed")
    assert not folders.begun("a"), "looked again at once"
    folders.refresh()
    assert folders.begun("a")
    assert folders.ended("a") is None
    ended = {"schema": 1, "status": 3, "signal": None, "seconds": 1.0}
    (volume / "a" / "ended.json").write_text(json.dumps(ended))
    (volume / "b" / "report.json").write_text("of the parent")
    folders.refresh()
    found = folders.ended("a")
    assert found is not None
    assert found.status == 3
    assert folders.written_bytes(["b"]) == len(json.dumps(ended)) + len("printed")
    assert folders.excess() is None


def forge_link(folder: Path) -> None:
    (folder / "ended.json").symlink_to("/etc/passwd")


def forge_pipe(folder: Path) -> None:
    os.mkfifo(folder / "ended.json")


def forge_long(folder: Path) -> None:
    (folder / "ended.json").write_text(" " * 5000 + "{}")


def forge_bytes(folder: Path) -> None:
    (folder / "ended.json").write_bytes(b"\xff\xfe{}")


@pytest.mark.parametrize("forge", [forge_link, forge_pipe, forge_long, forge_bytes])
def test_a_forged_end_is_none(
    volume: Path, folders: RemoteFolders, forge: Callable[[Path], None]
) -> None:
    forge(volume / "a")
    folders.refresh()
    assert folders.ended("a") is None


def test_what_was_written_comes_back(volume: Path, folders: RemoteFolders, tmp_path: Path) -> None:
    (volume / "a" / "report.json").write_text("of a")
    (volume / "a" / "probe.log").write_text("printed by a")
    (volume / "a" / "link").symlink_to("/etc")
    assert folders.take("a") is None
    assert folders.take("a") is None
    assert names_below(tmp_path / "out") == ["a", "a/probe.log", "a/report.json"]
    assert folders.printed("a") == "printed by a"
    assert not (volume / "a").exists()
    folders.make("a")
    assert list((volume / "a").iterdir()) == []
    folders.put_back()
    assert (tmp_path / "out" / "a" / "report.json").read_text() == "of a"


def test_a_folder_that_is_gone_is_an_empty_one(
    volume: Path, folders: RemoteFolders, tmp_path: Path
) -> None:
    (volume / "a").rmdir()
    assert folders.take("a") is None
    assert names_below(tmp_path / "out") == ["a"]
    assert folders.ended("a") is None
    assert not folders.begun("a")


def test_results_that_cannot_be_brought_are_lost(
    local: LocalKeeper, folders: RemoteFolders, tmp_path: Path
) -> None:
    local.away = True
    said = "the Docker daemon does not answer: gone"
    assert folders.take("a") == said
    asked = len(local.asked)
    assert folders.take("b") == said
    assert len(local.asked) == asked, "asked again what is away"
    assert folders.printed("a") == ""
    with pytest.raises(requests.exceptions.ConnectionError):
        folders.make("c")


def test_a_full_disk_there_is_said(local: LocalKeeper, folders: RemoteFolders) -> None:
    local.free_bytes = 1000
    assert folders.take("a") == ("no space is left for volumes on the machine of the Docker daemon")


def test_files_are_counted_within_bounds(volume: Path, folders: RemoteFolders) -> None:
    assert (script.MOST_ENTRIES, script.MOST_DEPTH) == (MOST_ENTRIES, MOST_DEPTH)
    with (volume / "a" / "sparse").open("wb") as stream:
        stream.truncate(10**9)
    os.link(volume / "a" / "sparse", volume / "a" / "again")
    folders.refresh()
    assert folders.written_bytes([]) == 10**9
    deep = volume / "a"
    for _ in range(MOST_DEPTH + 1):
        deep /= "d"
        deep.mkdir()
    folders.refresh()
    assert folders.excess() == f"wrote folders {MOST_DEPTH} deep, or hidden ones"


def test_too_many_files_are_not_all_counted(
    volume: Path, folders: RemoteFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "MOST_ENTRIES", 10)
    for number in range(30):
        (volume / "a" / str(number)).touch()
    assert script.below(str(volume / "a"))["entries"] == 11


class FakeApi:
    """A daemon that sees what is below `root`, or says nothing of what it sees."""

    def __init__(self, root: Path | None, *, looks_first: bool = True, base_url: str = "") -> None:
        self.root = root
        self.looks_first = looks_first
        self.base_url = base_url
        self.asked = 0
        self.host = "far-away"

    def create(self, image: str, mounts: list[docker.types.Mount]) -> None:
        self.asked += 1
        assert all(mount["ReadOnly"] for mount in mounts)
        if self.looks_first and not all(self._sees(mount["Source"]) for mount in mounts):
            response = requests.Response()
            response.status_code = 400
            raise APIError("bind source path does not exist", response)
        raise ImageNotFound("No such image")

    def _sees(self, path: str) -> bool:
        return (
            self.root is not None and Path(path).is_relative_to(self.root) and Path(path).exists()
        )


def sight(api: FakeApi) -> Sight:
    containers = SimpleNamespace(create=api.create)
    client: Any = SimpleNamespace(api=api, containers=containers, info=lambda: {"Name": api.host})
    return Sight(
        Daemon(client=client, hasty=client, version="1", machine="x86_64", cpus=1, security=())
    )


def test_a_daemon_that_sees_our_files(tmp_path: Path) -> None:
    api = FakeApi(Path("/"))
    seen = sight(api)
    assert seen.shares_files()
    assert seen.sees([tmp_path])
    assert not seen.sees([tmp_path, tmp_path / "absent"])
    assert api.asked == 4, "the first question is asked once"


def test_a_daemon_that_sees_none_of_them(tmp_path: Path) -> None:
    assert not sight(FakeApi(None)).shares_files()
    assert not sight(FakeApi(tmp_path / "elsewhere")).sees([])


def test_a_daemon_that_sees_only_what_is_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen = sight(FakeApi(tmp_path))
    assert seen.shares_files()
    assert not seen.sees([Path(__file__)])


@pytest.mark.parametrize(
    ("base_url", "shares"), [("http+docker://localhost", True), ("http://10.0.0.1:2375", False)]
)
def test_a_daemon_that_does_not_say_what_it_sees(base_url: str, shares: bool) -> None:
    api = FakeApi(None, looks_first=False, base_url=base_url)
    assert sight(api).shares_files() is shares


def test_a_daemon_that_is_away_is_not_one_that_sees_nothing() -> None:
    api = FakeApi(None)

    def away(*_: object, **__: object) -> None:
        raise DockerException("gone")

    api.create = away  # type: ignore[method-assign]
    with pytest.raises(DockerException):
        sight(api).shares_files()


def test_whose_loopback_a_daemon_has() -> None:
    assert sight(FakeApi(Path("/"))).shares_loopback()
    far = FakeApi(None)
    assert not sight(far).shares_loopback()
    far.host = socket.gethostname()
    assert sight(far).shares_loopback()
