"""Runs the models, and puts each one's observations together in one folder, to be judged there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.cell import Flags
from harness.environments.choose import choose_engine
from harness.observation import Observation
from harness.pipeline import Job, Swept, run_matrix
from harness.plan.matrix import load_matrix
from harness.plan.plan import PlannedCell
from harness.planning import plan_models, read_models
from harness.store.layout import SweepFolder
from harness.store.observations import load_observation, rewrite
from harness.store.results import load_record, save_record
from harness.sweep.progress import SilentDisplay
from tests.ground_truth.folders import TENSORFLOW, Label, Made, make_folders
from tests.ground_truth.subjects import Subject

__all__ = ["DRAWS", "REFERENCE", "sweep"]

REFERENCE = TENSORFLOW.id
"""The plain run of 2.15.1, with which everything else of a model is compared."""

DRAWS = "draws"

_GRAPHS = ("saved_model", "graph_def")

_MATRIX = """\
schema: 1
tensorflow: ["2.15.1"]
python: ["3.11"]
flags:
  default: {}
  onednn-off: {TF_ENABLE_ONEDNN_OPTS: "0"}
  onednn-on: {TF_ENABLE_ONEDNN_OPTS: "1"}
  one-thread: {intra_op_threads: 1, inter_op_threads: 1}
  avx: {ONEDNN_MAX_CPU_ISA: AVX}
  sse41: {ONEDNN_MAX_CPU_ISA: SSE41}
"""
_XLA = """\
  xla:
    TF_XLA_FLAGS: >-
      --tf_xla_auto_jit=2 --tf_xla_cpu_global_jit --tf_xla_min_cluster_size=1
"""
"""It compiles what is a graph; Keras's own models are called operation by operation."""
_RELEASES = """\
include: [{tensorflow: 2.4.4}, {tensorflow: 2.8.4}, {tensorflow: 2.21.0}]
"""
_REST = "reference: tf2.15.1-py3.11-cpu\nlimits: {timeout: 180, memory: 4g, cpus: 2, output: 1g}\n"
_ONE = f'schema: 1\ntensorflow: ["2.15.1"]\npython: ["3.11"]\n{_REST}'


def sweep(subjects: Sequence[Subject], folder: Path, *, quick: bool = False) -> None:
    """Run `subjects` and all their changes; leave `folder/<subject>` to be judged.

    What `quick` leaves out: three other TensorFlow releases; and `folder/<subject>-draws`, further
    runs of the model from which noise floors can be computed.
    """
    work = folder / "work"
    models = make_folders(subjects, choose_engine("venv").engine, work / "models", draws=not quick)
    base = [one for one in models if one.label is Label.BASE]
    graphs = [one for one in base if one.subject.form in _GRAPHS]
    eager = [one for one in base if one.subject.form not in _GRAPHS]
    end = ("" if quick else _RELEASES) + _REST
    swept = {
        **_run(eager, _MATRIX + end, work),
        **_run(graphs, _MATRIX + _XLA + end, work),
        **_run([one for one in models if one.label is not Label.BASE], _ONE, work),
    }
    for one in base:
        changed = [other for other in models if other.subject is one.subject and other is not one]
        draws = [other for other in changed if other.label is Label.DRAW]
        pairs = [other for other in changed if other.label is not Label.DRAW]
        name = one.subject.name
        paired = [(other.change, swept[other.path]) for other in pairs]
        _together(swept[one.path], paired, folder / name)
        if draws:
            drawn = [(other.change, swept[other.path]) for other in draws]
            _together(swept[one.path], drawn, folder / f"{name}-{DRAWS}")
    shutil.rmtree(work)


def _run(models: Sequence[Made], matrix_text: str, work: Path) -> dict[Path, Swept]:
    if not models:
        return {}
    path = work / "matrix.yaml"
    path.write_text(matrix_text)
    matrix, chosen = load_matrix(path), choose_engine("venv")
    job = Job(
        models=plan_models(matrix, chosen.engine, read_models([one.path for one in models])),
        matrix=matrix,
        chosen=chosen,
        reference=matrix.reference,
        results=work / "results",
        jobs=min(2, os.cpu_count() or 1),
    )
    swept = run_matrix(job, SilentDisplay())
    return {one.path: each for one, each in zip(models, swept, strict=True)}


def _together(base: Swept, changed: Sequence[tuple[str, Swept]], target: Path) -> None:
    """Put the observations of changed models beside the base's: cells of one sweep, by change.

    The model they are of is told by the name alone, so what judges them takes them for the same
    model in other environments.
    """
    shutil.copytree(base.folder.path, target)
    folder, record = SweepFolder(target), load_record(SweepFolder(target))
    (plain,) = (one for one in record.plan.cells if one.cell.id == REFERENCE)
    cells = list(record.plan.cells)
    for change, swept in changed:
        cell = plain.cell.model_copy(update={"flags": Flags(name=change)})
        shutil.copytree(swept.folder.cell(REFERENCE).path, folder.cell(cell.id).path)
        observation = load_observation(folder.cell(cell.id))
        assert isinstance(observation, Observation), f"{target.name}: {change} left nothing"
        rewrite(folder.cell(cell.id), observation.model_copy(update={"cell": cell.id}))
        cells.append(PlannedCell(cell=cell))
    plan = record.plan.model_copy(update={"cells": tuple(cells)})
    save_record(folder, record.model_copy(update={"plan": plan}))
