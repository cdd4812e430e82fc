"""Gradient ascent on pictures, for a batch of pictures at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...blueprint.sites import sites
from ...engine.gradient.plan import BackwardPlan, backward_plan
from ...engine.plan import NETWORK_INPUT, Key
from .spectrum import Phases, Spectrum, colours_gradient, to_colours
from .views import View, random_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...engine.gradient.gradient import GradientEngine
    from ...photos.preprocess import Preprocess

    Floats = NDArray[np.float32]
    Values = NDArray[np.float32] | NDArray[np.complex64]

METHODS: Mapping[str, type[Spectrum] | type[Phases]] = {"fourier": Spectrum, "phase": Phases}
"""Name -> the parametrisation that is optimised: frequencies, or only their phases."""

RATES = {"fourier": 0.2, "phase": 0.1}  # Adam's learning rates; for phases in radians
MOMENTUM, DECAY = 0.9, 0.99  # Adam's
SHARPNESS = 3.0  # inverse temperature of the softmax over places; values are in standard deviations of the map
VIEW_SIDES = (128, 192)
"""The smallest and the largest view in pixels; 192 is 2.4 times faster than 299, and 128 is 2.2 times faster than 192."""

POLISHING = 0.3  # the share of steps that improve the strongest place of each picture
SHAKING = 2  # pixels by which the view moves in these steps
VARIETY = 1.0  # the weight of the difference between pictures; the objective has weight 1
TINY = 1e-12


@dataclass(frozen=True)
class Objective:
    """The objective of the pictures: a weighted sum of the filters of a tensor, before its ReLU.

    ``key``: the tensor.  ``weights``: (B, C), the weight of each of C filters for each of B pictures.  ``cell``: (row, column)
    of the only place that counts; None for the strongest places.  ``varied``: whether the pictures should differ.
    """

    key: Key
    weights: Floats
    cell: tuple[int, int] | None = None
    varied: bool = False


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


def ascend(
    engine: GradientEngine,
    preprocess: Preprocess,
    objective: Objective,
    *,
    method: str,
    steps: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Spectrum | Phases:
    """The pictures after gradient ascent; equal arguments give equal pictures.

    Args:
        engine: computes the gradients.
        preprocess: the network's preprocessing; the pictures are at least as large as the network's input.
        objective: the objective to increase.
        method: one of ``METHODS``.
        steps: the number of steps.
        seed: the seed for the initial pictures and the views.
        progress: called with the number of steps done.
    """
    ascent = Ascent(engine, preprocess, objective, method, seed)
    last = int(steps * POLISHING)
    for step in range(steps):
        if objective.cell or step >= steps - last:
            ascent.polish()
        else:
            ascent.explore(first=step % 2 == 0)
        if progress:
            progress(step + 1)
    return ascent.pictures


class Ascent:
    """Pictures that are being optimised, and the steps that improve them.

    Steps of ``explore`` alternate.  One step increases the mean of the map over a random view, to find a start.  The next step
    uses the same view and increases the places where the map was strongest, to raise the maximum.  ``polish`` improves only the
    strongest place of each picture, in a view without rotation or scaling.
    """

    def __init__(
        self, engine: GradientEngine, preprocess: Preprocess, objective: Objective, method: str, seed: int
    ) -> None:
        self.engine, self.preprocess, self.objective = engine, preprocess, objective
        count, self.size = len(objective.weights), quick_size(preprocess.size)
        self.pictures = METHODS[method](self.size, seed, count)
        if objective.varied:
            self.pictures.values = np.concatenate(
                [METHODS[method](self.size, seed + number, 1).values for number in range(count)]
            )
        self.adam = Adam(self.pictures.values, RATES[method])
        self.random = np.random.default_rng(seed)
        self.input = preprocess.size
        self.field = max(sites(engine.weights.blueprint)[objective.key.site].field.size)
        self.side = view_side(self.field, self.input)
        self.views: list[View] = []
        self.given: Floats = np.zeros((0, 0, 0, 0), np.float32)
        self.centres: list[tuple[int, int]] = []
        self.plans: dict[int, BackwardPlan] = {}

    def explore(self, *, first: bool) -> None:
        """One step over a random view; ``first``: choose a new view."""
        if first:
            self.views = [random_view(self.random, self.size, self.side)]
            self.given = first_given(self.objective, self.grid(self.side))
        self.given = next_given(self.objective, self.step(self.side))

    def polish(self) -> None:
        """One step at the strongest place of each picture, or at the objective's cell.

        The view shows the place's surroundings if it can contain the whole receptive field; otherwise the whole picture.
        """
        whole = bool(self.objective.cell) or self.field + 2 * SHAKING > self.side
        side = self.input if whole else self.side
        if not self.centres:
            self.centres, self.given = self.strongest_places()
        if whole:
            down, right = self.random.integers(-SHAKING, SHAKING + 1, 2)
            self.views = [View(self.size, side, (int(down), int(right)), 1.0, 0.0)]
        else:
            self.views = [near(self.random, centre, self.size, side) for centre in self.centres]
            if self.given.shape[2:] != self.grid(side)[1:]:
                self.given = first_given(self.objective, self.grid(side))
        values = self.step(side)
        if self.objective.cell is None:
            self.given = next_given(self.objective, values)

    def step(self, side: int) -> Floats:
        """Change the pictures; returns the tensor's values before the change, (B, C, H, W)."""
        colours = to_colours(cut(self.views, self.pictures.pictures()))
        run = self.engine.run(self.planned(side), scaled(colours, self.preprocess), {self.objective.key: self.given})
        by_colours = colours_gradient(colours, run.gradients[NETWORK_INPUT] * scale_of(self.preprocess))
        self.pictures.values += self.adam.step(self.pictures.gradient(gradient_of(self.views, by_colours)))
        return run.values[self.objective.key]

    def planned(self, side: int) -> BackwardPlan:
        """The plan for views with sides of ``side`` pixels, computed once."""
        if side not in self.plans:
            blueprint = replace(self.engine.weights.blueprint, input_size=side)
            self.plans[side] = backward_plan(blueprint, [self.objective.key], fetched=[self.objective.key])
        return self.plans[side]

    def grid(self, side: int) -> tuple[int, int, int]:
        """The tensor's (C, H, W) for views with sides of ``side`` pixels."""
        return sites(self.planned(side).blueprint)[self.objective.key.site].shape

    def strongest_places(self) -> tuple[list[tuple[int, int]], Floats]:
        """The pixel (row, column) at the centre of each picture's strongest receptive field, and the objective's gradient."""
        colours = to_colours(self.pictures.pictures()[:, :, : self.input, : self.input])
        nothing = np.zeros((len(colours), *self.grid(self.input)), np.float32)
        run = self.engine.run(self.planned(self.input), scaled(colours, self.preprocess), {self.objective.key: nothing})
        values = run.values[self.objective.key]
        site = sites(self.engine.weights.blueprint)[self.objective.key.site]
        y, x = site.field.centre
        found = []
        for plane in np.einsum("bchw,bc->bhw", values, self.objective.weights):
            row, column = divmod(int(plane.argmax()), plane.shape[1])
            found.append((int(y + row * site.field.jump), int(x + column * site.field.jump)))
        cell = self.objective.cell
        given = first_given(self.objective, self.grid(self.input)) if cell else next_given(self.objective, values)
        return found, given


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


