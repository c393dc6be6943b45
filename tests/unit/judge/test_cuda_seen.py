"""What is wrong with the CUDA that was seen: no GPU is needed to say so."""

from __future__ import annotations

import pytest

from harness.explain.explain import explain, explain_all
from harness.judge.cuda import cuda_trouble, seen_of_cuda
from harness.judge.noise import Floor
from harness.judge.truth import mislabels
from harness.judge.varied import Floors
from harness.judge.weigh import Yardstick, weigh
from harness.observation import Cuda, Ending, Failure, Library, Observation, Stage
from harness.verdict import Judgement, Verdict
from tests.support.fakes import cell
from tests.support.observed import observation, seen

CELL = cell("2.15.1", device="cuda")
FOLDER = "/usr/local/lib/python3.11/site-packages/nvidia"


def there(name: str, version: str | None, **fields: object) -> Library:
    return Library.model_validate(
        {"name": name, "path": f"{FOLDER}/{name}", "version": version, **fields}
    )


def absent(name: str) -> Library:
    error = f"{name}: cannot open shared object file: No such file or directory"
    return Library(name=name, error=error)


CUDART, CUDNN = there("libcudart.so.12", "12.2"), there("libcudnn.so.8", "8.9.4")


def checked(*libraries: Library, **fields: object) -> Observation:
    """Return a check of 2.15.1, or what `fields` say, that found `libraries`."""
    cuda = Cuda.model_validate(
        {
            "wanted": "12.2",
            "wanted_cudnn": "8.9.4",
            "wanted_cudnn_by": "nvidia-cudnn-cu12==8.9.4.25",
            "libraries": list(libraries),
            "own_check": all(one.path for one in libraries if one.needed),
            **fields,
        }
    )
    return observation(
        CELL,
        ending=Ending.SKIPPED,
        stage=Stage.LOAD,
        failure=Failure(type="NoGPUError", message="no GPU: CUDA's libraries were looked at"),
        cuda=cuda,
    )


def judged(one: Observation) -> Judgement:
    yardstick = Yardstick(
        outputs=None,
        observation=None,
        floors=Floors(seen([one]), {}),
        floor=Floor(),
        inputs=None,
        tolerances={},
        labels=None,
        rules={},
        top_k=5,
    )
    judgement = weigh(CELL, one, seen([one]), yardstick, first=True)
    return explain_all([judgement], seen([one]))[0]


def test_all_that_is_lacking_is_a_gpu() -> None:
    judgement = judged(checked(CUDART, CUDNN))
    assert (judgement.verdict, judgement.stage) == (Verdict.SKIPPED, Stage.LOAD)
    reason = judgement.reason
    assert reason is not None
    assert reason.code == "no-gpu"
    assert reason.evidence == (
        "compiled against CUDA 12.2, cuDNN 8.9.4 (its package asks for"
        " nvidia-cudnn-cu12==8.9.4.25)\n"
        "opened as TensorFlow does: cudart 12.2, cudnn 8.9.4\n"
        "driver: none\n"
        "TensorFlow's own check of its libraries agrees"
    )


def test_a_library_is_missing() -> None:
    judgement = judged(checked(CUDART, absent("libcusparse.so.12"), CUDNN))
    assert (judgement.verdict, judgement.stage) == (Verdict.FAILED, Stage.IMPORT)
    assert judgement.reason is not None
    assert judgement.reason.code == "cuda-library-missing"
    assert "libcusparse.so.12" in judgement.reason.message
    assert "cannot be opened: libcusparse.so.12" in judgement.reason.evidence
    assert judgement.reason.remedy


def test_cudnn_of_another_major_version() -> None:
    found = checked(CUDART, absent("libcudnn.so.8"), there("libcudnn.so.9", "9.1.0", needed=False))
    judgement = judged(found)
    assert (judgement.verdict, judgement.stage) == (Verdict.FAILED, Stage.IMPORT)
    assert judgement.reason is not None
    assert judgement.reason.code == "cudnn-wrong-major"
    assert judgement.reason.message == "cuDNN 9.1.0 is there, this TensorFlow was compiled for 8"
    assert "there instead: libcudnn.so.9 (9.1.0)" in judgement.reason.evidence


def test_cuda_of_another_major_version_says_more_than_what_there_is_nothing_of() -> None:
    other = there("libcudart.so.11.0", None, needed=False)
    judgement = judged(checked(absent("libcublas.so.12"), absent("libcudart.so.12"), other))
    assert judgement.stage is Stage.IMPORT
    assert judgement.reason is not None
    assert judgement.reason.code == "cuda-wrong-major"
    assert judgement.reason.message.startswith("cudart ? is there")


