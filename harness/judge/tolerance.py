"""How much an output may differ and still be equivalent: defaults per dtype, and overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.model import Tolerance

__all__ = ["Allowed", "allowed"]


@dataclass(frozen=True, slots=True)
class Allowed:
    """NumPy's rule, |actual - reference| <= atol + rtol * |reference|, for every element."""

    atol: float
    """In units of the output."""
    rtol: float


_DEFAULTS = {
    # Between releases 1.15 to 2.21 on one CPU, float32 operations moved by at most 9.5e-7 (values
    # of order 1) and 8e-8 of large values; thread counts move a long sum by 4e-6 of its size, CPU
    # instruction sets the logits of a CNN by 2.4e-6. The allowance is a few times that, since a
    # deep model adds such steps up; where a model adds up more, its noise floor allows more. An
    # rtol of 1e-4 hid two of 92 changed models that are 40 and 160 times beyond their floors
    # (docs/judging.md, "How often it is right").
    "float32": Allowed(atol=1e-5, rtol=1e-5),
    # torch.testing.assert_close's default; numpy.testing.assert_allclose has the same rtol.
    "float64": Allowed(atol=1e-7, rtol=1e-7),
    # One matmul moved by 1 ULP between releases (float16 at 2.16, bfloat16 with oneDNN at 2.9),
    # which is up to 2**-10 and 2**-7 of a value. torch.testing allows 1 and 2 such steps (1e-3,
    # 1.6e-2) for one operation; a model rounds more than once: 4 steps, and 1 step of values of
    # order 1 near zero.
    "float16": Allowed(atol=1e-3, rtol=4e-3),
    "bfloat16": Allowed(atol=8e-3, rtol=3.2e-2),
}
_DEFAULTS |= {"complex64": _DEFAULTS["float32"], "complex128": _DEFAULTS["float64"]}


def allowed(output: str, dtype: str, overrides: Mapping[str, Tolerance]) -> Allowed | None:
    """Return what `output` of TensorFlow's `dtype` may differ by, None where it may not at all.

    The output's own entry in `overrides` goes before the entry `*`, which goes before the default
    of the dtype, for atol and rtol each. Integers, truth values and strings are always exact: an
    index that is one off names something else.
    """
    default = _DEFAULTS.get(dtype)
    if default is None:
        return None
    atol, rtol = default.atol, default.rtol
    for override in (overrides.get("*"), overrides.get(output)):
        if override is not None:
            atol = atol if override.atol is None else override.atol
            rtol = rtol if override.rtol is None else override.rtol
    return Allowed(atol=atol, rtol=rtol)
