"""Signatures as `harness inspect` shows them: names in a column, types and shapes beside them."""

from __future__ import annotations

from harness.model.inspection import Inspection
from harness.model.model import Signature, TensorSpec
from harness.report.inspection_words import beginning, shape
from harness.report.layout import wrapped
from harness.report.words import flat, plural

__all__ = ["signature_lines"]

_INDENT = "  "
_SIGNATURES = 20
_TENSORS = 50
"""Most of each that are shown; the JSON has them all."""
_LEAST_NAME, _LEAST_TYPE = 12, 50
"""Columns that a name, and what stands beside it, always have."""


def signature_lines(inspection: Inspection, width: int) -> list[str]:
    """Return a block of lines for each signature."""
    shown, more = beginning(inspection.signatures, _SIGNATURES)
    lines = []
    for signature in shown:
        called = " (the one that is called)" if signature.name == inspection.signature else ""
        if inspection.signature is None:
            called = " (the model itself: it names no signature)"
        lines += [
            wrapped(f"{flat(signature.name)}{called}", width, first=_INDENT, rest=_INDENT * 2),
            *_tensors(inspection, signature, width),
        ]
    return [*lines, f"{_INDENT}and {plural(more, 'more signature')}"] if more else lines


def _tensors(inspection: Inspection, signature: Signature, width: int) -> list[str]:
    rows: list[tuple[str, TensorSpec, str]] = []
    for kind, specs, tensors in (
        ("in", signature.inputs, inspection.feeds),
        ("out", signature.outputs, inspection.fetches),
    ):
        rows += [(kind, spec, _about(inspection, kind, spec, tensors)) for spec in specs]
    shown, more = beginning(rows, _TENSORS)
    longest = max((len(flat(spec.name)) for _, spec, _ in shown), default=0)
    column = min(longest, max(_LEAST_NAME, width - _LEAST_TYPE))
    lines = []
    for kind, spec, about in shown:
        name = flat(spec.name)
        start = f"{_INDENT * 2}{kind:<3}  "
        if len(name) > column:
            lines.append(wrapped(name, width, first=start, rest=" " * len(start)))
            start, name = " " * len(start), ""
        text = f"{spec.dtype} {shape(spec.shape)}{about}"
        first = f"{start}{name.ljust(column)}  "
        lines.append(wrapped(text, width, first=first, rest=" " * len(first)))
    return [*lines, f"{_INDENT * 2}and {plural(more, 'more tensor')}"] if more else lines


def _about(inspection: Inspection, kind: str, spec: TensorSpec, tensors: dict[str, str]) -> str:
    """Return which tensor of a graph it is, and from where to where generated values go."""
    told = [f"tensor {tensors[spec.name]}"] if spec.name in tensors else []
    if kind == "in" and spec.name in inspection.ranges:
        low, high = inspection.ranges[spec.name]
        told.append(f"from {low:g} to below {high:g}")
    return f", {', '.join(told)}" if told else ""
