"""Which signature of a model is called, and whether `model.yaml` fits it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.errors import ModelError, Problem, nearest
from harness.model.arrays import describe
from harness.model.candidates import Located
from harness.model.inspected import Inspected
from harness.model.model import Format, Signature
from harness.model.settings import Settings

__all__ = ["SIGNED", "chosen_signature", "settings_problems"]

SIGNED = (Format.SAVED_MODEL, Format.META_GRAPH, Format.TFLITE)
"""Formats whose models may have signatures, of which one is called."""

_DEFAULT = "serving_default"
_CALLING = ("keras.load_model", "keras.load_model.compiled", "tf_keras.load_model")
"""Loaders that need no signature of a SavedModel."""
_ALL = "*"


def chosen_signature(
    located: Located, inspected: Inspected, settings: Settings
) -> Signature | None:
    """Return the one `model.yaml` names, else `serving_default`, else the only one.

    None where the model does not say what it takes and can be called nevertheless: a Keras model,
    or weights, whose model `build.py` makes.

    Raises:
        ModelError: a model that is called by its signatures has none, not the one that is named,
            or several and no default.
    """
    signatures = inspected.signatures
    if located.format not in SIGNED:
        return signatures[0] if signatures else None
    by_name = {signature.name: signature for signature in signatures}
    if not by_name and located.format is Format.SAVED_MODEL and _needs_none(inspected, settings):
        return None
    wanted = settings.signature or (_DEFAULT if len(by_name) != 1 else next(iter(by_name)))
    if wanted in by_name:
        return by_name[wanted]
    raise ModelError([_no_signature(located, by_name, settings)])


def _needs_none(inspected: Inspected, settings: Settings) -> bool:
    """Tell whether a loader calls the SavedModel itself, as Keras does what it wrote."""
    if settings.signature is not None:
        return False
    return inspected.keras or any(loader in _CALLING for loader in settings.loaders)


def _no_signature(
    located: Located, by_name: Mapping[str, Signature], settings: Settings
) -> Problem:
    if not by_name:
        return Problem(
            where=located.name,
            what="has no signature, so nothing to call",
            hint="save it with `signatures=`, as `tf.saved_model.save` takes it",
        )
    listed = ", ".join(by_name)
    if settings.signature is not None:
        return Problem(
            where=settings.where("signature"),
            what=f"the model has no signature {settings.signature!r}",
            allowed=listed,
            hint=nearest(settings.signature, by_name),
        )
    return Problem(
        where=located.name,
        what=f"has {len(by_name)} signatures and none is called {_DEFAULT}",
        allowed=listed,
        hint="name one in model.yaml (`signature:`)",
    )


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
    problems += [
        _unknown_output(settings, name, outputs)
        for name, told in settings.outputs.items()
        if outputs and name not in outputs and (told.task or told.threshold is not None)
    ]
    return problems


def _unknown_output(settings: Settings, name: str, known: Sequence[str]) -> Problem:
    problem = _unknown(settings.where("outputs", name), "output", name, known)
    if problem.hint is None and any(told.tensor for told in settings.outputs.values()):
        return replace(problem, hint="those with a `tensor` are all the outputs there are")
    return problem


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
