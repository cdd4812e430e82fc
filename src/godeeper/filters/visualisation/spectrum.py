"""``Spectrum``: pictures as frequencies of decorrelated colours, so that gradient ascent gives smooth pictures.

An optimiser that changes pixels draws high-frequency noise.  Here it changes frequencies and decorrelated colours, which are
weighted as in photos: amplitudes fall as 1/frequency, and red, green and blue are correlated.
Source: Olah, Mordvintsev and Schubert, "Feature Visualization" (Distill, 2017), doi:10.23915/distill.00007.
A picture is periodic, so a crop can begin anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Complex = NDArray[np.complex64]

COLOURS = np.array([[0.525, 0.215, 0.071], [0.579, 0.015, -0.138], [0.624, -0.195, 0.068]], np.float32)
"""The principal components of the colours in the 100 sample pictures; ``python -m bench.studies.colours`` computes them.

The rows are red, green and blue.  The columns are lightness, red against blue, and green against both.  The length of a column
is its standard deviation, relative to the first column.
"""

CONTRAST = 0.25
"""The standard deviation of lightness, before the sigmoid, of a ``Spectrum`` whose values have magnitude 1."""

PHOTO_CONTRAST = 1.2
"""The standard deviation of lightness, before the sigmoid, of ``Phases``."""

START = 0.01  # the magnitude of the frequencies of a new picture


def frequencies(size: int) -> Floats:
    """The frequencies of a real picture in cycles per pixel, (size, size // 2 + 1)."""
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    found: Floats = np.hypot(rows, columns).astype(np.float32)
    return found


class Spectrum:
    """Pictures of ``size`` x ``size`` pixels, represented by their frequencies.

    ``values``: the optimised frequencies, (B, 3, size, size // 2 + 1) complex64.
    """

    def __init__(self, size: int, seed: int, count: int) -> None:
        """Start with ``count`` equal pictures of faint noise, so that a picture does not depend on ``count``."""
        self.size = size
        self.weights = (CONTRAST * size / np.maximum(frequencies(size), 1 / size)).astype(np.float32)
        random = np.random.default_rng(seed)
        shape = (1, 3, *self.weights.shape)
        noise = random.standard_normal(shape) + 1j * random.standard_normal(shape)
        self.values: NDArray[Any] = np.repeat((START * noise).astype(np.complex64), count, axis=0)

    def pictures(self, size: int | None = None) -> Floats:
        """The pictures before colours are mixed and limited, (B, 3, size, size).

        Frequencies that another ``size`` cannot show are left out.
        """
        return inverse((self.values * self.weights).astype(np.complex64), size or self.size)

    def gradient(self, by_pictures: Floats) -> Complex:
        """The gradient with respect to ``values``, up to a factor; ``by_pictures``: with respect to ``pictures()``."""
        found: Complex = (np.fft.rfft2(by_pictures) * self.weights).astype(np.complex64)
        return found


class Phases:
    """Pictures of ``size`` x ``size`` pixels whose frequencies have the magnitudes of photos; only the phases are optimised.

    ``values``: the phases in radians, (B, 3, size, size // 2 + 1) float32.  Source: Fel et al., "Unlocking Feature
    Visualization for Deeper Networks with MAgnitude Constrained Optimization" (NeurIPS 2023), arXiv:2306.06805.
    """

    def __init__(self, size: int, seed: int, count: int) -> None:
        """Start with ``count`` equal pictures with random phases."""
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
        """Like ``Spectrum.pictures``."""
        return inverse(self.spectrum, size or self.size)

    def gradient(self, by_pictures: Floats) -> Floats:
        """The gradient with respect to the phases, up to a factor; ``by_pictures``: with respect to ``pictures()``."""
        by_spectrum = np.fft.rfft2(by_pictures)
        found: Floats = (np.conj(by_spectrum) * 1j * self.spectrum).real.astype(np.float32)
        return found


def inverse_deviation(magnitude: NDArray[np.floating[Any]]) -> float:
    """The standard deviation of a real picture whose frequencies have these magnitudes."""
    size = magnitude.shape[0]
    # A real picture has every frequency twice, except the first column and, for an even size, the last.
    twice = np.full(magnitude.shape[1], 2.0)
    twice[0] = 1
    if size % 2 == 0:
        twice[-1] = 1
    return float(np.sqrt((magnitude.astype(np.float64) ** 2 * twice).sum()) / size**2)


def inverse(values: Complex, size: int) -> Floats:
    """The inverse Fourier transform to real pictures (…, size, size); frequencies that this size cannot show are left out."""
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
    """Convert decorrelated colours (B, 3, H, W) to red, green and blue from 0 to 1."""
    mixed = np.tensordot(COLOURS, pictures, (1, 1)).transpose(1, 0, 2, 3)
    limited: Floats = np.ascontiguousarray(1 / (1 + np.exp(-mixed)), np.float32)
    return limited


def colours_gradient(colours: Floats, given: Floats) -> Floats:
    """The gradient with respect to decorrelated colours; ``given``: with respect to ``colours``, the result of ``to_colours``."""
    by_mixed = given * colours * (1 - colours)
    found: Floats = np.tensordot(COLOURS, by_mixed, (0, 1)).transpose(1, 0, 2, 3)
    return found
