"""What a Keras config is made of: its layers, and what in it is not of Keras.

Configs are JSON. Every object in them is a dict with a `class_name` and a `config`; since Keras
2.12 also with the `module` it comes from and the name it was registered under. Older ones name
losses, metrics and activations by a bare text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.model.details import CustomObject, Kind, Lambda, Named, Training
from harness.model.keras_names import is_keras_name
from harness.text import one_line

__all__ = ["KerasObjects", "find_objects", "training_of"]

_MAX_OBJECTS = 200_000
_MAX_NAME = 200
_SHOWN = 5
_OWN_MODULES = frozenset({"keras", "keras_core", "tensorflow", "tf_keras"})
"""Top packages that come with TensorFlow."""
_PYTHON = frozenset(
    {
        "CompositeTensorState",
        "TensorShape",
        "TypeSpec",
        "__bytes__",
        "__dict__",
        "__ellipsis__",
        "__keras_tensor__",
        "__lambda__",
        "__numpy__",
        "__slice__",
        "__tensor__",
        "__tuple__",
        "__typespec__",
        "slice",
    }
)
"""What Keras writes for values of Python and NumPy (keras/src/saving/serialization_lib.py)."""
_KINDS = {
    "layers": Kind.LAYER,
    "layer": Kind.LAYER,
    "cell": Kind.LAYER,
    "cells": Kind.LAYER,
    "forward_layer": Kind.LAYER,
    "backward_layer": Kind.LAYER,
    "loss": Kind.LOSS,
    "losses": Kind.LOSS,
    "metrics": Kind.METRIC,
    "weighted_metrics": Kind.METRIC,
    "optimizer": Kind.OPTIMIZER,
    "optimizer_config": Kind.OPTIMIZER,
}
_NAMING = re.compile(
    r"(recurrent_)?activation|\w+_(initializer|regularizer|constraint)|loss|losses|(weighted_)?"
    r"metrics|fn"
)
"""Keys under which a bare text names a function or class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasObjects:
    """What was found in a config."""

    model_class: str | None
    layers: tuple[Named, ...]
    custom: tuple[CustomObject, ...]
    lambdas: tuple[Lambda, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the config something stands."""

    kind: Kind
    key: str
    layer: str
    """Name of the innermost object that has one."""


def find_objects(
    parts: Iterable[tuple[Mapping[str, Any], Kind]], keras: str | None
) -> KerasObjects:
    """Return what configs name: the model's first, with what each of them is of.

    `keras` is the version that wrote them. Layers are counted in the first config that has any.
    """
    finder = _Finder(keras)
    model_class = None
    layers: Counter[str] = Counter()
    for config, kind in parts:
        finder.layers = Counter()
        finder.find(config, _Place(kind, "", ""))
        layers = layers or finder.layers
        name = config.get("class_name")
        if model_class is None and kind is Kind.MODEL and isinstance(name, str):
            model_class = _shown(name)
    return KerasObjects(
        model_class=model_class,
        layers=tuple(Named(name=name, count=count) for name, count in layers.items()),
        custom=finder.custom_objects(),
        # A SavedModel tells them twice, in the model and by themselves.
        lambdas=tuple(dict.fromkeys(finder.lambdas)),
    )


def training_of(compiled: Mapping[str, Any], where: str, variables: int | None) -> Training | None:
    """Return what a model was compiled with; None where that is nothing and was not trained.

    `variables` is how many the files keep for its optimizer, where that is known.
    """
    optimizer = compiled.get("optimizer", compiled.get("optimizer_config"))
    named = next(iter(_texts(optimizer)), None)
    if named is None and not variables and not compiled.get("loss"):
        return None
    return Training(
        optimizer=named,
        loss=tuple(_texts(compiled.get("loss")))[:_SHOWN],
        metrics=tuple(_texts([compiled.get("metrics"), compiled.get("weighted_metrics")]))[:_SHOWN],
        variables=variables,
        where=where,
    )


class _Finder:
    def __init__(self, keras: str | None) -> None:
        self._keras = keras
        self._left = _MAX_OBJECTS
        self._custom: dict[tuple[str, Kind], CustomObject] = {}
        self.layers: Counter[str] = Counter()
        self.lambdas: list[Lambda] = []

    def find(self, value: Any, place: _Place) -> None:
        """Look at everything below `value`, in its order; not recursive, however deep it is."""
        waiting = [(value, place)]
        while waiting and self._left > 0:
            value, place = waiting.pop()
            self._left -= 1
            waiting += reversed(list(self._inside(value, place)))

    def custom_objects(self) -> tuple[CustomObject, ...]:
        """Return those that were found, by kind in the order of `Kind`."""
        order = list(Kind)
        return tuple(sorted(self._custom.values(), key=lambda found: order.index(found.kind)))

    def _inside(self, value: Any, place: _Place) -> Iterator[tuple[Any, _Place]]:
        if isinstance(value, str):
            if _NAMING.fullmatch(place.key) and not is_keras_name(value, self._keras):
                self._add(value, None, place, "Keras has no class or function of this name")
        elif isinstance(value, list):
            yield from ((item, place) for item in value)
        elif isinstance(value, dict):
            place = self._object(value, place)
            for key, item in value.items():
                yield item, _below(place, key)

    def _object(self, value: dict[str, Any], place: _Place) -> _Place:
        """Look at a dict that may be an object; return the place of what is in it."""
        name, config = value.get("class_name"), value.get("config")
        if not isinstance(name, str) or name in _PYTHON:
            return place
        inner = config.get("name") if isinstance(config, dict) else None
        label = inner if isinstance(inner, str) else value.get("name")
        layer = _shown(label) if isinstance(label, str) and place.kind in _LABELLED else place.layer
        if place.kind is Kind.LAYER:
            self.layers[_shown(name)] += 1
        if name == "Lambda" and isinstance(config, dict):
            self.lambdas.append(_lambda(layer, config.get("function")))
        place = _Place(place.kind, "", layer)
        # Since Keras 2.12 a function is {"class_name": "function", "config": its name}.
        function = config if name == "function" and isinstance(config, str) else None
        registered = value.get("registered_name")
        if isinstance(registered, str) and ">" in registered:
            name = registered
        module = value.get("module")
        # Until Keras 3 that was the module of the type of functions.
        module = module if isinstance(module, str) and module != "builtins" else None
        why = self._why(function or name, module)
        if why is not None:
            self._add(function or name, module, place, why)
        return place

    def _why(self, name: str, module: str | None) -> str | None:
        """Return why an object is not of Keras; None where it is."""
        if ">" in name:
            package, _, short = name.partition(">")
            # Keras 2.11 registered its own optimizers as if they were the user's.
            if package == "Custom" and is_keras_name(short, self._keras):
                return None
            return f"registered in the package {_shown(package)}"
        if module:
            own = module.split(".")[0] in _OWN_MODULES
            return None if own else f"of the Python module {_shown(module)}"
        if is_keras_name(name, self._keras):
            return None
        return "Keras has no class or function of this name"

    def _add(self, name: str, module: str | None, place: _Place, why: str) -> None:
        key = (_shown(name), place.kind)
        before = self._custom.get(key)
        where = before.where if before is not None else ()
        told = place.layer and place.kind not in (*_COMPILED, Kind.OPTIMIZER)
        if told and place.layer not in where and len(where) < _SHOWN:
            where = (*where, place.layer)
        self._custom[key] = CustomObject(
            name=key[0],
            kind=place.kind,
            module=_shown(module) if module else None,
            where=where,
            why=why,
        )


_LABELLED = (Kind.MODEL, Kind.LAYER)
_COMPILED = (Kind.LOSS, Kind.METRIC)


def _below(place: _Place, key: str) -> _Place:
    """Return the place of what stands under `key` of a dict."""
    if place.key in _KINDS and key not in _KINDS:
        # The keys are outputs: {"loss": {"output_1": "mse"}}.
        return place
    kind = _KINDS.get(key, Kind.OTHER)
    if key in ("config", "fn") and place.kind in _COMPILED:
        # A function that a loss or metric wraps: {"config": {"fn": "my_loss"}}.
        kind = place.kind
    return _Place(kind, key if key != "config" else "", place.layer)


def _lambda(layer: str, function: Any) -> Lambda:
    """Describe the function of a Lambda layer; its bytecode is looked at and never read."""
    code = _bytecode(function)
    if code is not None:
        what = f"Python bytecode, {len(code)} bytes: tied to the Python version that wrote it"
        return Lambda(layer=layer, bytecode=True, what=what)
    if isinstance(function, dict):
        function = function.get("config")
    if isinstance(function, str):
        what = f"the function {_shown(function)}, which has to be given in custom_objects.py"
        return Lambda(layer=layer, bytecode=False, what=what)
    return Lambda(
        layer=layer, bytecode=False, what="a function that cannot be told from its config"
    )


def _bytecode(function: Any) -> bytes | None:
    """Return marshalled code: [code, defaults, closure], or since Keras 2.12 `__lambda__`."""
    if isinstance(function, dict) and function.get("class_name") == "__lambda__":
        config = function.get("config")
        function = [config.get("code")] if isinstance(config, dict) else None
    elif isinstance(function, dict) and function.get("class_name") == "__tuple__":
        function = function.get("items")  # so they are in the metadata of a SavedModel
    if not isinstance(function, list) or not function or not isinstance(function[0], str):
        return None
    try:
        return base64.b64decode("".join(function[0].split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _texts(value: Any) -> Iterator[str]:
    """Yield the names of what a compile config lists, however deep."""
    waiting, left = [value], _MAX_OBJECTS
    while waiting and left:
        left -= 1
        item = waiting.pop()
        if isinstance(item, str):
            yield _shown(item)
        elif isinstance(item, list):
            waiting += reversed(item)
        elif isinstance(item, dict) and isinstance(item.get("class_name"), str):
            name, config = item["class_name"], item.get("config")
            inner = config if isinstance(config, dict) else {}
            # A function that was wrapped, or {"class_name": "function", "config": its name}.
            wrapped = inner.get("fn") if name.endswith("Wrapper") else None
            if name == "function":
                wrapped = config
            yield _shown(wrapped if isinstance(wrapped, str) else name)
        elif isinstance(item, dict):
            waiting += reversed(list(item.values()))


def _shown(text: str) -> str:
    return one_line(text, _MAX_NAME)
