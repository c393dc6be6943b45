"""Complete linkage: things that all agree with each other, pair by pair, in one class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["complete_linkage"]


def complete_linkage(
    far: NDArray[np.float64], names: Sequence[str], *, limit: float = 1.0
) -> tuple[tuple[int, ...], ...]:
    """Return the classes, as indices, of things whose distances are `far`, [things, things].

    `far` is symmetric. The two classes whose farthest members are nearest to each other are made
    one, as long as these are within `limit` (agglomerative clustering with complete linkage;
    Sørensen 1948). So within a class every pair is within `limit`, and no two whole classes could
    be one. Of pairs of classes equally far apart, those go first whose names (a class is called as
    the first of its members' `names`, which differ) come first in alphabetical order: the classes
    depend on names and distances only, never on the order of the things.
    """
    order = sorted(range(len(names)), key=lambda index: names[index])
    classes = {place: [index] for place, index in enumerate(order)}
    apart = far[np.ix_(order, order)].copy()
    np.fill_diagonal(apart, np.inf)
    while len(classes) > 1:
        # The first of several smallest: a class lies where its first member by name does.
        place = int(apart.argmin())
        one, other = divmod(place, len(order))
        if not apart[one, other] <= limit:
            break
        classes[one] += classes.pop(other)
        apart[one] = apart[:, one] = np.maximum(apart[one], apart[other])
        apart[other] = apart[:, other] = np.inf
        apart[one, one] = np.inf
    return tuple(tuple(sorted(members)) for members in classes.values())
