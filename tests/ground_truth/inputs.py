"""What the models are fed: drawn by a fixed seed, in the range and with the look each was made for.

Normal noise would put image models where they never are: saturated, or all samples in one class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["digits", "large_digits", "letters", "normal", "pictures", "sequences", "uniform"]

_DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "inputs.npz"
_SEED = 5
_Floats = NDArray[np.float32]


def digits(samples: int) -> _Floats:
    """Return real handwritten digits, [samples, 8, 8, 1] in 0..1."""
    with np.load(_DIGITS) as archive:
        image: _Floats = archive["image"][:samples]
    return image


def large_digits(samples: int) -> _Floats:
    """Return the same as MNIST has them: [samples, 28, 28, 1], smooth, with a border."""
    image = digits(samples).repeat(3, axis=1).repeat(3, axis=2)
    for axis in (1, 2):
        image = (np.roll(image, 1, axis) + image + np.roll(image, -1, axis)) / np.float32(3)
    return np.pad(image, ((0, 0), (2, 2), (2, 2), (0, 0)))


def pictures(samples: int, side: int, channels: int) -> _Floats:
    """Return noise with the spectrum of photographs, [samples, side, side, channels] in 0..1.

    The amplitude falls as 1/frequency, as in natural images (D. J. Field, "Relations between the
    statistics of natural images", 1987); brightness and contrast differ between samples, channels
    are alike for the most part.
    """
    state = np.random.RandomState(_SEED)
    across = np.fft.fftfreq(side)
    frequency = np.hypot(across[:, None], across[None, :])
    frequency[0, 0] = 1 / side
    white = state.normal(size=(samples, side, side, 1))
    white = 0.8 * white + 0.6 * state.normal(size=(samples, side, side, channels))
    spectrum = np.fft.fft2(white, axes=(1, 2)) / frequency[..., None]
    pink = np.fft.ifft2(spectrum, axes=(1, 2)).real
    pink = (pink - pink.mean(axis=(1, 2, 3), keepdims=True)) / pink.std()
    level = state.uniform(0.3, 0.7, size=(samples, 1, 1, 1))
    contrast = state.uniform(0.1, 0.3, size=(samples, 1, 1, 1))
    return np.clip(level + contrast * pink, 0, 1).astype(np.float32)


def letters(samples: int, length: int) -> _Floats:
    """Return letter codes, [samples, length] whole numbers from 0 (none) to 26."""
    codes = np.random.RandomState(_SEED).randint(1, 27, size=(samples, length))
    lengths = np.random.RandomState(_SEED + 1).randint(3, length, size=(samples, 1))
    return np.where(np.arange(length) < lengths, codes, 0).astype(np.float32)


def normal(samples: int, *shape: int, mean: float = 0, deviation: float = 1) -> _Floats:
    """Return independent normal numbers, [samples, *shape]."""
    drawn = np.random.RandomState(_SEED).normal(mean, deviation, size=(samples, *shape))
    return drawn.astype(np.float32)


def uniform(samples: int, *shape: int) -> _Floats:
    """Return independent numbers in -1..1, [samples, *shape]."""
    return np.random.RandomState(_SEED).uniform(-1, 1, size=(samples, *shape)).astype(np.float32)


def sequences(samples: int) -> _Floats:
    """Return noisy waves, [samples, 24, 6]: of some frequency and strength, at six phases."""
    state = np.random.RandomState(_SEED)
    frequency = state.uniform(0.05, 0.45, size=(samples, 1, 1))
    strength = state.uniform(0.2, 1, size=(samples, 1, 1))
    time, phase = np.arange(24)[:, None], np.arange(6)[None, :]
    wave: NDArray[Any] = strength * np.sin(2 * np.pi * frequency * time + phase)
    return (wave + 0.1 * state.normal(size=wave.shape)).astype(np.float32)
