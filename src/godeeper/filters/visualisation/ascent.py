"""Gradient ascent on pictures, for a batch of pictures at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...blueprint.sites import sites
from ...engine.plan import Key
from .optimiser import TINY, PictureOptimiser
from .views import View, random_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...engine.gradient.gradient import GradientEngine
    from ...photos.preprocess import Preprocess

    Floats = NDArray[np.float32]

SHARPNESS = 3.0  # inverse temperature of the softmax over places; values are in standard deviations of the map
VIEW_SIDES = (128, 192)
"""The smallest and the largest view in pixels; 192 is 2.4 times faster than 299, and 128 is 2.2 times faster than 192."""

POLISHING = 0.3  # the share of steps that improve the strongest place of each picture
SHAKING = 2  # pixels by which the view moves in these steps
VARIETY = 1.0  # the weight of the difference between pictures; the objective has weight 1


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


def ascend(
    engine: GradientEngine,
    preprocess: Preprocess,
    objective: Objective,
    *,
    method: str,
    steps: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    attention: bool = False,
) -> PictureOptimiser:
    """The pictures after gradient ascent; equal arguments give equal pictures.

    Args:
        engine: computes the gradients.
        preprocess: the network's preprocessing; the pictures are at least as large as the network's input.
        objective: the objective to increase.
        method: one of ``METHODS``.
        steps: the number of steps.
        seed: the seed for the initial pictures and the views.
        progress: called with the number of steps done.
        attention: whether to sum up the gradients' magnitudes; see ``PictureOptimiser``.
    """
    seeds = [seed + number for number in range(len(objective.weights))]
    optimiser = PictureOptimiser(engine, preprocess, [objective.key], method, seeds, attention=attention)
    ascent = Ascent(optimiser, objective, seed)
    last = int(steps * POLISHING)
    for step in range(steps):
        if objective.cell:
            ascent.improve_cell()
        elif step >= steps - last:
            ascent.polish()
        else:
            ascent.explore(first=step % 2 == 0)
        if progress:
            progress(step + 1)
    return optimiser


class Ascent:
    """The steps that increase an objective.

    Steps of ``explore`` alternate.  One step increases the mean of the map over a random view, to find a start.  The next step
    uses the same view and increases the places where the map was strongest, to raise the maximum.  ``polish`` improves only the
    strongest place of each picture, in a view without rotation or scaling.
    """

    def __init__(self, optimiser: PictureOptimiser, objective: Objective, seed: int) -> None:
        self.optimiser, self.objective = optimiser, objective
        self.random = np.random.default_rng(seed)
        self.site = sites(optimiser.engine.weights.blueprint)[objective.key.site]
        self.side = view_side(max(self.site.field.size), optimiser.input)
        self.views: list[View] = []
        self.given: Floats = np.zeros((0, 0, 0, 0), np.float32)
        self.centres: list[tuple[int, int]] = []

    def explore(self, *, first: bool) -> None:
        """One step over a random view; ``first``: choose a new view."""
        if first:
            self.views = [random_view(self.random, self.optimiser.size, self.side)]
            self.given = first_given(self.objective, self.grid(self.side))
        self.given = next_given(self.objective, self.step())

    def improve_cell(self) -> None:
        """One step at the objective's cell, over the whole picture."""
        self.views = [self.whole_view()]
        self.given = first_given(self.objective, self.grid(self.optimiser.input))
        self.step()

    def polish(self) -> None:
        """One step at the strongest place of each picture.

        The view shows the place's surroundings if it can contain the whole receptive field; otherwise the whole picture.
        """
        whole = max(self.site.field.size) + 2 * SHAKING > self.side
        if not self.centres:
            self.centres, self.given = self.strongest_places()
        if whole:
            self.views = [self.whole_view()]
        else:
            self.views = [near(self.random, centre, self.optimiser.size, self.side) for centre in self.centres]
        grid = self.grid(self.views[0].side)
        if self.given.shape[2:] != grid[1:]:
            self.given = first_given(self.objective, grid)
        self.given = next_given(self.objective, self.step())

    def whole_view(self) -> View:
        """A view of the part that the network sees, moved a little at random."""
        down, right = self.random.integers(-SHAKING, SHAKING + 1, 2)
        return View(self.optimiser.size, self.optimiser.input, (int(down), int(right)), 1.0, 0.0)

    def step(self) -> Floats:
        """Change the pictures; returns the tensor's values before the change, (B, C, H, W)."""
        key = self.objective.key
        return self.optimiser.step(self.views, {key: self.given}).values[key]

    def grid(self, side: int) -> tuple[int, int, int]:
        """The tensor's (C, H, W) for views with sides of ``side`` pixels."""
        return self.optimiser.grid(self.objective.key, side)

    def strongest_places(self) -> tuple[list[tuple[int, int]], Floats]:
        """The pixel (row, column) at the centre of each picture's strongest receptive field, and the objective's gradient."""
        nothing = np.zeros((len(self.objective.weights), *self.grid(self.optimiser.input)), np.float32)
        values = self.optimiser.run({self.objective.key: nothing}).values[self.objective.key]
        field = self.site.field
        y, x = field.centre
        found = []
        for plane in np.einsum("bchw,bc->bhw", values, self.objective.weights):
            row, column = divmod(int(plane.argmax()), plane.shape[1])
            found.append((int(y + row * field.jump), int(x + column * field.jump)))
        return found, next_given(self.objective, values)


def ascend_mean(
    engine: GradientEngine,
    preprocess: Preprocess,
    weights: Mapping[Key, Floats],
    *,
    method: str,
    steps: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    attention: bool = False,
) -> PictureOptimiser:
    """One picture that increases a weighted sum of the means over places of filters, such as the logit of a class.

    ``weights``: tensor -> (C,).  The other arguments are those of ``ascend``.  Views are as large as the network's input, since the
    sum depends on the whole picture.
    """
    optimiser = PictureOptimiser(engine, preprocess, list(weights), method, [seed], attention=attention)
    random = np.random.default_rng(seed)
    given: dict[Key, Floats] = {}
    for key, each in weights.items():
        _, rows, columns = optimiser.grid(key, optimiser.input)
        by_place = np.full((1, 1, rows, columns), 1 / (rows * columns), np.float32)
        given[key] = np.ascontiguousarray(each[None, :, None, None] * by_place, np.float32)
    for step in range(steps):
        optimiser.step([random_view(random, optimiser.size, optimiser.input)], given)
        if progress:
            progress(step + 1)
    return optimiser


def view_side(field: int, size: int) -> int:
    """The side of a view in pixels: twice the receptive field, within ``VIEW_SIDES``."""
    smallest, largest = VIEW_SIDES
    return min(size, max(smallest, min(largest, 2 * field)))


def near(random: np.random.Generator, centre: tuple[int, int], size: int, side: int) -> View:
    """A view around a place, moved a little at random."""
    down, right = random.integers(-SHAKING, SHAKING + 1, 2)
    return View(size, side, (centre[0] - side // 2 + int(down), centre[1] - side // 2 + int(right)), 1.0, 0.0)


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
