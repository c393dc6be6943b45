"""What `harness inspect` prints: everything that a model's files say of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from harness.model.details import Effect, Quantisation, RandomOp, Training, Variables
from harness.model.inspection import Inspection
from harness.report.inspection_signatures import signature_lines
from harness.report.inspection_words import beginning, number, some
from harness.report.layout import Column, fit, wrapped
from harness.report.words import flat, plural
from harness.sizes import shown_size
from harness.text import harmless_json

__all__ = ["render_inspection", "render_inspection_json"]

_INDENT = "  "
_FILES = 20
"""Most that are shown; the JSON has them all."""

_HOLDS_NAMES = (
    "File names may be addresses (gs://, s3://) where TensorFlow was built for them. These are the "
    "known operations of this kind: that there are no others is not proven."
)

Row = tuple[str, str]
"""A key, and what is said of it."""


def render_inspection(inspection: Inspection, *, width: int) -> str:
    """Return the inspection as text of at most `width` columns, with a line end."""
    sections = (
        ("Model", _pairs(_model(inspection), width)),
        ("Written by", _pairs(((fact.key, fact.value) for fact in inspection.written), width)),
        (_files_title(inspection), _files(inspection, width)),
        ("Signatures", signature_lines(inspection, width)),
        ("Quantised", _pairs(map(_quantisation, inspection.quantisations), width)),
        ("Keras", _pairs(_keras(inspection), width)),
        ("Variables and training", _pairs(_variables(inspection), width)),
        ("Operations", _pairs(_operations(inspection), width)),
        ("Reaches outside the model", _effects(inspection, width)),
        ("Loaders", _pairs(_loaders(inspection), width)),
        ("Beside the model", _pairs(_beside(inspection), width)),
        ("Notes", [_item(note, width) for note in inspection.notes]),
    )
    blocks = ("\n".join((title, *lines)) for title, lines in sections if lines)
    return "\n\n".join(blocks) + "\n"


def render_inspection_json(inspection: Inspection) -> str:
    """Return the inspection as JSON, schema and name first, with a line end."""
    record = json.loads(inspection.model_dump_json())
    first = ("schema", "name", "path", "prefix", "format", "why", "digest", "writer")
    ordered = {key: record[key] for key in first} | record
    return harmless_json(json.dumps(ordered, indent=2, ensure_ascii=False)) + "\n"


def _pairs(rows: Iterable[Row], width: int) -> list[str]:
    """Lay rows out with their keys in a column of their own."""
    # A key may be indented.
    shown = [
        (f"{_INDENT if key[:1] == ' ' else ''}{flat(key)}", flat(value)) for key, value in rows
    ]
    column = min(max((len(key) for key, _ in shown), default=0), width // 3)
    lines = []
    for key, value in shown:
        first = f"{_INDENT}{key.ljust(column)}  "
        rest = " " * (len(_INDENT) + column + 2)
        if len(key) > column:
            lines.append(wrapped(key, width, first=_INDENT))
            first = rest
        lines.append(wrapped(value, width, first=first, rest=rest))
    return lines


def _item(text: str, width: int) -> str:
    return wrapped(flat(text), width, first=f"{_INDENT}- ", rest=f"{_INDENT}  ")


def _model(inspection: Inspection) -> Iterator[Row]:
    place = inspection.path / inspection.prefix
    yield "name", inspection.name
    yield "path", str(place)
    yield "format", f"{inspection.format}: {inspection.why}"
    yield "sha256", inspection.digest
    if inspection.tags:
        tagged = "; ".join(", ".join(tags) or "(none)" for tags in inspection.tags)
        yield "tags", tagged
    if len(inspection.tags) > 1 and inspection.chosen_tags is not None:
        yield "loaded", ", ".join(inspection.chosen_tags) or "(none)"


def _files_title(inspection: Inspection) -> str:
    count = plural(len(inspection.files), "file")
    return f"Files: {count}, {shown_size(inspection.total_bytes)}"


def _files(inspection: Inspection, width: int) -> list[str]:
    shown, more = beginning(inspection.files, _FILES)
    named = {f"assets/{asset.name}" for asset in inspection.assets}
    table, _ = fit(
        [
            Column("", lambda entry: f"{_INDENT}{flat(entry.name)}"),
            Column("", lambda entry: number(entry.bytes), "right"),
            Column("", lambda entry: "asset" if entry.name in named else ""),
        ],
        [],
        shown,
        width,
    )
    # The header and its rule are empty.
    lines = [f"{_INDENT}{line.strip()}" for line in table.split("\n")[2:]]
    return [*lines, f"{_INDENT}and {plural(more, 'more file')}"] if more else lines


def _quantisation(of: Quantisation) -> Row:
    axis = f", along axis {of.axis}" if of.axis is not None else ""
    scales = ", ".join(f"{scale:.6g}" for scale in of.scales)
    points = ", ".join(map(str, of.zero_points)) or "0"
    more = " ..." if of.axis is not None else ""
    return of.tensor or "(unnamed)", f"scale {scales}{more}, zero point {points}{more}{axis}"


def _keras(inspection: Inspection) -> Iterator[Row]:
    if inspection.model_class is not None:
        yield "model", inspection.model_class
    if inspection.layers:
        layers = (f"{layer.name} {layer.count}" for layer in inspection.layers)
        yield "layers", some(layers, 100)
    for custom in inspection.custom_objects:
        where = f" ({', '.join(custom.where)})" if custom.where else ""
        yield f"custom {custom.kind}", f"{custom.name}: {custom.why}{where}"
    for found in inspection.lambdas:
        yield "Lambda layer", f"{found.layer}: {found.what}"


def _variables(inspection: Inspection) -> Iterator[Row]:
    if inspection.variables is not None:
        yield "variables", _count(inspection.variables)
    if inspection.constants is not None and inspection.constants.count:
        yield "constants", _count(inspection.constants)
    if inspection.training is not None:
        yield from _training(inspection.training)


def _count(of: Variables) -> str:
    return f"{number(of.count)} with {number(of.parameters)} elements, {shown_size(of.bytes)}"


def _training(training: Training) -> Iterator[Row]:
    yield "optimizer", training.optimizer or "not named"
    kept = training.variables
    yield (
        "optimizer's state",
        "not told" if kept is None else f"{plural(kept, 'variable')}" if kept else "none",
    )
    if training.loss:
        yield "loss", ", ".join(training.loss)
    if training.metrics:
        yield "metrics", ", ".join(training.metrics)
    yield "told by", training.where


def _operations(inspection: Inspection) -> Iterator[Row]:
    if not inspection.operations:
        return
    total = sum(operation.count for operation in inspection.operations)
    functions = plural(inspection.functions, "function")
    inside = f", {functions} included" if inspection.functions else ""
    yield "count", f"{number(total)} of {plural(len(inspection.operations), 'kind')}{inside}"
    yield (
        "kinds",
        some(
            (
                f"{operation.name} {operation.count}"
                + (f" (v{operation.version})" if operation.version is not None else "")
                for operation in inspection.operations
            ),
            200,
        ),
    )
    for custom in inspection.custom_ops:
        yield "not TensorFlow's own", f"{custom.name} {custom.count}: {custom.why}"
    for random in inspection.random_ops:
        yield "random", f"{random.name} {random.count}: {_random(random)}"


def _random(random: RandomOp) -> str:
    if random.used is None:
        return "outputs may differ from run to run"
    if random.used == 0:
        return "no output depends on them"
    return f"outputs depend on {random.used} of them and may differ from run to run"


def _effects(inspection: Inspection, width: int) -> list[str]:
    others = [effect for effect in inspection.effects if effect.saver < effect.count]
    own = [effect.name for effect in inspection.effects if effect.saver == effect.count]
    rows = [(f"{effect.name} {effect.count}", _effect(effect)) for effect in others]
    if own:
        names = ", ".join(own)
        rows.append(("its own checkpoint", f"saves and restores its variables: {names}"))
    if not rows:
        return []
    return (
        [*_pairs(rows, width), wrapped(_HOLDS_NAMES, width, first=_INDENT)]
        if others
        else _pairs(rows, width)
    )


def _effect(effect: Effect) -> str:
    reach = ", ".join(effect.reach)
    named = f": {', '.join(effect.targets)}" if effect.targets else ""
    own = f"; {effect.saver} of them for its own checkpoint" if effect.saver else ""
    return f"{reach}: {effect.what}{named}{own}"


def _loaders(inspection: Inspection) -> Iterator[Row]:
    """Give eras with equal loaders one line; the last era stands for all newer releases."""
    plain = {era: found for era, found in inspection.loaders.items() if " " not in era}
    eras = list(plain)
    start = 0
    while start < len(eras):
        end = start
        while end + 1 < len(eras) and plain[eras[end + 1]] == plain[eras[start]]:
            end += 1
        until = f" to {eras[end]}" if end > start else ""
        newest = " and newer" if end == len(eras) - 1 else until
        yield f"TensorFlow {eras[start]}{newest}", ", ".join(plain[eras[start]])
        start = end + 1
    for era in inspection.loaders.keys() - plain.keys():
        release, _, beside = era.partition(" ")
        also = [name for name in inspection.loaders[era] if name not in plain[release]]
        if also:
            yield f"{_INDENT}{beside}", f"also {', '.join(also)}"


def _beside(inspection: Inspection) -> Iterator[Row]:
    absent = []
    for file in inspection.beside:
        if file.path is not None:
            yield file.name, str(file.path)
        elif file.needed:
            yield file.name, f"MISSING, and needed: {file.purpose}"
        elif file.name != "build.py":  # which only weights have a use for
            absent.append(f"{file.name} ({file.purpose})")
    if absent:
        yield "not there", "; ".join(absent)
