"""Small sweeps as the judge and `harness.explain` would hand them on: one with every verdict, and
one of a model that has several loaders, preprocessing, noise and a training state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from harness.cell import Cell, Distribution, Flags, Resolution
from harness.divergence import (
    Decided,
    DecisionKind,
    Divergence,
    Flip,
    NoiseFloor,
    OutputDivergence,
    Ranks,
)
from harness.observation import (
    Actual,
    Base,
    Ending,
    EnvironmentFacts,
    Image,
    Observation,
    Seconds,
    Stage,
)
from harness.plan.plan import IndexState, Plan, PlannedCell
from harness.report.build import build_table
from harness.report.table import Table
from harness.verdict import (
    Judgement,
    LoaderJudgement,
    Reason,
    Reference,
    Scores,
    TrainingJudgement,
    TrainingState,
    Verdict,
)
from tests.support.fakes import model
from tests.support.observed import seen

SEEN = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

DESCRIPTORS = Reason(
    code="protobuf-descriptors",
    message="TensorFlow's generated code is older than the protobuf that was installed",
    evidence=(
        "TypeError: Descriptors cannot be created directly.\n"
        "If this call came from a _pb2.py file, your generated code is out of date and must be"
        " regenerated with protoc >= 3.19.0."
    ),
    remedy="pin protobuf below 3.21",
)


class Row(NamedTuple):
    """One cell of the fake sweep with all that is known of it."""

    planned: PlannedCell
    judgement: Judgement
    observation: Observation | None
    others: tuple[Observation, ...] = ()


def declared(tensorflow: str, python: str, days: int = 0, **fields: object) -> Cell:
    """Return a cell whose TensorFlow was released `days` before it was seen."""
    distribution = Distribution(
        name="tensorflow-cpu", version=tensorflow, released=SEEN - timedelta(days=days)
    )
    return Cell.model_validate(
        {"tensorflow": tensorflow, "python": python, "distribution": distribution, **fields}
    )


def flip(sample: int, margin: float, *, near_tie: bool) -> Flip:
    """Return a decision for class 7 instead of class 3."""
    return Flip(
        index=(sample,),
        sample=sample,
        was=3,
        became=7,
        margin=margin,
        moved=2 * margin,
        allowed=2.4e-06,
        near_tie=near_tie,
    )


def distance(
    max_abs: float, max_ulp: int, changed: int = 0, status: str = "equivalent", *, near: int = 0
) -> Divergence:
    """Return the distance of a cell with one output of 64 decisions, of ten classes.

    `changed` of them changed, `near` of those on near ties.
    """
    margins = (max_abs / 2, max_abs / 4)
    flips = (
        *(
            flip(11 + i, margin, near_tie=False)
            for i, margin in enumerate(margins[: changed - near])
        ),
        *(flip(51 + i, margin, near_tie=True) for i, margin in enumerate(margins[:near])),
    )
    least = 1 - max_abs / 2
    decided = Decided(
        kind=DecisionKind.CLASS,
        detected=True,
        why="its rows sum to 1",
        near_ties=near,
        clear=changed - near,
        flips=flips,
        k=5,
        top_k_changed=changed,
        top_k_of=64,
        ranks=Ranks(
            over="classes", mean=(63 + least) / 64, least=least, at=11, count=64, length=10
        ),
    )
    output = OutputDivergence.model_validate(
        {
            "status": status,
            "shape": (64, 10),
            "decided": decided,
            "max_abs": max_abs,
            "max_rel": max_abs,
            "max_ulp": max_ulp,
            "decisions": 64,
            "decisions_changed": changed,
            "atol": 1e-6,
            "rtol": 1e-5,
        }
    )
    return Divergence(
        max_abs=max_abs,
        max_rel=max_abs,
        max_ulp=max_ulp,
        decisions_changed=changed,
        outputs={"probabilities": output},
    )


def ran(
    cell: Cell,
    verdict: Verdict,
    *,
    divergence: Divergence | None = None,
    stage: Stage | None = None,
    reason: Reason | None = None,
    versions: tuple[str, str, str] | None = None,
    judged: dict[str, object] | None = None,
    others: tuple[LoaderJudgement, ...] = (),
    **fields: object,
) -> Row:
    """Return a cell that was run in a Docker image; `versions` are of Python, NumPy and Keras.

    `fields` change its observation, `judged` its judgement; `others` are its further loaders.
    """
    python, numpy, keras = versions or (None, None, None)
    image = Image(
        tag=f"tensorflow-environment-matrix:{cell.python}0c4f", digest="sha256:" + "ab" * 32
    )
    facts = EnvironmentFacts(
        lock_digest="c" * 64,
        distribution="tensorflow-cpu",
        base=Base(kind="registry", reference=f"python:{cell.python}-slim"),
        image=image,
        builder="buildkit",
        installer="uv 0.9.8",
    )
    observation = Observation.model_validate(
        {
            "cell": cell.id,
            "key": "k",
            "engine": "docker",
            "loader": "saved_model.load",
            "ending": Ending.COMPLETED if stage is None else Ending.EXCEPTION,
            "stage": stage,
            "environment": facts,
            "actual": Actual(
                tensorflow=cell.tensorflow if versions else None,
                python=python,
                numpy=numpy,
                keras=keras,
                device="CPU" if versions else None,
            ),
            "seconds": Seconds(build=18.8, import_=2.05, load=0.31, infer=0.04)
            if stage is None
            else Seconds(build=12.0),
            "observed": SEEN,
            **fields,
        }
    )
    first = LoaderJudgement(
        name=observation.loader, verdict=verdict, stage=stage, reason=reason, divergence=divergence
    )
    judgement = Judgement(
        cell=cell.id,
        verdict=verdict,
        stage=stage,
        reason=reason,
        divergence=divergence,
        accuracy=0.96875 if divergence is not None else None,
        deterministic=observation.deterministic,
        loaders=(first, *others),
    ).model_copy(update=judged or {})
    tried = tuple(observation.model_copy(update={"loader": one.name}) for one in others)
    return Row(PlannedCell(cell=cell), judgement, observation, tried)


def left_out(cell: Cell, verdict: Verdict, reason: Reason) -> Row:
    """Return a cell that could not be run."""
    planned = PlannedCell(cell=cell, unavailable=reason, infrastructure=verdict is Verdict.SKIPPED)
    return Row(planned, Judgement(cell=cell.id, verdict=verdict, reason=reason), None)


def sweep_rows() -> tuple[Row, ...]:
    """Return one cell or two of every verdict."""
    today = Resolution.TODAY
    return (
        ran(
            declared("2.4.4", "3.8", 1400),
            Verdict.EQUIVALENT,
            divergence=distance(1.19e-07, 3),
            versions=("3.8.20", "1.19.5", "2.4.0"),
            cached=True,
        ),
        ran(
            declared("2.4.4", "3.8", 1400, resolution=today),
            Verdict.FAILED,
            stage=Stage.IMPORT,
            reason=DESCRIPTORS,
        ),
        left_out(
            Cell(tensorflow="2.4.4", python="3.11"),
            Verdict.UNAVAILABLE,
            Reason(
                code="no-wheel",
                message="TensorFlow 2.4.4 has no wheel for CPython 3.11 on linux x86_64",
            ),
        ),
        ran(
            declared("2.5.3", "3.9", 1300, resolution=today),
            Verdict.FAILED,
            stage=Stage.IMPORT,
            reason=DESCRIPTORS.model_copy(
                update={"evidence": "TypeError: Descriptors cannot be created directly."}
            ),
        ),
        ran(
            declared("2.10.1", "3.10", 1000),
            Verdict.MISLABELLED,
            reason=Reason(
                code="mislabelled",
                message="NumPy 1.24.4 ran, the lock has 1.23.5",
                evidence="NumPy 1.24.4 ran, the lock has 1.23.5",
            ),
            versions=("3.10.15", "1.24.4", "2.10.0"),
        ),
        ran(
            declared("2.15.1", "3.11", 600),
            Verdict.IDENTICAL,
            divergence=distance(0.0, 0, status="identical"),
            versions=("3.11.7", "1.26.4", "2.15.0"),
        ),
        ran(
            declared(
                "2.15.1",
                "3.11",
                600,
                flags=Flags(name="onednn-off", variables={"TF_ENABLE_ONEDNN_OPTS": "0"}),
            ),
            Verdict.EQUIVALENT,
            divergence=distance(9.54e-07, 6, 1, near=1),
            versions=("3.11.7", "1.26.4", "2.15.0"),
            deterministic=False,
        ),
        left_out(
            declared("2.15.1", "3.11", 600, device="cuda"),
            Verdict.SKIPPED,
            Reason(
                code="no-gpu",
                message="this machine has no NVIDIA GPU",
                remedy="run it on a machine with one",
            ),
        ),
        ran(
            declared("2.16.2", "3.12", 500, note="3.13 has wheels too, but cannot be got here"),
            Verdict.DIVERGED,
            divergence=distance(0.0832, 1_390_000, 2, "diverged"),
            reason=Reason(
                code="decisions",
                message=(
                    "output 'probabilities': differs by up to 0.083 (rel 0.083), 41 of 640 elements"
                    " beyond atol 1e-06, rtol 1e-05; 2 of 64 decisions changed"
                ),
                evidence=(
                    "sample 11: class 3 became class 7; margin 0.042, beyond the 2.4e-06 that"
                    " counts as equal\nsample 12: class 3 became class 7; margin 0.021, beyond the"
                    " 2.4e-06 that counts as equal"
                ),
            ),
            versions=("3.12.7", "1.26.4", "3.4.1"),
        ),
        ran(
            declared("2.20.0", "3.13", 100),
            Verdict.FAILED,
            stage=Stage.LOAD,
            reason=Reason(
                code="unclassified",
                message="ValueError: Unable to open object | `keras` \x1b[31mred\x1b[0m",
                evidence="ValueError: " + "frame of a very long traceback; " * 60 + "the end",
            ),
            versions=("3.13.0", "2.1.3", "3.11.3"),
        ),
        ran(
            declared("2.21.0", "3.13", 30),
            Verdict.UNKNOWN,
            stage=Stage.BUILD,
            reason=Reason(
                code="infrastructure",
                message="No space left on device",
                remedy="free some disk (`harness clean` helps) and run the same command again",
            ),
        ),
    )


NO_SAVED_MODEL = Reason(
    code="keras3-no-saved-model",
    message="Keras 3 does not load a SavedModel as a Keras model",
    remedy="Load it with tf.saved_model.load or TFSMLayer, or with tf-keras.",
)
KEPT = TrainingJudgement(
    state=TrainingState.KEPT,
    message="Adam, 8 of 8 slot variables, 120 steps made; loss 0.5 before and 0.25 after one step",
)
LOST = TrainingJudgement(
    state=TrainingState.LOST, message="0 of 8 slot variables hold what the files hold"
)
_KERAS, _COMPILED, _LAYER = "keras.load_model", "keras.load_model.compiled", "TFSMLayer"


def _agrees(name: str, training: TrainingJudgement | None = None) -> LoaderJudgement:
    return LoaderJudgement(
        name=name,
        verdict=Verdict.IDENTICAL,
        divergence=distance(0.0, 0, status="identical"),
        training=training,
    )


def _refuses(name: str) -> LoaderJudgement:
    return LoaderJudgement(
        name=name, verdict=Verdict.FAILED, stage=Stage.LOAD, reason=NO_SAVED_MODEL
    )


def _of_inputs(far: Divergence) -> Divergence:
    """Return a distance of inputs, which decide nothing."""
    output = far.outputs["probabilities"].model_copy(
        update={
            "decisions": None,
            "decisions_changed": None,
            "decided": None,
            "mismatched": 3,
            "total": 640,
        }
    )
    return far.model_copy(update={"outputs": {"image": output}, "decisions_changed": None})


def _by_noise(far: Divergence) -> Divergence:
    """Return a distance that is beyond tolerance and within noise."""
    output = far.outputs["probabilities"].model_copy(update={"mismatched": 9, "total": 640})
    return far.model_copy(update={"outputs": {"probabilities": output}})


def causes_rows() -> tuple[Row, ...]:
    """Return cells whose loaders, preprocessing, repeats and training states differ."""
    same = distance(0.0, 0, status="identical")
    far = distance(0.31, 3_700_000, 5, "diverged")
    scores = {"scores": Scores(top1=0.96875, top_k=1.0, k=5)}
    slow = "tf.keras is deprecated here"
    return (
        ran(
            declared("1.15.5", "3.7"),
            Verdict.DIVERGED,
            divergence=far,
            stage=Stage.PREPROCESS,
            reason=Reason(
                code="preprocessing-differs",
                message="preprocess.py gives other inputs here: input 'image' has dtype float64, "
                "the reference has float32; on equal inputs the model itself agrees bit for bit",
            ),
            versions=("3.7.16", "1.18.5", "2.2.4-tf"),
            ending=Ending.COMPLETED,
            judged={
                **scores,
                "preprocess": Divergence(
                    outputs={"image": OutputDivergence(status="dtype", dtype="float64")}
                ),
                "equal_inputs": same,
            },
            loader="session",
            others=(_agrees(_KERAS), _agrees(_COMPILED, LOST)),
        ),
        ran(
            declared("2.4.4", "3.8"),
            Verdict.EQUIVALENT,
            divergence=_by_noise(distance(0.12, 2_100_000)),
            reason=Reason(
                code="nondeterministic",
                message="repeats of the inference in this environment disagree by up to 0.1",
                remedy="Save the model with dropout in inference mode.",
            ),
            versions=("3.8.20", "1.19.5", "2.4.0"),
            deterministic=False,
            warnings=(slow, "2 of 9 warnings are odd"),
            judged={
                **scores,
                "noise_floor": NoiseFloor(max_abs=0.1, max_ulp=1_700_000),
                "preprocess": _of_inputs(distance(0.002, 17, status="diverged")),
                "equal_inputs": distance(1.2e-07, 2),
            },
            others=(
                LoaderJudgement(
                    name="session",
                    verdict=Verdict.DIVERGED,
                    divergence=far,
                    reason=Reason(code="decisions", message="output 'probabilities' differs"),
                ),
                _agrees(_KERAS),
                _agrees(_COMPILED, KEPT),
            ),
        ),
        ran(
            declared("2.15.1", "3.11"),
            Verdict.IDENTICAL,
            divergence=same,
            versions=("3.11.7", "1.26.4", "2.15.0"),
            deterministic=True,
            warnings=(slow,),
            judged={**scores, "preprocess": same, "equal_inputs": same},
            others=(_agrees("session"), _agrees(_KERAS), _agrees(_COMPILED, KEPT)),
        ),
        *(
            ran(
                declared(version, "3.13"),
                Verdict.IDENTICAL,
                divergence=same,
                versions=("3.13.0", "2.1.3", "3.11.3"),
                deterministic=True,
                judged={**scores, "preprocess": same, "equal_inputs": same},
                others=(
                    _agrees("session"),
                    _refuses(_KERAS),
                    _refuses(_COMPILED),
                    _agrees(_LAYER),
                ),
            )
            for version in ("2.16.2", "2.21.0")
        ),
    )


def sweep_plan(rows: tuple[Row, ...] | None = None) -> Plan:
    """Return the plan of the fake sweep, with an exclusion and an index that did not answer."""
    return Plan(
        cells=tuple(row.planned for row in rows or sweep_rows()),
        excluded=((declared("2.5.3", "3.9", 1300), "its wheels need AVX-512 on our machines"),),
        index=IndexState(
            retrieved=SEEN - timedelta(days=3),
            source="stale-cache",
            note="the package index did not answer; answers of 2026-11-17 09:30 UTC were used",
        ),
        notes=("tensorflow >=2.4: 2.14 is left out, it was yanked",),
    )


def sweep_table(
    rows: tuple[Row, ...] | None = None,
    *,
    recommendation: tuple[str | None, str] = (
        "tf2.15.1-py3.11-cpu",
        "the newest cell with default pins and flags of the 3 (of 11) that agree with the"
        " reference: it is the reference itself",
    ),
    **fields: object,
) -> Table:
    """Return the table of `rows`, or of the fake sweep."""
    rows = sweep_rows() if rows is None else rows
    table = build_table(
        model=model(Path("digits"), name="digits", digest="4f3a9c21b07e" + "0" * 52),
        engine="docker",
        engine_description=(
            "docker engine: Docker 28.2.2, BuildKit, images on python:X-slim; no network, read-only"
        ),
        sweep="20261120-093000",
        plan=sweep_plan(rows),
        seen=seen(
            (row.observation for row in rows if row.observation is not None),
            others=(other for row in rows for other in row.others),
        ),
        judgements=[row.judgement for row in rows],
        reference=Reference(
            cell="tf2.15.1-py3.11-cpu", why="the model's files say TensorFlow 2.15.1 wrote it"
        ),
        recommendation=recommendation,
    )
    return table.model_copy(update=fields)
