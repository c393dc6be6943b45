"""What is known of operations by their names: which are TensorFlow's own, which are random."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

__all__ = ["foreign", "is_random"]

_CORE = Path(__file__).with_name("core_ops.txt")
_RELEASES = "1.15, 2.4, 2.8, 2.15 and 2.21"
"""Those that `core_ops.txt` was read from."""

# How names of well-known packages begin: from the REGISTER_OP lines of their repositories.
_PACKAGES = (
    ("Addons>", "tensorflow-addons"),
    ("IO>", "tensorflow-io"),
    ("TFText>", "tensorflow-text"),
    ("Sentencepiece", "tensorflow-text"),
    ("RegexSplitWithOffsets", "tensorflow-text"),
    ("WordpieceTokenizeWithOffsets", "tensorflow-text"),
    ("WhitespaceTokenizeWithOffsets", "tensorflow-text"),
    ("UnicodeScriptTokenizeWithOffsets", "tensorflow-text"),
    ("NormalizeUTF8", "tensorflow-text"),
    ("CaseFoldUTF8", "tensorflow-text"),
    ("SimpleML", "tensorflow-decision-forests"),
    ("Horovod", "horovod"),
    ("Tfq", "tensorflow-quantum"),
    ("EntropyEncode", "tensorflow-compression"),
    ("EntropyDecode", "tensorflow-compression"),
    ("Reverb", "dm-reverb"),
    ("TRTEngineOp", "a TensorFlow built with TensorRT"),
)

_RANDOM = re.compile(
    r"Random(StandardNormal|Uniform(Int)?|Gamma|Poisson(V2)?|Shuffle|Crop|Dataset(V2)?)|"
    r"(Truncated|ParameterizedTruncated)Normal|Multinomial|"
    r"Stateful(StandardNormal(V2)?|TruncatedNormal|Uniform(FullInt|Int)?|RandomBinomial)|"
    r"\w*CandidateSampler|SampleDistortedBoundingBox(V2)?|AnonymousRandomSeedGenerator|"
    r"Shuffle(AndRepeat)?Dataset(V2|V3)?"
)


def foreign(name: str) -> str | None:
    """Return why an operation is not TensorFlow's own; None where it may be."""
    if name in _core():
        return None
    if (package := _package(name)) is not None:
        return f"of {package}"
    if ">" in name:
        space = name.split(">", 1)[0]
        return f"registered in the namespace {space}, which is not TensorFlow's"
    return f"not among the operations of TensorFlow {_RELEASES}"


def is_random(name: str) -> bool:
    """Tell whether an operation draws random numbers that its inputs do not determine.

    `Stateless...` operations take their seed as an input; they are left out.
    """
    return _RANDOM.fullmatch(name) is not None


def _package(name: str) -> str | None:
    return next((package for start, package in _PACKAGES if name.startswith(start)), None)


@cache
def _core() -> frozenset[str]:
    lines = _CORE.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
