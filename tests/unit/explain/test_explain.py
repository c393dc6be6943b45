from __future__ import annotations

import pytest

from harness.explain.explain import explain, explain_all
from harness.observation import Ending, Failure, Observation, Stage
from harness.verdict import Judgement, Reason, Verdict
from tests.support.fakes import cell
from tests.support.observed import observation

CELL = cell()


def ended(ending: Ending, stage: Stage | None = Stage.LOAD, **fields: object) -> Observation:
    return observation(CELL, ending=ending, stage=stage, **fields)


def raised(type_: str, message: str, traceback: str = "", stage: Stage = Stage.LOAD) -> Observation:
    failure = Failure(type=type_, message=message, traceback=traceback)
    return ended(Ending.EXCEPTION, stage, failure=failure)


def test_a_known_error() -> None:
    message = "Descriptors cannot be created directly.\nIf this call came from a _pb2.py file"
    traceback = (
        "Traceback (most recent call last):\n"
        '  File "/env/site-packages/tensorflow/__init__.py", line 37, in <module>\n'
        "    from tensorflow.core import graph_pb2\n"
        '  File "/env/site-packages/google/protobuf/descriptor.py", line 561, in __new__\n'
        f"    check()\nTypeError: {message}"
    )
    assert explain(raised("TypeError", message, traceback, Stage.IMPORT)) == Reason(
        code="protobuf-descriptors",
        message="protobuf is newer than the code that TensorFlow generated with an older one",
        evidence=f"TypeError: {message}\nat google/protobuf/descriptor.py:561 in __new__",
        remedy="Resolve as released, or pin protobuf to 3.20.3 (TensorFlow before 2.12 allows "
        "no newer).",
    )


def test_an_unknown_error() -> None:
    assert explain(raised("RuntimeError", "first line\nsecond line")) == Reason(
        code="unclassified",
        message="RuntimeError: first line",
        evidence="RuntimeError: first line\nsecond line",
        remedy="No record knows this error yet: what led to it is in the cell's probe.log.",
    )


def test_an_error_without_words() -> None:
    reason = explain(raised("", ""))
    assert (reason.code, reason.message) == ("unclassified", "it failed without a word")


def test_the_innermost_of_wrapped_errors_counts() -> None:
    wrapper = (
        "<class 'keras.src.models.Functional'> could not be deserialized properly. Please ensure "
        "that components that are Python object instances are deserialized.\n"
        "config={'layer': \"Unknown layer: 'Decoy'\"}\n\nException encountered: "
    )
    reason = explain(raised("TypeError", wrapper + "bad marshal data (unknown type code)"))
    assert reason.code == "lambda-bytecode"
    reason = explain(raised("TypeError", wrapper.replace("Unknown layer", "") + "something new"))
    assert reason.code == "keras3-not-deserialized"


def test_an_unknown_error_that_keras_wrapped() -> None:
    message = (
        'Exception encountered when calling layer "scale" (type Scale).\n\nno such thing\n\n'
        "Call arguments received by layer"
    )
    assert explain(raised("ValueError", message)).message == "ValueError: no such thing"


def test_the_traceback_is_looked_at_last() -> None:
    cause = "ModuleNotFoundError: No module named 'tensorflow_text'\n"
    reason = explain(raised("ImportError", "it did not work", cause))
    assert reason.code == "module-missing"
    reason = explain(raised("KeyError", "'serving_default'", cause))
    assert reason.code == "signature-missing"


def test_the_log_counts_where_no_exception_was_seen() -> None:
    log = "warning\nmunmap_chunk(): invalid pointer\n"
    aborted = ended(Ending.SIGNAL, Stage.INFER, signal="SIGABRT")
    assert explain(aborted, log).code == "heap-corrupted"
    assert explain(aborted, log).evidence == "warning\nmunmap_chunk(): invalid pointer"
    assert explain(raised("RuntimeError", "new", stage=Stage.INFER), log).code == "unclassified"


def test_the_log_of_a_build_counts() -> None:
    log = "error: command 'gcc' failed: No such file or directory\n"
    reason = explain(raised("BuildFailed", "uv failed", stage=Stage.BUILD), log)
    assert reason.code == "compiler-missing"


