"""What is said of noise: how far an output moves, when what is varied, and what that means."""

from __future__ import annotations

from collections.abc import Mapping

from harness.judge.noise import Kind, Noise
from harness.text import one_line
from harness.verdict import Reason

__all__ = ["moves", "moves_of", "why_ill_conditioned", "why_noise", "why_nondeterministic"]

_EVIDENCE_LINES = 20
_REPEATS = (
    "Save the model so that dropout and batch normalisation are in inference mode "
    "(training=False), and look for random operations in it."
)
_SENSITIVE = (
    "No environment can give these numbers more exactly. Look for a difference of nearly equal "
    "numbers, a division by nearly nothing, or many steps that each enlarge what was rounded; or "
    "compute that part in float64."
)
_THREADS = "Set the same intra_op and inter_op thread counts wherever the model runs."

_MOVES = {
    Kind.REPEAT: "repeats disagree",
    Kind.ULP: "one ULP of the inputs moves it",
    Kind.THREADS: "other thread counts move it",
    Kind.BATCH: "another batch size moves it",
}


def moves(noise: Noise) -> str:
    """Return what moves an output, and how far: `repeats disagree by up to 0.1`."""
    return f"{_MOVES[noise.kind]}{_by({'': noise})}"


def moves_of(noises: Mapping[str, Noise]) -> str:
    """Return the same of several outputs, of which the one that moves farthest speaks for all."""
    if not noises:
        return f"{_MOVES[Kind.REPEAT]}{_by({})}"
    return f"{_MOVES[_worst(noises)[1].kind]}{_by(noises)}"


def why_nondeterministic(
    own: Mapping[str, Noise], reference: Mapping[str, Noise], *, deterministic: bool
) -> Reason:
    """Return the reason of a cell that agrees, where its repeats or the reference's do not.

    `own` and `reference` are the measured noise of the cell and of the reference; `deterministic`
    says that the cell's repeats agree, so that the reference's noise alone explains its distance.
    """
    place = "in the reference's environment" if deterministic else "in this environment"
    measured = reference if deterministic else own
    return Reason(
        code="nondeterministic",
        message=f"repeats of the inference {place} disagree{_by(measured)}",
        evidence=_evidence(measured),
        remedy=_REPEATS if any(one.beyond for one in measured.values()) else "",
    )


def why_ill_conditioned(sensitive: Mapping[str, Noise]) -> Reason:
    """Return the reason of a cell that agrees, as far as its outputs are determined at all.

    `sensitive` are those that one unit in the last place of the inputs moves beyond tolerance.
    """
    name, worst = _worst(sensitive)
    quoted = f"output '{one_line(name, 80)}'"
    if worst.differing:
        far = f"changes {worst.differing} element{_plural(worst.differing)} of {quoted}"
    else:
        share = "" if worst.max_rel is None else f" (rel {worst.max_rel:.2g})"
        far = f"moves {quoted} by up to {worst.max_abs:.2g}{share}, which is beyond tolerance"
    return Reason(
        code="ill-conditioned",
        message=f"one ULP of the inputs {far}: smaller differences say nothing",
        evidence=_evidence(sensitive),
        remedy=_SENSITIVE,
    )


def why_noise(explained: Mapping[str, Noise]) -> Reason:
    """Return the reason of a cell that is beyond tolerance and within what else was varied."""
    name, worst = _worst(explained)
    threads = any(one.kind is Kind.THREADS for one in explained.values())
    return Reason(
        code="noise",
        message=f"output '{one_line(name, 80)}' is within noise: {moves(worst)}",
        evidence=_evidence(explained),
        remedy=_THREADS if threads else "",
    )


def _worst(noises: Mapping[str, Noise]) -> tuple[str, Noise]:
    return max(noises.items(), key=lambda pair: (pair[1].max_abs or 0.0, pair[1].differing))


def _evidence(noises: Mapping[str, Noise]) -> str:
    return "\n".join(
        f"output '{one_line(name, 80)}': {moves(one)}"
        for name, one in list(noises.items())[:_EVIDENCE_LINES]
    )


def _by(noises: Mapping[str, Noise]) -> str:
    """Return how much outputs move, to follow what moves them."""
    worst = max((one.max_abs or 0.0 for one in noises.values()), default=0.0)
    if worst:
        return f" by up to {worst:.2g}"
    differing = max((one.differing for one in noises.values()), default=0)
    if differing:
        return f" in {differing} element{_plural(differing)}"
    return ", by how much cannot be told"


def _plural(count: int) -> str:
    return "" if count == 1 else "s"
