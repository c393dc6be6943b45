from __future__ import annotations

import pytest

from harness.cell import Cell, Device, Flags, Pins, Resolution
from harness.errors import UsageError
from harness.plan.select import selection

CELL = Cell(tensorflow="2.15.1", python="3.11")
OTHER = Cell(
    tensorflow="2.17.0rc0",
    python="3.9",
    device=Device.CUDA,
    resolution=Resolution.TODAY,
    pins=Pins(name="numpy-1.26"),
    flags=Flags(name="onednn-off"),
)


@pytest.mark.parametrize(
    ("expression", "cell", "other"),
    [
        ("tensorflow>=2.15", True, True),
        ("tensorflow<2.16", True, False),
        ("tensorflow == 2.15.*", True, False),
        ("tensorflow~=2.15.0", True, False),
        ("tensorflow>=2.15,<2.16", True, False),
        ("tensorflow!=2.15.1", False, True),
        ("python==3.11", True, False),
        ("python<3.10", False, True),
        ("device=cpu", True, False),
        ("device==cuda", False, True),
        ("resolution=today", False, True),
        ("resolution=as-released", True, False),
        ("pins=default", True, False),
        ("pins=numpy-1.26", False, True),
        ("flags=default", True, False),
        ("flags = onednn-off", False, True),
        ("tf2.15*", True, False),
        ("tf2.15.1-py3.11-cpu", True, False),
        ("*+onednn-off", False, True),
        ("TF2*", False, False),
        ("tf2.1[!5]*", False, True),
    ],
)
def test_expressions(expression: str, cell: bool, other: bool) -> None:
    picked = selection([expression])
    assert (picked(CELL), picked(OTHER)) == (cell, other)


def test_repeated_is_and() -> None:
    assert not selection(["device=cpu", "python==3.9"])(CELL)
    assert selection([])(CELL)


ALLOWED = (
    "\n  allowed: tensorflow>=2.15, tensorflow==2.15.*, python==3.11, device=cpu,"
    " resolution=today, pins=NAME, flags=NAME, or a glob on cell ids such as 'tf2.15*'"
)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "tensorfow>=2.15",
            f"'tensorfow' is no axis{ALLOWED}\n  hint: did you mean 'tensorflow'?",
        ),
        (
            "tensorflow=2.15.1",
            f"'=' does not compare versions{ALLOWED}\n  hint: write tensorflow==2.15.1",
        ),
        ("tensorflow>=new", f"'>=new' is not a version specifier{ALLOWED}"),
        (
            "device=cup",
            "'cup' is no device\n  allowed: device=cpu, device=cuda\n  hint: did you mean 'cpu'?",
        ),
        ("device>cpu", f"'>' does not compare names{ALLOWED}\n  hint: write device=cpu"),
        ("pins=", f"names no pins{ALLOWED}"),
        ("", f"is empty{ALLOWED}"),
    ],
)
def test_refused(expression: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        selection([expression])
    assert str(caught.value) == f"--only {expression!r}: {message}"
