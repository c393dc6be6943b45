"""What the probe knows of CUDA's libraries, with no CUDA and no TensorFlow."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest
from probing import cuda
from probing.report import Report

from harness.observation import ProbeReport


@pytest.mark.parametrize(
    ("tensorflow", "version", "cudnn", "names"),
    [
        # As the wheels themselves ask for them, see `probing.cuda.SUFFIXES`.
        ("1.15.5", "10.0", "7", "cudart.so.10.0 cublas.so.10.0 cufft.so.10.0 curand.so.10.0"
         " cusolver.so.10.0 cusparse.so.10.0 cudnn.so.7"),
        ("2.3.4", "10.1", "7", "cudart.so.10.1 cublas.so.10 cufft.so.10 curand.so.10"
         " cusolver.so.10 cusparse.so.10 cudnn.so.7"),
        ("2.4.4", "11.0", "8", "cudart.so.11.0 cublas.so.11 cublasLt.so.11 cufft.so.10"
         " curand.so.10 cusolver.so.10 cusparse.so.11 cudnn.so.8"),
        ("2.8.4", "11.2", "8", "cudart.so.11.0 cublas.so.11 cublasLt.so.11 cufft.so.10"
         " curand.so.10 cusolver.so.11 cusparse.so.11 cudnn.so.8"),
        ("2.14.1", "11.8", "8", "cudart.so.11.0 cublas.so.11 cublasLt.so.11 cufft.so.10"
         " cusolver.so.11 cusparse.so.11 cudnn.so.8"),
        ("2.18.1", "12.5.1", "9", "cudart.so.12 cublas.so.12 cublasLt.so.12 cufft.so.11"
         " cusolver.so.11 cusparse.so.12 cudnn.so.9"),
        ("2.30.0", "14.0", "9", ""),
        ("2.18.1", None, None, ""),
    ],
)  # fmt: skip
def test_the_names_a_release_opens(
    tensorflow: str, version: str | None, cudnn: str | None, names: str
) -> None:
    found = cuda.library_names(version, cudnn, tensorflow)
    assert list(found.values()) == [f"lib{name}" for name in names.split()]


@pytest.mark.parametrize(
    ("told", "tensorflow", "exact"),
    [
        ("10", "1.15.5", "10.0"),
        ("10", "2.2.3", "10.1"),
        ("12.2", "2.15.1", "12.2"),
        (None, "2.9.0", None),
    ],
)
def test_wheels_that_tell_a_major_version_only(
    told: str | None, tensorflow: str, exact: str | None
) -> None:
    assert cuda.exact_cuda(told, tensorflow) == exact


@pytest.mark.parametrize(
    ("line", "requirement", "lowest"),
    [
        (
            "nvidia-cudnn-cu12 (==8.9.4.25) ; extra == 'and-cuda'",
            "nvidia-cudnn-cu12==8.9.4.25",
            "8.9.4",
        ),
        (
            'nvidia-cudnn-cu12==9.3.0.75; extra == "and-cuda"',
            "nvidia-cudnn-cu12==9.3.0.75",
            "9.3.0",
        ),
        (
            'nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"',
            "nvidia-cudnn-cu12<10.0,>=9.3.0.75",
            "9.3.0",
        ),
    ],
)
def test_what_a_wheel_asks_for(line: str, requirement: str, lowest: str, tmp_path: Path) -> None:
    folder = tmp_path / "tensorflow-2.18.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Name: tensorflow\nRequires-Dist: numpy<2.1.0\n"
        f'Requires-Dist: nvidia-cublas-cu12==12.5.3.2; extra == "and-cuda"\nRequires-Dist: {line}\n'
    )
    assert cuda.required_cudnn([str(tmp_path / "missing"), str(tmp_path)]) == (requirement, lowest)


def test_wheels_without_cuda_ask_for_nothing() -> None:
    assert cuda.cudnn_in("Requires-Dist: numpy\n") is None
    assert cuda.cudnn_in("Requires-Dist: nvidia-cudnn-cu12==8.9.4.25\n") is None


@pytest.mark.parametrize(("number", "shown"), [(7605, "7.6.5"), (8904, "8.9.4"), (90300, "9.3.0")])
def test_versions_of_cudnn(number: int, shown: str) -> None:
    assert cuda.cudnn_version(number) == shown


def test_a_library_that_is_there_and_one_that_is_not() -> None:
    names = ["libm.so.6", "libcudart.so.0"]
    found = cuda.looked_at(names, ctypes.CDLL)
    assert [fact["name"] for fact in found] == names
    assert "cannot open shared object file" in found[1]["error"]
    assert found[1]["path"] is None


def test_where_a_library_was_opened_from() -> None:
    path = cuda.path_of(ctypes.CDLL("libm.so.6"))
    assert Path(path).name.startswith("libm")
    assert Path(path).is_absolute()
    assert cuda.is_outside(path)
    assert not cuda.is_outside(str(Path(sys.prefix).resolve() / "lib" / "libx.so"))


def test_parts_of_cudnn_lie_beside_it(tmp_path: Path) -> None:
    whole = tmp_path / "libcudnn.so.8"
    for part in ("ops_infer", "cnn_infer"):
        (tmp_path / f"libcudnn_{part}.so.8").touch()
    assert cuda.missing_parts("libcudnn.so.8", str(whole)) == []
    (tmp_path / "libcudnn_cnn_infer.so.8").unlink()
    assert cuda.missing_parts("libcudnn.so.8", str(whole)) == ["libcudnn_cnn_infer.so.8"]
    assert cuda.missing_parts("libcufft.so.11", str(whole)) == []


def test_other_versions_of_a_library_are_looked_for_by_other_names() -> None:
    assert cuda.other_names("cudnn", "libcudnn.so.8") == [
        "libcudnn.so.7",
        "libcudnn.so.9",
        "libcudnn.so.10",
    ]


class CpuBuild:
    """A TensorFlow that is not built for CUDA and cannot be asked for anything."""

    __version__ = "2.15.1"


def test_what_is_told_fits_the_schema_and_no_error_ends_the_attempt(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    report.actual.update(cuda="12.2", cudnn="8")
    cuda.learn_cuda(CpuBuild, report)
    assert any("cannot be looked at" in warning for warning in report.warnings)
    report.enter("import")
    read = ProbeReport.model_validate_json((tmp_path / "report.json").read_bytes())
    assert read.cuda is not None
    assert (read.cuda.wanted, read.cuda.libraries) == ("12.2", [])
