"""Which distribution brings a TensorFlow version to a device, and for which CPythons."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.version import Version

from harness.cell import Device, Distribution, Platform
from harness.plan.index import Index

__all__ = ["brings_cuda", "by_version", "offers"]

_FIRST_WITH_CUDA_WHEELS = Version("2.14")
"""The first TensorFlow whose extra `and-cuda` brings the CUDA libraries as wheels."""


def offers(
    index: Index,
    tensorflow: str,
    device: Device,
    platform: Platform | None,
    preferred: str | None = None,
) -> Mapping[str, Distribution]:
    """Return the distribution to install for each CPython (`X.Y`, ascending) that has a wheel.

    `platform` None stands for any platform. Of several, `preferred` comes first where it is one.
    """
    found: dict[str, Distribution] = {}
    usual = _distributions(Version(tensorflow), device)
    for name, extras in sorted(usual, key=lambda entry: entry[0] != preferred):
        release = index.release(name, tensorflow)
        if release is None:
            continue
        distribution = Distribution(
            name=name, version=tensorflow, extras=extras, released=release.released
        )
        for python in release.pythons(platform):
            found.setdefault(python, distribution)
    return {python: found[python] for python in sorted(found, key=by_version)}


def brings_cuda(tensorflow: str) -> bool:
    """Tell whether the packages of a release bring CUDA themselves."""
    return Version(tensorflow) >= _FIRST_WITH_CUDA_WHEELS


def by_version(python: str) -> Version:
    """Sort key of `X.Y` texts."""
    return Version(python)


def _distributions(version: Version, device: Device) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the packages that can be installed, the preferred one first.

    Source: https://www.tensorflow.org/install/pip and the release notes: one package for both
    devices since 2.1, CUDA's own libraries as an extra since 2.14.
    """
    if device is Device.CPU:
        return (("tensorflow-cpu", ()), ("tensorflow", ()))
    if version >= _FIRST_WITH_CUDA_WHEELS:
        return (("tensorflow", ("and-cuda",)),)
    if version >= Version("2.1"):
        return (("tensorflow", ()),)
    return (("tensorflow-gpu", ()),)
