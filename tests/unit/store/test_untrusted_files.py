"""What a run wrote goes into the results: moved where that is safe, copied else, never followed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.store.untrusted import copy_untrusted, take_untrusted
from harness.untrusted import UntrustedFileError

Take = Callable[[Path, Path], None]

BOTH = pytest.mark.parametrize("take", [take_untrusted, copy_untrusted])


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "out" / "outputs.npz"
    path.parent.mkdir()
    path.write_bytes(b"arrays")
    return path


def inode(path: Path) -> int:
    return path.stat().st_ino


def test_a_file_is_moved_with_plain_permissions(written: Path, tmp_path: Path) -> None:
    written.chmod(0o600)
    target, was = tmp_path / "results" / "outputs.npz", inode(written)
    take_untrusted(written, target)
    assert not written.exists()
    assert inode(target) == was
    assert target.stat().st_mode & 0o7777 == 0o644
    assert target.stat().st_uid == os.geteuid()


def test_a_copy_leaves_the_file(written: Path, tmp_path: Path) -> None:
    target = tmp_path / "results" / "outputs.npz"
    copy_untrusted(written, target)
    assert written.exists()
    assert target.read_bytes() == b"arrays"
    assert inode(target) != inode(written)


def test_a_file_with_a_second_name_is_copied(written: Path, tmp_path: Path) -> None:
    """By its other name it could be changed after it was checked."""
    other = tmp_path / "other"
    os.link(written, other)
    target = tmp_path / "outputs.npz"
    take_untrusted(written, target)
    other.write_bytes(b"changed")
    assert target.read_bytes() == b"arrays"


def test_a_file_on_another_file_system_is_copied(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(_path: Path, _target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "rename", elsewhere)
    target = tmp_path / "outputs.npz"
    take_untrusted(written, target)
    assert target.read_bytes() == b"arrays"


def test_another_users_file_that_cannot_be_made_ours_is_copied(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "geteuid", lambda: written.stat().st_uid + 1)
    monkeypatch.setattr(os, "fchown", refuse)
    target, was = tmp_path / "outputs.npz", inode(written)
    take_untrusted(written, target)
    assert target.read_bytes() == b"arrays"
    assert inode(target) != was


@BOTH
def test_links_and_pipes_are_never_followed(take: Take, tmp_path: Path) -> None:
    target = tmp_path / "outputs.npz"
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to("/etc/hostname")
    os.mkfifo(pipe)
    for source, why in ((link, "symbolic link"), (pipe, "not a regular file")):
        with pytest.raises(UntrustedFileError, match=why):
            take(source, target)
    assert not target.exists()


@BOTH
def test_what_was_there_is_replaced(take: Take, written: Path, tmp_path: Path) -> None:
    target = tmp_path / "outputs.npz"
    target.write_bytes(b"old")
    take(written, target)
    assert target.read_bytes() == b"arrays"
