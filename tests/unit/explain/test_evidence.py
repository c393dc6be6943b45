from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.explain.evidence import evidence
from harness.observation import Failure

CONFIG = "{'module': 'keras.layers', 'config': {'units': [1, 2, {}], 'name': '" + "x" * 60 + "'}}"


def raised(message: str, traceback: str = "", kind: str = "TypeError") -> Failure:
    return Failure(type=kind, message=message, traceback=traceback)


def test_a_configuration_is_left_out_and_what_surrounds_it_stays() -> None:
    message = f"Could not locate class 'Functional'. Full object config: {CONFIG}. Sorry."
    assert evidence(raised(message), "") == (
        "TypeError: Could not locate class 'Functional'. Full object config: {...}. Sorry."
    )


def test_short_brackets_and_those_that_never_close_stay() -> None:
    message = "Expected: ['conv_1/kernel:0'] }] {not closed " + "and so on " * 10
    assert evidence(raised(message), "") == f"TypeError: {message.strip()}"


def test_of_a_long_error_the_first_lines_and_the_last_are_kept() -> None:
    message = "\n".join(f"line {number}\x1b[31m\x07" for number in range(100))
    assert evidence(raised(message), "") == (
        "TypeError: line 0\ufffd\nline 1\ufffd\n[...]\nline 99\ufffd"
    )


def test_a_wrapped_error_is_unwrapped() -> None:
    message = (
        "<class 'keras.src.models.Functional'> could not be deserialized properly.\n\n"
        "config={'a': 1}.\n\nException encountered: bad marshal data (unknown type code)"
    )
    assert evidence(raised(message), "") == "TypeError: bad marshal data (unknown type code)"


def test_the_place_is_the_last_frame_before_the_message() -> None:
    message = 'in user code:\n\n    File "/model/net.py", line 5, in call  *\n\n    no'
    traceback = (
        '  File "/a/lib/python3.11/dist-packages/keras/layer.py", line 12, in __call__\n'
        "    call()\n"
        f"TypeError: {message}\n"
        '  File "/model/net.py", line 5, in call\n'
    )
    assert evidence(raised(message, traceback), "").endswith("\nat keras/layer.py:12 in __call__")


def test_an_error_without_words_has_its_name_and_place() -> None:
    traceback = '  File "probe.py", line 3, in load\n    assert model\nAssertionError\n'
    failure = raised("", traceback, "AssertionError")
    assert evidence(failure, "a log") == "AssertionError\nat probe.py:3 in load"


def test_without_an_exception_the_end_of_the_log_follows_what_the_harness_saw() -> None:
    log = (
        "2026-11-20 19:25:45.239559: I tensorflow/core/util/port.cc:153] oneDNN is on.\n"
        "2026-11-20 19:25:45.370587: W tensorflow/core/cpu.cc:210] This binary is optimized.\n"
        "To enable the following instructions: AVX2, in other operations, rebuild TensorFlow\n"
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        "one\n\ntwo\nthree\nfour\n"
        "2026-11-20 19:25:46.370587: F tensorflow/core/cpu.cc:99] Check failed\n"
    )
    failure = raised("still running after 3 seconds", kind="")
    assert evidence(failure, log) == (
        "still running after 3 seconds\ntwo\nthree\nfour\n"
        "2026-11-20 19:25:46.370587: F tensorflow/core/cpu.cc:99] Check failed"
    )
    assert evidence(None, "") == ""


@given(st.text(), st.text(), st.text(), st.text())
def test_evidence_is_short_whatever_it_is_made_of(
    kind: str, message: str, traceback: str, log: str
) -> None:
    lines = evidence(raised(message * 50, traceback, kind), log * 50).split("\n")
    assert len(lines) <= 6
    assert max(map(len, lines)) <= 300
