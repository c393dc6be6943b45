from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.environments.log import BoundedLog, bounded_text


@given(st.lists(st.binary(max_size=30)), st.integers(min_value=1, max_value=20))
def test_both_ends_are_kept_however_the_bytes_arrive(chunks: list[bytes], half: int) -> None:
    log = BoundedLog(half)
    for chunk in chunks:
        log.add(chunk)
    everything = b"".join(chunks)
    assert log.total_bytes == len(everything)
    if len(everything) <= 2 * half:
        expected = everything
    else:
        between = f"\n[... {len(everything) - 2 * half} bytes left out ...]\n".encode()
        expected = everything[:half] + between + everything[-half:]
    assert log.text() == expected.decode("utf-8", "replace")


@pytest.mark.parametrize("size", [0, 1, 4, 5, 8, 9, 100])
def test_a_file_is_read_as_if_it_was_taken_in(tmp_path: Path, size: int) -> None:
    content = bytes(ord("a") + number % 26 for number in range(size))
    path = tmp_path / "probe.log"
    path.write_bytes(content)
    log = BoundedLog(half_bytes=4)
    log.add(content)
    with path.open("rb") as stream:
        assert bounded_text(stream, half_bytes=4) == log.text()
