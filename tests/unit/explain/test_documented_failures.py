"""How many of the failures that people wrote down the records explain.

They lie beside the repository, `../shared`: a catalogue of failures with what they print, and a
corpus of models with the errors that reading them gave.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.explain.explain import explain
from harness.explain.signatures import find
from harness.observation import Ending, Failure, Observation, Stage
from tests.support.fakes import cell
from tests.support.observed import observation

SHARED = Path(__file__).parents[4] / "shared"
FAILURES = SHARED / "facts" / "failures.yaml"
CORPUS = SHARED / "corpus" / "INDEX.yaml"

STAGES = {
    "resolve": (Stage.RESOLVE,),
    "import": (Stage.IMPORT,),
    "load": (Stage.LOAD,),
    "build_or_save": (Stage.LOAD, Stage.PREPARE),
    "inference": (Stage.INFER, Stage.PREPARE),
    "signature": (Stage.PREPARE,),
    "gpu_init": (Stage.IMPORT, Stage.INFER),
    "numbers": (Stage.LOAD, Stage.INFER),
    "script": (Stage.LOAD,),
}
"""Stages a record of the catalogue can end at here, by what it calls them."""

ELSEWHERE = {
    # pip's own words; uv installs here, and has others.
    "inst-no-wheel-for-python",
    "inst-from-versions-none",
    "inst-old-pip-manylinux",
    # Printed by runs that succeed too.
    "imp-protobuf-gencode-warning",
    "cpu-onednn-notice",
    "gpu-register-factory",
    "num-tf32",
    # What saving a model, another runner, or an old Keras's source line says.
    "serialize-eager-tensor",
    "api-safe-mode-kwarg",
    "k3-h5-args-ignored",
    "api-tf-keras-version-missing",
}
"""What no run of the probe can end with."""


def documented() -> Iterator[dict[str, Any]]:
    for record in yaml.safe_load(FAILURES.read_text("utf-8"))["records"]:
        if record["sample"] and record["id"] not in ELSEWHERE:
            yield record


@pytest.mark.skipif(not FAILURES.is_file(), reason="../shared/facts/failures.yaml is not there")
def test_the_failures_that_people_wrote_down_are_explained() -> None:
    records = list(documented())
    explained = {
        record["id"]
        for record in records
        if any(find(record["sample"], stage) for stage in STAGES[record["stage_class"]])
    }
    assert {record["id"] for record in records} - explained == {
        "inst-manylinux227-glibc"  # said by the import, where the catalogue has it at the install
    }
    assert len(explained) >= 90


def seen() -> Iterator[tuple[str, str, str]]:
    """Yield model, what was done with it and the error, cut off as it may be."""
    for entry in yaml.safe_load(CORPUS.read_text("utf-8"))["entries"]:
        for done in (entry.get("observed_here") or {}).values():
            for step, said in done.items():
                if isinstance(said, str) and said.startswith("ERR "):
                    yield entry["id"], step, said.removeprefix("ERR ")


def failed(said: str, stage: Stage) -> Observation:
    kind, _, message = said.partition(": ")
    failure = Failure(type=kind, message=message, traceback=f"Traceback\n{said}\n")
    return observation(cell(), ending=Ending.EXCEPTION, stage=stage, failure=failure)


@pytest.mark.skipif(not CORPUS.is_file(), reason="../shared/corpus is not there")
def test_no_error_of_the_corpus_is_unclassified() -> None:
    errors = list(seen())
    assert len(errors) > 40
    unexplained = [
        (model, said)
        for model, step, said in errors
        if explain(failed(said, Stage.LOAD if "load" in step else Stage.INFER)).code
        == "unclassified"
    ]
    assert not unexplained