@pytest.mark.parametrize(
    ("seen", "code", "message"),
    [
        (
            ended(Ending.SIGNAL, Stage.IMPORT, signal="SIGILL"),
            "illegal-instruction",
            "it used an instruction that this processor does not have at import",
        ),
        (
            ended(Ending.SIGNAL, signal="SIGSEGV"),
            "segmentation-fault",
            "native code crashed at load (SIGSEGV)",
        ),
        (
            ended(Ending.SIGNAL, signal="SIGABRT"),
            "aborted",
            "native code gave up at load (SIGABRT)",
        ),
        (
            ended(Ending.SIGNAL, signal="SIGFPE"),
            "signal",
            "the process was killed by SIGFPE at load",
        ),
        (
            ended(Ending.EXIT, exit_status=3),
            "early-exit",
            "the process left by itself at load with status 3",
        ),
        (ended(Ending.TIMEOUT), "timeout", "it was not done within the time limit at load"),
        (
            ended(Ending.OUT_OF_MEMORY, Stage.INFER),
            "out-of-memory",
            "it needed more memory than limits.memory allows at infer",
        ),
        (
            ended(Ending.OUTPUT_LIMIT, None),
            "output-limit",
            "it wrote more than limits.output allows",
        ),
        (
            ended(Ending.INVALID, failure=Failure(type="NoReport", message="half a file")),
            "invalid-report",
            "what came back cannot be believed: half a file",
        ),
        (
            ended(Ending.INFRASTRUCTURE, failure=Failure(type="", message="no daemon")),
            "infrastructure",
            "no daemon",
        ),
        (
            ended(Ending.INFRASTRUCTURE),
            "infrastructure",
            "the machine, its network or its engine failed",
        ),
        (
            ended(Ending.SKIPPED, failure=Failure(type="NoGPU", message="no GPU here")),
            "skipped",
            "no GPU here",
        ),
    ],
)
def test_endings(seen: Observation, code: str, message: str) -> None:
    reason = explain(seen)
    assert (reason.code, reason.message) == (code, message)


def test_every_ending_has_a_reason() -> None:
    for ending in Ending:
        if ending is not Ending.COMPLETED:
            assert explain(ended(ending)).message


def test_an_ending_goes_before_what_was_printed() -> None:
    seen = ended(Ending.TIMEOUT, failure=Failure(type="", message="KeyError: 'serving_default'"))
    assert explain(seen).code == "timeout"


def test_a_hang_of_keras_3_has_its_own_remedy() -> None:
    hang = explain(ended(Ending.TIMEOUT, actual={"keras": "3.3.3"}))
    assert hang.remedy.startswith("Keras 3 before 3.15 never ends on .h5 files")
    slow = explain(ended(Ending.TIMEOUT, Stage.INFER, actual={"keras": "3.3.3"}))
    assert slow.remedy == "Raise limits.timeout in matrix.yaml."


def test_explain_all_fills_only_what_lacks_a_reason() -> None:
    other = cell("2.4.4", "3.8")
    given = Reason(code="not-run", message="it was not run")
    judgements = (
        Judgement(cell=CELL.id, verdict=Verdict.FAILED, stage=Stage.LOAD),
        Judgement(cell=CELL.id, verdict=Verdict.UNKNOWN, reason=given),
        Judgement(cell=CELL.id, verdict=Verdict.IDENTICAL),
        Judgement(cell=other.id, verdict=Verdict.FAILED),
    )
    seen = {CELL.id: ended(Ending.SIGNAL, signal="SIGABRT")}
    reasons = [one.reason for one in explain_all(judgements, seen)]
    assert reasons == [
        Reason(code="aborted", message="native code gave up at load (SIGABRT)"),
        given,
        None,
        None,
    ]
    reasons = [
        one.reason for one in explain_all(judgements, seen, lambda _: "OOM when allocating tensor")
    ]
    assert reasons[0] is not None
    assert reasons[0].code == "tensor-too-large"
