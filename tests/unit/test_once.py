from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from harness.once import once


def test_threads_that_ask_together_get_one_answer() -> None:
    calls: list[int] = []

    @once
    def slow() -> int:
        calls.append(1)
        time.sleep(0.05)
        return len(calls)

    with ThreadPoolExecutor(8) as executor:
        assert {future.result() for future in [executor.submit(slow) for _ in range(8)]} == {1}
    assert calls == [1]
