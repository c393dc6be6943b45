"""Every attack, in the order in which they are swept."""

from __future__ import annotations

from tests.hostile.attack import Attack
from tests.hostile.attacks import forging, graphs, network, outputs, places, resources, showing

ATTACKS: tuple[Attack, ...] = tuple(
    attack
    for module in (network, places, graphs, showing, outputs, forging, resources)
    for attack in module.ATTACKS
)
BY_NAME = {attack.name: attack for attack in ATTACKS}
