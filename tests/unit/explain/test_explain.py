from __future__ import annotations

import pytest

from harness.explain.explain import explain, explain_all
from harness.observation import Ending, Failure, Observation, Restored, Stage
from harness.verdict import Judgement, LoaderJudgement, Reason, Verdict
from tests.support.fakes import cell
from tests.support.observed import observation, seen

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
            "no-gpu",
            "no GPU here",
        ),
        (
            ended(Ending.SKIPPED, failure=Failure(type="NoCudaBase", message="no base")),
            "no-cuda-base",
            "no base",
        ),
        (
            ended(Ending.SKIPPED, failure=Failure(type="NoInterpreter", message="no 3.5")),
            "no-interpreter",
            "no 3.5",
        ),
        (ended(Ending.SKIPPED), "skipped", "this machine lacks what it needs"),
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
    sweep = seen([ended(Ending.SIGNAL, signal="SIGABRT")])
    reasons = [one.reason for one in explain_all(judgements, sweep)]
    assert reasons == [
        Reason(code="aborted", message="native code gave up at load (SIGABRT)"),
        given,
        None,
        None,
    ]
    reasons = [
        one.reason for one in explain_all(judgements, sweep, lambda _: "OOM when allocating tensor")
    ]
    assert reasons[0] is not None
    assert reasons[0].code == "tensor-too-large"


def test_every_loader_that_failed_has_a_reason_of_its_own() -> None:
    first = ended(Ending.SIGNAL, signal="SIGSEGV")
    others = [
        ended(Ending.SIGNAL, signal="SIGABRT", loader="session"),
        observation(CELL, loader="keras.load_model"),
        ended(Ending.TIMEOUT, loader="TFSMLayer"),
    ]
    judgement = Judgement(
        cell=CELL.id,
        verdict=Verdict.FAILED,
        stage=Stage.LOAD,
        loaders=(
            LoaderJudgement(name="saved_model.load", verdict=Verdict.FAILED, stage=Stage.LOAD),
            LoaderJudgement(name="session", verdict=Verdict.FAILED, stage=Stage.LOAD),
            LoaderJudgement(name="keras.load_model", verdict=Verdict.IDENTICAL),
            LoaderJudgement(name="TFSMLayer", verdict=Verdict.FAILED, stage=Stage.LOAD),
        ),
    )
    asked: list[str] = []

    def log(one: Observation) -> str:
        asked.append(one.loader)
        return "free(): invalid pointer" if one.loader == "session" else ""

    (found,) = explain_all([judgement], seen([first], others=others), log)
    assert [one.reason.code if one.reason else None for one in found.loaders] == [
        "segmentation-fault",
        "heap-corrupted",
        None,
        "timeout",
    ]
    assert found.reason == found.loaders[0].reason
    assert asked == ["saved_model.load", "session", "TFSMLayer"]


def test_variables_that_were_not_restored_are_named() -> None:
    restored = Restored(
        expected=18,
        restored=9,
        unrestored=[f"dense_{place}/kernel" for place in range(9)],
        unused=["layer\x1b[2J/bias"],
    )
    message = "9 of 18 variables of the model were not restored"
    traceback = f'  File "/env/probe.py", line 9, in restore\n    check()\nValueError: {message}'
    failure = Failure(type="ValueError", message=message, traceback=traceback)
    reason = explain(ended(Ending.EXCEPTION, failure=failure, restored=restored))
    assert reason.evidence == (
        f"ValueError: {message}\n"
        "not restored, 9 of 18 variables: dense_0/kernel, dense_1/kernel, dense_2/kernel, "
        "dense_3/kernel, dense_4/kernel, dense_5/kernel and 3 more\n"
        "in the file, but in no variable: layer/bias"
    )


def test_where_all_variables_were_restored_the_place_is_told() -> None:
    whole = Restored(expected=2, restored=2)
    traceback = '  File "/env/probe.py", line 9, in call\n    check()\nValueError: other'
    failure = Failure(type="ValueError", message="other", traceback=traceback)
    reason = explain(ended(Ending.EXCEPTION, failure=failure, restored=whole))
    assert reason.evidence == "ValueError: other\nat /env/probe.py:9 in call"
