"""Observations and their judgements to the table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from harness.judge.seen import Seen
from harness.judge.words import describe, gravest
from harness.model.model import Model
from harness.observation import Observation
from harness.plan.plan import Plan, PlannedCell
from harness.report.table import (
    ActualRow,
    CellRow,
    DistanceRow,
    ExcludedRow,
    LoaderRow,
    ModelRow,
    Recommendation,
    Table,
)
from harness.verdict import (
    AgreementClass,
    Arbiter,
    Border,
    Judgement,
    LoaderJudgement,
    Reference,
    Verdict,
)

__all__ = ["build_table"]


def build_table(
    *,
    model: Model,
    engine: Literal["docker", "venv"],
    engine_description: str,
    sweep: str,
    plan: Plan,
    seen: Seen,
    judgements: Sequence[Judgement],
    reference: Reference,
    recommendation: tuple[str | None, str],
    classes: tuple[AgreementClass, ...] = (),
    borders: tuple[Border, ...] = (),
    dropped: Collection[str] = (),
    arbiter: Arbiter | None = None,
) -> Table:
    """Return the table of a sweep: one row for each cell of the plan, in the plan's order.

    Every cell has a judgement; `seen` lacks the cells that never ran. `recommendation` is the id
    of the cell to deploy, or None, and why. `dropped` are tags of images that are gone again.
    """
    judged = {judgement.cell: judgement for judgement in judgements}
    letters = {name: one.name for one in classes for name in one.members}
    truth = {} if arbiter is None else {one.cell: one.rms_ulp for one in arbiter.distances}
    rows = tuple(
        _marked(_row(planned, judged[planned.cell.id], seen), dropped).model_copy(
            update={
                "agreement": letters.get(planned.cell.id),
                "truth_distance": truth.get(planned.cell.id),
            }
        )
        for planned in plan.cells
    )
    chosen, why = recommendation
    row = next((row for row in rows if row.id == chosen), None)
    image = None if row is None or row.image is None else row.image.pushed or row.image.tag
    if row is not None and row.dropped:
        why += f"; its image was dropped to make room (--disk): --only {row.id} makes it again"
    return Table(
        model=ModelRow(
            name=model.name, digest=model.digest, format=model.format, wrote=_wrote(model)
        ),
        engine=engine,
        engine_description=engine_description,
        sweep=sweep,
        reference=reference,
        cells=rows,
        recommendation=Recommendation(cell=chosen, image=image, why=why),
        classes=classes,
        borders=borders,
        index=plan.index,
        excluded=tuple(ExcludedRow(id=cell.id, reason=reason) for cell, reason in plan.excluded),
        notes=(*model.notes, *plan.notes),
        arbiter=arbiter,
    )


def _marked(row: CellRow, dropped: Collection[str]) -> CellRow:
    gone = row.image is not None and row.image.tag in dropped
    return row.model_copy(update={"dropped": True}) if gone else row


def _wrote(model: Model) -> str | None:
    writers = (("TensorFlow", model.writer.tensorflow), ("Keras", model.writer.keras))
    return ", ".join(f"{name} {version}" for name, version in writers if version) or None


def _row(planned: PlannedCell, judgement: Judgement, seen: Seen) -> CellRow:
    cell = planned.cell
    row = CellRow(
        id=cell.id,
        tensorflow=cell.tensorflow,
        python=cell.python,
        device=cell.device,
        resolution=cell.resolution,
        pins=cell.pins.name,
        flags=cell.flags.name,
        verdict=judgement.verdict,
        stage=judgement.stage,
        reason=judgement.reason,
        divergence=judgement.divergence,
        noise_floor=judgement.noise_floor,
        accuracy=judgement.accuracy,
        scores=judgement.scores,
        deterministic=judgement.deterministic,
        preprocess=judgement.preprocess,
        equal_inputs=judgement.equal_inputs,
        training=judgement.training,
        loaders=tuple(_loader(one) for one in judgement.loaders),
        note=cell.note,
    )
    observation = seen.observations.get(cell.id)
    if observation is None:
        return row
    others = seen.others.get(cell.id, ())
    said = (*_about_inputs(judgement), *_about_batch(judgement))
    warnings = dict.fromkeys((*said, *_warnings(observation, *others)))
    return _with_observation(row, observation).model_copy(update={"warnings": tuple(warnings)})


def _loader(judgement: LoaderJudgement) -> LoaderRow:
    far = judgement.divergence
    return LoaderRow(
        name=judgement.name,
        verdict=judgement.verdict,
        stage=judgement.stage,
        reason=judgement.reason,
        divergence=None if far is None else DistanceRow(**far.model_dump(exclude={"outputs"})),
        training=judgement.training,
    )


def _about_inputs(judgement: Judgement) -> Iterator[str]:
    """Say where the outputs agree though `preprocess.py` made other inputs."""
    agrees = judgement.verdict in (Verdict.IDENTICAL, Verdict.EQUIVALENT)
    if agrees and judgement.preprocess is not None:
        for name, output in gravest(judgement.preprocess)[:1]:
            yield (
                "preprocess.py gives other inputs here, though the outputs agree: "
                + describe(name, output, "input")
            )


def _about_batch(judgement: Judgement) -> Iterator[str]:
    """Say where outputs depend on what else is in the batch, which is no noise."""
    floor = judgement.noise_floor
    if floor is not None and floor.not_counted:
        far = max(floor.by[name] for name in floor.not_counted)
        yield (
            "the outputs of a sample depend on what else is in its batch: fed in parts they move"
            f" by up to {far:.2g}, which is no noise; is batch normalisation in training mode?"
        )


def _warnings(*observations: Observation) -> Iterator[str]:
    for observation in observations:
        yield from observation.warnings


def _with_observation(row: CellRow, seen: Observation) -> CellRow:
    made = seen.environment
    actual = seen.actual.model_dump(include=set(ActualRow.model_fields))
    return row.model_copy(
        update={
            "loader": seen.loader,
            "actual": ActualRow(
                **actual, distribution=made.distribution if made is not None else None
            ),
            "cuda": seen.cuda,
            "seconds": seen.seconds,
            "cached": seen.cached,
            "observed": seen.observed,
            "lock": made.lock_digest if made is not None else None,
            "image": made.image if made is not None else None,
            "base": made.base if made is not None else None,
            "builder": made.builder if made is not None else None,
        }
    )
