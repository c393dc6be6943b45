"""Whether a build can reach the package index, which is asked from the daemon's machine."""

from __future__ import annotations

from harness.environments.docker.building.network import needs_host_network
from harness.environments.docker.sight import Sight
from harness.environments.engine import CellFailure
from harness.environments.uv import uv_environment
from harness.observation import Ending, Stage

__all__ = ["index_out_of_reach"]


def index_out_of_reach(sight: Sight) -> CellFailure | None:
    """Return what becomes of a build whose index or proxy its machine cannot reach."""
    if not needs_host_network(uv_environment()) or sight.shares_loopback():
        return None
    return CellFailure(
        stage=Stage.BUILD,
        ending=Ending.INFRASTRUCTURE,
        type="IndexOutOfReach",
        message=(
            "the package index or proxy is on this machine's loopback, and the Docker daemon"
            " is not on this machine: give an address that its machine can reach"
        ),
    )