def view_side(field: int, size: int) -> int:
    """The side of a view in pixels: twice the receptive field, within ``VIEW_SIDES``."""
    smallest, largest = VIEW_SIDES
    return min(size, max(smallest, min(largest, 2 * field)))


def near(random: np.random.Generator, centre: tuple[int, int], size: int, side: int) -> View:
    """A view around a place, moved a little at random."""
    down, right = random.integers(-SHAKING, SHAKING + 1, 2)
    return View(size, side, (centre[0] - side // 2 + int(down), centre[1] - side // 2 + int(right)), 1.0, 0.0)


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


def first_given(objective: Objective, grid: tuple[int, ...]) -> Floats:
    """The objective's gradient with respect to the tensor (B, C, H, W): equal at all places, or only at the objective's cell."""
    places = np.zeros(grid[1:], np.float32)
    if objective.cell:
        places[objective.cell] = 1
    else:
        places[:] = 1 / places.size
    given: Floats = objective.weights[:, :, None, None] * places
    return np.ascontiguousarray(given, np.float32)


def next_given(objective: Objective, values: Floats) -> Floats:
    """The objective's gradient with respect to the tensor, at the places where ``values`` (B, C, H, W) are strongest."""
    maps = np.einsum("bchw,bc->bhw", values, objective.weights)
    given = objective.weights[:, :, None, None] * strongest(maps)[:, None]
    if objective.varied:
        given = given + difference(values) / values[0, 0].size
    return np.ascontiguousarray(given, np.float32)


def strongest(maps: Floats) -> Floats:
    """The weights (B, H, W) of the places of maps: a softmax of the values in standard deviations."""
    deviation = maps.std(axis=(1, 2), keepdims=True) + TINY
    raised = np.exp(SHARPNESS * (maps - maps.max(axis=(1, 2), keepdims=True)) / deviation)
    weights: Floats = raised / raised.sum(axis=(1, 2), keepdims=True)
    return weights


def difference(values: Floats) -> Floats:
    """The gradient, with respect to the spatial means of ``values``, of minus the pictures' mean cosine similarity."""
    means = np.maximum(values, 0).mean(axis=(2, 3))  # (B, C)
    units = means / (np.linalg.norm(means, axis=1, keepdims=True) + TINY)
    others = units.sum(axis=0) - units
    along = (others * units).sum(axis=1, keepdims=True)
    found: Floats = -VARIETY * (others - along * units) / max(1, len(values) - 1)
    return found[:, :, None, None]


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
