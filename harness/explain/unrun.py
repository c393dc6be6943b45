"""What is known of a cell that this machine could not run: what was checked without running it."""

from __future__ import annotations

from harness.environments.cuda import versions_for
from harness.observation import Observation

__all__ = ["checked_without_running"]

_CUDA = "nvidia-"
_NAMED = 12
_WANTS_CUDA = ("NoGPU", "NoCudaBase")


def checked_without_running(observation: Observation) -> str:
    """Return lines on the packages the cell would have; empty where they were not resolved."""
    locked = observation.locked
    if not locked:
        return ""
    lines = [f"checked without running: its {len(locked)} packages can be resolved"]
    cuda = [
        f"{name} {version}" for name, version in sorted(locked.items()) if name.startswith(_CUDA)
    ]
    if cuda:
        more = f" and {len(cuda) - _NAMED} more" if len(cuda) > _NAMED else ""
        lines.append(f"CUDA would come with them: {', '.join(cuda[:_NAMED])}{more}")
    elif observation.failure is not None and observation.failure.type in _WANTS_CUDA:
        lines.append(f"CUDA would not come with them: {_elsewhere(observation)}")
    return "\n".join(lines)


def _elsewhere(observation: Observation) -> str:
    """Say where a release takes CUDA from whose packages do not bring it."""
    locked = observation.locked.get("tensorflow") or observation.locked.get("tensorflow-gpu")
    pair = versions_for(locked) if locked is not None else None
    if pair is None or observation.engine == "venv":
        return "this release takes the system's"
    return f"CUDA {pair.cuda} and cuDNN {pair.cudnn} would be taken from an image"
