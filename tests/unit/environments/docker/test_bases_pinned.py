"""`bases.yaml`: what it says, what is wrong with it, and rewriting it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.environments.docker.bases.pinned import PinnedImage, load_bases
from harness.errors import BasesError

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32

TEXT = f"""\
# ours
schema: 1
python:
  "3.6": python:3.6-slim-bullseye  # never pinned
  3.10: python:3.10-slim-bookworm@{DIGEST}
cuda:
  - cuda: "11.2"
    cudnn: "8.1"
    images:
      - nvidia/cuda:11.2.2-cudnn8-runtime-ubuntu20.04
      - tensorflow/tensorflow:2.9.1-gpu@{DIGEST}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bases.yaml"
    monkeypatch.setenv("HARNESS_BASES", str(path))
    return path


def problems(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BasesError) as caught:
        load_bases()
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(file), "bases.yaml")


def test_the_harness_has_bases_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_BASES", raising=False)
    bases = load_bases()
    assert list(bases.python) == [f"3.{minor}" for minor in range(6, 15)]
    for python, image in bases.python.items():
        suite = "bullseye" if python == "3.6" else "bookworm"
        assert image.name == f"python:{python}-slim-{suite}"
    # The pairs of /install/source#gpu of TensorFlow's documentation, up to 2.13.
    pairs = [(pair.cuda, pair.cudnn) for pair in bases.cuda]
    assert pairs == [
        ("10.0", "7.4"), ("10.1", "7.6"), ("11.0", "8.0"), ("11.2", "8.1"), ("11.8", "8.6"),
    ]  # fmt: skip
    for pair in bases.cuda:
        first = pair.images[0]
        major = pair.cudnn.partition(".")[0]
        assert first.name.startswith(f"nvidia/cuda:{pair.cuda}")
        assert f"-cudnn{major}-runtime-ubuntu" in first.tag
        assert pair.images[-1].repository == "tensorflow/tensorflow"
    digests = [image.digest for image in bases.images if image.digest is not None]
    assert len(set(digests)) == len(digests) > 8


def test_the_example_of_the_documentation_can_be_read(file: Path) -> None:
    text = (Path(__file__).parents[4] / "docs/images.md").read_text(encoding="utf-8")
    (example,) = [
        block for block in re.findall("```yaml\n(.+?)```", text, re.DOTALL) if "\ncuda:" in block
    ]
    file.write_text(example, encoding="utf-8")
    assert load_bases().python.keys() == {"3.6", "3.11"}


def test_what_the_file_says(file: Path) -> None:
    file.write_text(TEXT, encoding="utf-8")
    bases = load_bases()
    assert bases.file == file
    assert bases.of_python("3.10") == PinnedImage(
        repository="python", tag="3.10-slim-bookworm", digest=DIGEST
    )
    assert str(bases.of_python("3.6")) == "python:3.6-slim-bullseye"
    assert str(bases.of_python("3.12")) == "python:3.12-slim"
    assert [str(image) for image in bases.of_cuda("11.2", "8.1")] == [
        "nvidia/cuda:11.2.2-cudnn8-runtime-ubuntu20.04",
        f"tensorflow/tensorflow:2.9.1-gpu@{DIGEST}",
    ]
    assert bases.of_cuda("11.2", "8.2") == ()


def test_everything_that_is_wrong_is_said_at_once(file: Path) -> None:
    text = f"""\
schema: 2
python:
  "3.5": python:3.5-slim
  "3.9": python
  "3.10": python:3.10-slim@sha256:abc
  "3.11": mirror.example/python:3.11-slim
cuda:
  - cuda: "11.2"
    cudnn: eight
    images: []
  - cuda: "11.8"
    cudnn: "8.6"
    image: nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu22.04@{DIGEST}
pyhton: {{}}
"""
    image = "REPOSITORY:TAG, or REPOSITORY:TAG@sha256: and 64 hexadecimal digits"
    assert problems(file, text) == (
        "bases.yaml:1 schema: this harness does not know schema '2'\n"
        "  allowed: 1\n"
        "bases.yaml:3 python.3.5: '3.5' is not a Python version\n"
        "  allowed: versions X.Y from 3.6, or auto\n"
        "bases.yaml:4 python.3.9: 'python' is not an image\n"
        f"  allowed: {image}\n"
        "bases.yaml:5 python.3.10: 'python:3.10-slim@sha256:abc' is not an image\n"
        f"  allowed: {image}\n"
        "bases.yaml:6 python.3.11: 'mirror.example/python' names a registry\n"
        f"  allowed: {image}\n"
        "  hint: name a registry with HARNESS_BASE_REGISTRY\n"
        "bases.yaml:9 cuda[0].cudnn: 'eight' is not a version\n"
        "  allowed: versions X.Y such as 11.2\n"
        "bases.yaml:10 cuda[0].images: is empty\n"
        "  allowed: at least one\n"
        "bases.yaml:11 cuda[1]: the key 'images' is missing\n"
        "bases.yaml:13 cuda[1].image: unknown key\n"
        "  allowed: cuda, cudnn, images\n"
        "  hint: did you mean 'images'?\n"
        "bases.yaml:14 pyhton: unknown key\n"
        "  allowed: schema, python, cuda\n"
        "  hint: did you mean 'python'?"
    )


def test_a_pair_that_is_there_twice(file: Path) -> None:
    pair = TEXT.partition("cuda:\n")[2]
    assert problems(file, TEXT + pair) == (
        "bases.yaml:12 cuda[1]: CUDA 11.2 with cuDNN 8.1 is there already: bases.yaml:7 cuda[0]\n"
        "  hint: keep one of them"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "bases.yaml: is empty\n  allowed: schema, python, cuda"),
        ("- python", "bases.yaml: is not a mapping of keys to values\n  allowed: schema, python"),
        ("python: [", "bases.yaml:1 column 10: is not YAML"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_mapping(file: Path, text: str, said: str) -> None:
    assert problems(file, text).startswith(said)


def test_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(BasesError) as caught:
        load_bases()
    assert str(caught.value) == (
        f"{file}: cannot be read: No such file or directory\n  hint: HARNESS_BASES names it"
    )
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BasesError, match="is not UTF-8 text"):
        load_bases()


def test_digests_are_written_and_nothing_else_changes(file: Path) -> None:
    file.write_text(TEXT, encoding="utf-8")
    digests = {
        "python:3.6-slim-bullseye": OTHER,
        "python:3.10-slim-bookworm": DIGEST,
        "tensorflow/tensorflow:2.9.1-gpu": OTHER,
        "python:3.99-slim": OTHER,
    }
    assert load_bases().with_digests(digests) == TEXT.replace(
        "python:3.6-slim-bullseye ", f"python:3.6-slim-bullseye@{OTHER} "
    ).replace(f"2.9.1-gpu@{DIGEST}", f"2.9.1-gpu@{OTHER}")


def test_a_digest_that_stands_on_another_line_is_not_guessed_at(file: Path) -> None:
    file.write_text(
        f'schema: 1\npython:\n  "3.11":\n    python:3.11-slim@{DIGEST}\n', encoding="utf-8"
    )
    with pytest.raises(BasesError) as caught:
        load_bases().with_digests({"python:3.11-slim": OTHER})
    assert str(caught.value) == (
        f"{file}:3 python.3.11: python:3.11-slim@{DIGEST} does not stand on the line of its key\n"
        "  hint: write both on one line"
    )