@pytest.mark.parametrize(
    ("here", "wanted", "fits"),
    [
        ("9.1.0", "9.3.0", False),
        ("9.3.0", "9.3.0", True),
        ("9.13.0", "9.3.0", True),
        ("9.3.0", "9.3.1", True),  # TensorFlow compares no patch levels
        ("9.3.0", "9", True),  # nothing says which minor version it was
        ("garbage", "9.3.0", True),
    ],
)
def test_cudnn_may_be_newer_but_not_older(here: str, wanted: str, fits: bool) -> None:
    found = checked(
        there("libcudnn.so.9", here), wanted="12.5.1", wanted_cudnn=wanted, wanted_cudnn_by="x"
    )
    judgement = judged(found)
    assert judgement.verdict is (Verdict.SKIPPED if fits else Verdict.FAILED)
    if not fits:
        assert judgement.stage is Stage.LOAD
        assert judgement.reason is not None
        assert judgement.reason.code == "cudnn-too-old"


def test_where_no_package_names_cudnn_the_tested_version_counts() -> None:
    old = checked(
        there("libcudnn.so.8", "8.0.5"), wanted="11.2", wanted_cudnn="8", wanted_cudnn_by=None
    )
    old = old.model_copy(update={"actual": old.actual.model_copy(update={"tensorflow": "2.8.4"})})
    trouble = cuda_trouble(old)
    assert trouble is not None
    assert trouble.stage is Stage.LOAD
    assert "8.0.5 but source was compiled with: 8.1." in trouble.text
    assert "cuDNN 8.1 (the version it was tested with)" in seen_of_cuda(old)[0]


def test_a_build_for_the_cpu() -> None:
    judgement = judged(checked(wanted=None, wanted_cudnn=None, own_check=None))
    assert (judgement.verdict, judgement.stage) == (Verdict.FAILED, Stage.IMPORT)
    assert judgement.reason is not None
    assert judgement.reason.code == "cuda-not-built"


def test_a_cuda_whose_libraries_have_names_that_are_not_known() -> None:
    for own_check, verdict in ((True, Verdict.SKIPPED), (False, Verdict.FAILED)):
        assert judged(checked(wanted="14.0", own_check=own_check)).verdict is verdict
    unseen = judged(checked(wanted="14.0", own_check=None)).reason
    assert unseen is not None
    assert "could not be looked at" in unseen.message


def test_nothing_was_seen() -> None:
    blind = observation(CELL, ending=Ending.SKIPPED, failure=Failure(type="NoGPU", message="none"))
    assert cuda_trouble(blind) is None
    assert seen_of_cuda(blind) == ()
    assert explain(blind).code == "no-gpu"


def test_libraries_of_this_machine_in_a_venv_are_said() -> None:
    leak = Library(name="libcudart.so.12", path="/usr/lib/libcudart.so.12", outside=True)
    in_venv = checked(leak, CUDNN)
    told = "from this machine, not from the environment: /usr/lib/libcudart.so.12"
    assert told in seen_of_cuda(in_venv)
    in_image = in_venv.model_copy(update={"engine": "docker"})
    assert told not in seen_of_cuda(in_image)


def test_a_second_witness_that_says_otherwise() -> None:
    doubted = checked(CUDART, CUDNN, own_check=False)
    assert "TensorFlow's own check of its libraries says otherwise" in seen_of_cuda(doubted)
    assert not [line for line in seen_of_cuda(checked(CUDART, own_check=None)) if "own" in line]


def test_what_a_hostile_report_says_stays_on_its_line() -> None:
    told = checked(there("libcudnn.so.8\x1b[31m\nx", "8\n9"), wanted="12\x1b[2J\n")
    assert all(line.isprintable() for line in seen_of_cuda(told))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (
            {"libraries": [absent("libcudnn.so.8")]},
            "Could not load dynamic library 'libcudnn.so.8'",
        ),
        ({"wanted": None}, "this TensorFlow is not built for CUDA"),
        ({}, "the driver's library is not there"),
        ({"driver": "12.4"}, "all libraries are there, but TensorFlow sees no GPU"),
        ({"driver": "12.4", "gpus": ["NVIDIA H200"]}, "though there is NVIDIA H200"),
    ],
)
def test_a_fall_back_on_the_cpu_says_why(fields: dict[str, object], why: str) -> None:
    libraries = fields.pop("libraries", [CUDART, CUDNN])
    found = checked(*libraries, **fields)  # type: ignore[misc]
    ran = found.model_copy(update={"ending": Ending.COMPLETED, "stage": None, "failure": None})
    (sentence,) = mislabels(CELL, ran)
    assert sentence.startswith("the outputs were computed on CPU, the cell says cuda: ")
    assert why in sentence


def test_a_gpu_that_was_used() -> None:
    ran = observation(CELL, actual={"device": "GPU NVIDIA H200"})
    assert mislabels(CELL, ran) == ()
