from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.untrusted import BoundedReader, UntrustedFileError, open_regular


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


def test_reads_are_cut_at_the_end_before_anything_is_allocated(file: Path) -> None:
    with open_regular(file) as stream:
        reader = BoundedReader(stream, max_read=10)
        assert reader.read(2**60) == b"0123456789"
        assert reader.read(2**60) == b""
        reader.seek(8)
        assert reader.read() == b"89"


def test_a_large_part_is_refused(file: Path) -> None:
    with open_regular(file) as stream:
        reader = BoundedReader(stream, max_read=4)
        assert reader.read(4) == b"0123"
        with pytest.raises(UntrustedFileError, match="a part of 6 bytes"):
            reader.read()


def test_reading_in_a_circle_ends(file: Path) -> None:
    with open_regular(file) as stream:
        reader = BoundedReader(stream, max_read=10, max_total=25)
        for _ in range(2):
            reader.seek(0)
            assert len(reader.read()) == 10
        reader.seek(0)
        with pytest.raises(UntrustedFileError, match="again and again"):
            reader.read()


def test_positions_no_file_has(file: Path) -> None:
    with open_regular(file) as stream, pytest.raises(UntrustedFileError, match="outside itself"):
        BoundedReader(stream, max_read=4).seek(2**63)


@contextmanager
def not_root() -> Iterator[None]:
    """Root may read everything: be nobody for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_may_not_be_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "file")
        file.write_text("text")
        with not_root(), open_regular(file) as stream:
            assert stream.read() == b"text"
        file.chmod(0)
        with (
            not_root(),
            pytest.raises(UntrustedFileError, match="cannot be read: permission denied"),
            open_regular(file),
        ):
            pass


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with (
        pytest.raises(UntrustedFileError, match="cannot be read: file name too long"),
        open_regular(tmp_path / ("x" * 300)),
    ):
        pass
