from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.environments.log import BoundedLog


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
