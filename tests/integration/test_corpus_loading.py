"""Real models of many authors in one real release, held to what the corpus's index saw there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from harness.environments.choose import choose_engine
from harness.model.model import Format, Model
from harness.observation import Stage
from harness.pipeline import Job, run_matrix
from harness.plan.matrix import load_matrix
from harness.planning import plan_models
from harness.report.table import LoaderRow, Table
from harness.sweep.progress import SilentDisplay
from harness.verdict import Verdict
from tests.support.corpus import CORPUS, entries, read_entries

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        not (CORPUS / "INDEX.yaml").is_file(), reason="../shared/corpus is not there"
    ),
]

SEEN = "tf2.15.1+keras2.15.0/py3.11"
MATRIX = """\
schema: 1
tensorflow: ["2.15.1"]
python: ["3.11"]
limits: {timeout: 180, memory: 4g, cpus: 1, output: 200m}
"""
LOADERS = {"load": 0, "v1_load": "session", "keras_load": "keras.load_model"}
"""Which loader stands for what the index names; 0: the first one."""

Rows = Mapping[str, Mapping[str, LoaderRow]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    return read_entries(tmp_path_factory.mktemp("corpus"))[0]


@pytest.fixture(scope="module")
def rows(models: dict[str, Model], tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """What every loader came to, by id of the entry and name of the loader, the first one first."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "matrix.yaml").write_text(MATRIX)
    matrix = load_matrix(folder / "matrix.yaml")
    chosen = choose_engine("venv")
    job = Job(
        models=plan_models(matrix, chosen.engine, tuple(models.values())),
        matrix=matrix,
        chosen=chosen,
        reference="auto",
        results=folder,
    )
    swept = run_matrix(job, SilentDisplay())
    tables = [each.table for each in swept if isinstance(each.table, Table)]
    assert len(tables) == len(models)
    return {
        entry: {loader.name: loader for loader in table.cells[0].loaders}
        for entry, table in zip(models, tables, strict=True)
    }


def index() -> list[Any]:
    return [
        pytest.param(entry, id=entry["id"])
        for entry in entries()
        if SEEN in (entry["observed_here"] or {})
    ]


def of_index(found: Mapping[str, LoaderRow], name: str) -> LoaderRow | None:
    loader = LOADERS.get(name)
    return next(iter(found.values())) if loader == 0 else found.get(str(loader))


@pytest.mark.parametrize("entry", index())
def test_loads_where_the_index_saw_it_load(
    entry: dict[str, Any], models: dict[str, Model], rows: Rows
) -> None:
    if entry["id"] not in models:
        pytest.skip("it is refused before any environment is made: see test_corpus_inspection")
    if models[entry["id"]].format in (Format.CHECKPOINT, Format.HDF5_WEIGHTS):
        [reason] = {row.reason.code for row in rows[entry["id"]].values() if row.reason}
        assert reason == "build-missing"  # the index only listed the variables
        return
    for name, seen in entry["observed_here"][SEEN].items():
        row = of_index(rows[entry["id"]], name)
        if row is not None:
            assert (row.stage is Stage.LOAD) == str(seen).startswith("ERR"), (name, seen, row)


def test_every_failure_has_a_reason(rows: Rows) -> None:
    failed = [
        (entry, row.name, row.reason)
        for entry, found in rows.items()
        for row in found.values()
        if row.verdict is Verdict.FAILED
    ]
    assert failed
    assert not [each for each in failed if each[2] is None or each[2].code == "unclassified"]


def test_most_of_them_run(rows: Rows) -> None:
    """More would be a gift, fewer a loss; the index explains those that fail."""
    ran = [entry for entry, found in rows.items() if next(iter(found.values())).stage is None]
    assert len(ran) >= 85, len(ran)
