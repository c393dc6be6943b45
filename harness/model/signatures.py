"""Which signature of a model is called, and whether `model.yaml` fits it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import ModelError, Problem, nearest
from harness.model.arrays import describe
from harness.model.locate import Located
from harness.model.model import Format, Signature
from harness.model.settings import Settings

__all__ = ["chosen_signature", "settings_problems"]

_DEFAULT = "serving_default"
_ALL = "*"


def chosen_signature(
    located: Located, signatures: tuple[Signature, ...], settings: Settings
) -> Signature | None:
    """Return the one `model.yaml` names, else `serving_default`, else the only one.

    None where a Keras model does not say what it takes; it can be called nevertheless.

    Raises:
        ModelError: a SavedModel has none, not the one that is named, or several and no default.
    """
    if located.format is not Format.SAVED_MODEL:
        return signatures[0] if signatures else None
    by_name = {signature.name: signature for signature in signatures}
    wanted = settings.signature or (_DEFAULT if len(by_name) != 1 else next(iter(by_name)))
    if wanted in by_name:
        return by_name[wanted]
    listed = ", ".join(by_name)
    if not by_name:
        problem = Problem(
            where=str(located.path),
            what="has no signature, so nothing to call",
            hint="save it with `signatures=`, as `tf.saved_model.save` takes it",
        )
    elif settings.signature is not None:
        problem = Problem(
            where=settings.where("signature"),
            what=f"the model has no signature {wanted!r}",
            allowed=listed,
            hint=nearest(wanted, by_name),
        )
    else:
        problem = Problem(
            where=str(located.path),
            what=f"has {len(by_name)} signatures and none is called {_DEFAULT}",
            allowed=listed,
            hint="name one in model.yaml (`signature:`)",
        )
    raise ModelError([problem])


def settings_problems(settings: Settings, signature: Signature | None) -> list[Problem]:
    """Return what `model.yaml` says of inputs and outputs that the signature does not have."""
    if signature is None:
        return []
    inputs = {spec.name: spec for spec in signature.inputs}
    problems = []
    for name, given in settings.inputs.items():
        if name not in inputs:
            problems.append(_unknown(settings.where("inputs", name), "input", name, inputs))
        elif given.shape is not None and not _fits(given.shape, inputs[name].shape):
            problems.append(
                Problem(
                    where=settings.where("inputs", name, "shape"),
                    what=f"{list(given.shape)} is not a shape of this input",
                    allowed=describe(inputs[name]),
                )
            )
    outputs = [spec.name for spec in signature.outputs]
    problems += [
        _unknown(settings.where("tolerances", name), "output", name, outputs)
        for name in settings.tolerances
        if outputs and name not in (*outputs, _ALL)
    ]
    return problems


def _unknown(where: str, kind: str, name: str, known: Iterable[str]) -> Problem:
    names = tuple(known)
    return Problem(
        where=where,
        what=f"{name!r} is not an {kind} of the model",
        allowed=", ".join(names) or "none",
        hint=nearest(name, names),
    )


def _fits(given: tuple[int, ...], wanted: tuple[int | None, ...] | None) -> bool:
    return wanted is None or (
        len(given) == len(wanted)
        and all(size in (None, there) for there, size in zip(given, wanted, strict=True))
    )
