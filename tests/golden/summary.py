"""A tensor as twenty numbers: four statistics, and sixteen of its values at fixed places."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = Path(__file__).parent
VALUES = 16

RECORDED = {"torchvision": "torchvision", "keras": "Keras", "2015": "TensorFlow, a frozen graph of 2015's form"}
"""Dialect -> the framework whose numbers ``<dialect>.npz`` contains."""


def summary(address: str, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (20,) float64: mean, standard deviation, minimum, maximum, then the values at places that ``address`` determines."""
    flat = np.asarray(values, np.float64).ravel()
    places = np.random.RandomState(zlib.crc32(address.encode())).randint(0, flat.size, VALUES)
    return np.array([flat.mean(), flat.std(), flat.min(), flat.max(), *flat[places]])
