"""``PictureOptimiser``: pictures that are changed step by step along the gradient of an objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...blueprint.sites import sites
from ...engine.gradient.plan import BackwardPlan, backward_plan
from ...engine.plan import NETWORK_INPUT, Key
from .spectrum import Phases, Spectrum, colours_gradient, to_colours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...engine.gradient.gradient import BackwardRun, GradientEngine
    from ...photos.preprocess import Preprocess
    from .views import View

    Floats = NDArray[np.float32]
    Values = NDArray[np.float32] | NDArray[np.complex64]

METHODS: Mapping[str, type[Spectrum] | type[Phases]] = {"fourier": Spectrum, "phase": Phases}
"""Name -> the parametrisation that is optimised: frequencies, or only their phases."""

RATES = {"fourier": 0.2, "phase": 0.1}  # Adam's learning rates; for phases in radians
MOMENTUM, DECAY = 0.9, 0.99  # Adam's
TINY = 1e-12


class PictureOptimiser:
    """B pictures, and the steps that change them.

    ``pictures``: they repeat themselves beyond their borders, and are at least as large as the network's input.  ``attention``: the sum of the
    magnitudes of the gradients with respect to each pixel over all steps, (B, size, size); None if it is not needed.
    """

    def __init__(
        self,
        engine: GradientEngine,
        preprocess: Preprocess,
        keys: Sequence[Key],
        method: str,
        seeds: Sequence[int],
        *,
        attention: bool = False,
    ) -> None:
        """``keys``: the tensors that objectives depend on.  ``seeds``: one for each picture."""
        self.engine, self.preprocess, self.keys = engine, preprocess, tuple(keys)
        self.input, self.size = preprocess.size, quick_size(preprocess.size)
        self.pictures = METHODS[method](self.size, seeds[0], 1)
        self.pictures.values = np.concatenate([METHODS[method](self.size, seed, 1).values for seed in seeds])
        self.adam = Adam(self.pictures.values, RATES[method])
        self.plans: dict[int, BackwardPlan] = {}
        self.attention = np.zeros((len(seeds), self.size, self.size), np.float32) if attention else None

    def step(self, views: Sequence[View], given: Mapping[Key, Floats]) -> BackwardRun:
        """Change the pictures along the gradient of an objective over views of them; returns the run before the change.

        ``views``: one of all pictures, or one for each.  ``given``: the gradient of the objective with respect to each tensor.
        """
        colours = to_colours(cut(views, self.pictures.pictures()))
        run = self.engine.run(self.planned(views[0].side), scaled(colours, self.preprocess), given)
        by_colours = run.gradients[NETWORK_INPUT] * scale_of(self.preprocess)
        by_pictures = gradient_of(views, colours_gradient(colours, by_colours))
        if self.attention is not None:
            self.attention += gradient_of(views, np.abs(by_colours).mean(axis=1, keepdims=True))[:, 0]
        self.pictures.values += self.adam.step(self.pictures.gradient(by_pictures))
        return run

    def run(self, given: Mapping[Key, Floats]) -> BackwardRun:
        """The run for the part of the pictures that the network sees, without changing them."""
        colours = to_colours(self.pictures.pictures()[:, :, : self.input, : self.input])
        return self.engine.run(self.planned(self.input), scaled(colours, self.preprocess), given)

    def planned(self, side: int) -> BackwardPlan:
        """The plan for views with sides of ``side`` pixels, computed once."""
        if side not in self.plans:
            blueprint = replace(self.engine.weights.blueprint, input_size=side)
            self.plans[side] = backward_plan(blueprint, self.keys, fetched=self.keys)
        return self.plans[side]

    def grid(self, key: Key, side: int) -> tuple[int, int, int]:
        """A tensor's (C, H, W) for views of this side."""
        channels, rows, columns = sites(self.planned(side).blueprint)[key.site].shape
        return channels, rows, columns


class Adam:
    """Adam (Kingma and Ba, arXiv:1412.6980) on real or complex values; the gradient of each picture is normalised."""

    def __init__(self, values: Values, rate: float) -> None:
        self.mean = np.zeros_like(values)
        self.square = np.zeros(values.shape, np.float32)
        self.rate = rate
        self.steps = 0

    def step(self, gradient: Values) -> Values:
        """The change of the values for one step of ascent."""
        power = np.abs(gradient) ** 2
        unit = gradient / (np.sqrt(power.mean(axis=(1, 2, 3), keepdims=True)) + TINY)
        self.steps += 1
        self.mean += (1 - MOMENTUM) * (unit - self.mean)
        self.square += (1 - DECAY) * (np.abs(unit) ** 2 - self.square)
        rate = self.rate / (1 - MOMENTUM**self.steps)
        step: Values = rate * self.mean / (np.sqrt(self.square / (1 - DECAY**self.steps)) + 1e-8)
        return step


def quick_size(size: int) -> int:
    """The smallest size of at least ``size`` without prime factors above 5, for a fast Fourier transform; 300 for 299."""
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 1


def cut(views: Sequence[View], pictures: Floats) -> Floats:
    """Cut the views out of the pictures; there is one view for all pictures, or one for each."""
    if len(views) == 1:
        return views[0].cut(pictures)
    return np.concatenate([view.cut(picture[None]) for view, picture in zip(views, pictures, strict=True)])


def gradient_of(views: Sequence[View], given: Floats) -> Floats:
    """The gradient with respect to the pictures; ``given``: the gradient with respect to the result of ``cut``."""
    if len(views) == 1:
        return views[0].gradient(given)
    return np.concatenate([view.gradient(each[None]) for view, each in zip(views, given, strict=True)])


def scaled(colours: Floats, preprocess: Preprocess) -> Floats:
    """The network's input for colours from 0 to 1."""
    values = (colours * 255 - shades(preprocess.subtract)) / shades(preprocess.divide)
    return np.ascontiguousarray(values, np.float32)


def scale_of(preprocess: Preprocess) -> Floats:
    """The derivative of the network's input with respect to colours from 0 to 1."""
    scale: Floats = (255 / shades(preprocess.divide)).astype(np.float32)
    return scale


def shades(value: float | tuple[float, ...]) -> Floats:
    """One number, or three for red, green and blue, as an array that broadcasts to (B, 3, H, W)."""
    array = np.array(value, np.float32)
    return array.reshape(-1, 1, 1) if array.ndim else array
