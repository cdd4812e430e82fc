"""``Spectrum``: pictures as frequencies of decorrelated colours, in which gradient ascent gives smooth pictures.

Steps of equal size in each frequency and colour, weighted as in photos (amplitudes fall as 1/frequency, and red, green and blue
go together), keep an optimiser from drawing the high-frequency noise that it draws pixel by pixel.
Source: Olah, Mordvintsev and Schubert, "Feature Visualization" (Distill, 2017), doi:10.23915/distill.00007.
A picture repeats itself beyond its borders, so that a crop can begin anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Complex = NDArray[np.complex64]

COLOURS = np.array([[0.525, 0.215, 0.071], [0.579, 0.015, -0.138], [0.624, -0.195, 0.068]], np.float32)
"""(red, green, blue) x (lightness, red against blue, green against both): the principal components of the colours of the 100 pictures
of the sample, each as long as its standard deviation, divided by the length of the first; ``python -m bench.studies.colours``."""

CONTRAST = (
    0.25  # the standard deviation of lightness, before the sigmoid, of a picture whose frequencies have magnitude 1
)
PHOTO_CONTRAST = (
    1.2  # the standard deviation of lightness, before the sigmoid, in pictures with the magnitudes of photos
)
START = 0.01  # the magnitude of the frequencies of a new picture


def frequencies(size: int) -> Floats:
    """(size, size // 2 + 1): cycles per pixel of each frequency of a real picture."""
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    found: Floats = np.hypot(rows, columns).astype(np.float32)
    return found


class Spectrum:
    """Pictures of ``size`` x ``size`` pixels as their frequencies.

    ``values``: (B, 3, size, size // 2 + 1) complex64, what is optimised.
    """

    def __init__(self, size: int, seed: int, count: int) -> None:
        """``count`` pictures of faint noise, all the same, so that a picture does not depend on how many are made with it."""
        self.size = size
        self.weights = (CONTRAST * size / np.maximum(frequencies(size), 1 / size)).astype(np.float32)
        random = np.random.default_rng(seed)
        shape = (1, 3, *self.weights.shape)
        noise = random.standard_normal(shape) + 1j * random.standard_normal(shape)
        self.values: NDArray[Any] = np.repeat((START * noise).astype(np.complex64), count, axis=0)

    def pictures(self, size: int | None = None) -> Floats:
        """The pictures before colours are mixed and limited, (B, 3, size, size); at another size without the frequencies it cannot show."""
        return inverse((self.values * self.weights).astype(np.complex64), size or self.size)

    def gradient(self, by_pictures: Floats) -> Complex:
        """The gradient with respect to ``values``, from that with respect to ``pictures()``, up to a constant factor."""
        found: Complex = (np.fft.rfft2(by_pictures) * self.weights).astype(np.complex64)
        return found


class Phases:
    """Pictures of ``size`` x ``size`` pixels whose frequencies have the magnitudes of photos; only the phases are optimised.

    ``values``: (B, 3, size, size // 2 + 1) float32, in radians.  Source: Fel et al., "Unlocking Feature Visualization for Deeper
    Networks with MAgnitude Constrained Optimization" (NeurIPS 2023), arXiv:2306.06805.
    """

    def __init__(self, size: int, seed: int, count: int) -> None:
        """``count`` pictures with random phases, all the same."""
        self.size = size
        magnitude = 1 / np.maximum(frequencies(size), 1 / size)
        magnitude[0, 0] = 0
        deviation = inverse_deviation(magnitude)
        self.magnitude = (PHOTO_CONTRAST / deviation * magnitude).astype(np.float32)
        phases = np.random.default_rng(seed).uniform(-np.pi, np.pi, (1, 3, *magnitude.shape))
        self.values: NDArray[Any] = np.repeat(phases.astype(np.float32), count, axis=0)

    @property
    def spectrum(self) -> Complex:
        values: Complex = (self.magnitude * np.exp(1j * self.values)).astype(np.complex64)
        return values

    def pictures(self, size: int | None = None) -> Floats:
        """As ``Spectrum.pictures``."""
        return inverse(self.spectrum, size or self.size)

    def gradient(self, by_pictures: Floats) -> Floats:
        """The gradient with respect to the phases, from that with respect to ``pictures()``, up to a constant factor."""
        by_spectrum = np.fft.rfft2(by_pictures)
        found: Floats = (np.conj(by_spectrum) * 1j * self.spectrum).real.astype(np.float32)
        return found


def inverse_deviation(magnitude: NDArray[np.floating[Any]]) -> float:
    """The standard deviation of a real picture whose frequencies have these magnitudes."""
    size = magnitude.shape[0]
    twice = np.full(
        magnitude.shape[1], 2.0
    )  # a real picture has every frequency twice, except the first column and the last of an even size
    twice[0] = 1
    if size % 2 == 0:
        twice[-1] = 1
    return float(np.sqrt((magnitude.astype(np.float64) ** 2 * twice).sum()) / size**2)


def inverse(values: Complex, size: int) -> Floats:
    """The real pictures (…, size, size) of frequencies, of which those that this size cannot show are left out."""
    own = values.shape[-2]
    if size != own:
        half = (min(size, own) - 1) // 2
        kept = np.zeros((*values.shape[:-2], size, size // 2 + 1), values.dtype)
        kept[..., : half + 1, : half + 1] = values[..., : half + 1, : half + 1]
        kept[..., -half:, : half + 1] = values[..., -half:, : half + 1]
        values = kept * (size / own) ** 2
    pictures: Floats = np.fft.irfft2(values, s=(size, size)).astype(np.float32, copy=False)
    return pictures


def to_colours(pictures: Floats) -> Floats:
    """Red, green and blue from 0 to 1 from decorrelated colours, (B, 3, H, W)."""
    mixed = np.tensordot(COLOURS, pictures, (1, 1)).transpose(1, 0, 2, 3)
    limited: Floats = np.ascontiguousarray(1 / (1 + np.exp(-mixed)), np.float32)
    return limited


def colours_gradient(colours: Floats, given: Floats) -> Floats:
    """The gradient with respect to decorrelated colours, from that with respect to ``colours``, the result of ``to_colours``."""
    by_mixed = given * colours * (1 - colours)
    found: Floats = np.tensordot(COLOURS, by_mixed, (0, 1)).transpose(1, 0, 2, 3)
    return found
