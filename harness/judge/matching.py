"""Which tensor of a run stands beside which of the reference, also where loaders name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.tensor import Tensor
from harness.text import one_line

__all__ = ["NamedOtherwiseError", "matched"]

_NAMES_SHOWN = 4


class NamedOtherwiseError(ValueError):
    """Two sides name several outputs differently: nobody can say which belong together."""

    def __init__(self, actual: Iterable[str], reference: Iterable[str]) -> None:
        super().__init__(
            f"it names the outputs {_listed(actual)}, the reference {_listed(reference)}: which of "
            "them belong together cannot be told"
        )


def matched(
    actual: Mapping[str, Tensor], reference: Mapping[str, Tensor]
) -> Mapping[str, Tensor] | None:
    """Return `actual` under the names of `reference`; None where they cannot be told.

    By name where both have the same names. Where each has exactly one tensor they belong together
    whatever they are called: a signature's `output_0` is Keras's `dense_1`.
    """
    if actual.keys() == reference.keys():
        return actual
    if len(actual) == len(reference) == 1:
        return dict(zip(reference, actual.values(), strict=True))
    return None


def _listed(names: Iterable[str]) -> str:
    quoted = [f"'{one_line(name, 80)}'" for name in names]
    more = len(quoted) - _NAMES_SHOWN
    shown = ", ".join(quoted[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return shown or "(none)"
