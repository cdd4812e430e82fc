"""Decides whether to trust the visualisation of a filter.

A visualisation may activate a filter through other earlier filters than photos do.  A manipulated network can even have
visualisations that show anything (Geirhos et al., "Don't trust your eyes", ICML 2024, arXiv:2306.04719).  So the path of the
picture through the network is compared with the paths of the photos that activate the filter most.  A path consists of
attributions at a few earlier tensors.  The attribution of an earlier filter is its activation times the gradient of the
visualised filter's greatest value, summed over places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...blueprint.sites import ancestors, sites
from ...blueprint.topology import single_tensor_sites
from ...engine.gradient.plan import backward_plan
from ...engine.plan import NETWORK_INPUT, Key, output

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...blueprint.ops import Blueprint
    from ...engine.gradient.gradient import GradientEngine

    Floats = NDArray[np.float32]
    Cell = tuple[int, int]

TENSORS = 3  # earlier tensors that are compared
PHOTOS = 8  # photos that a picture is compared with
FEWEST = 3  # photos; with fewer, there is no comparison
LEAST_SIMILARITY = 0.35  # chosen with bench/studies/fooled.py
TINY = 1e-12


@dataclass(frozen=True)
class Verdict:
    """Whether to trust a picture.

    ``similarity``: see the function ``similarity``; None if there are too few photos.  ``trusted``: whether to trust the
    picture.  ``why``: the reason, as a sentence.
    """

    similarity: float | None
    trusted: bool
    why: str


def judge(value: float, best: float | None, similarity: float | None) -> Verdict:
    """The verdict on a picture; ``value``: its activation of the filter, ``best``: the activation by the best photo."""
    doubt = doubt_about(value, best, similarity)
    if doubt or not best:
        return Verdict(similarity, trusted=False, why=doubt)
    why = f"activates the filter {value / best:.1f} times as strongly as the best photo, and through similar earlier filters"
    return Verdict(similarity, trusted=True, why=why)


def doubt_about(value: float, best: float | None, similarity: float | None) -> str:
    """The reason not to trust a picture; empty if it is trusted."""
    if value <= 0 and best is None:
        return "dead: neither the picture nor any photo activates this filter"
    if value <= 0:
        return f"the picture does not activate the filter; the best photo does ({best:.3g}): try more steps or another seed"
    if best is None:
        return "not checked: no photo activates the filter; give an index of your photos"
    if value < best:
        return f"the best photo activates the filter more ({best:.3g}) than the picture ({value:.3g}): try more steps"
    if similarity is None:
        return f"not checked: fewer than {FEWEST} photos that activate the filter can be read; give an index of more photos"
    if similarity < LEAST_SIMILARITY:
        return (
            "the picture activates the filter through other earlier filters than photos do "
            f"(path similarity {similarity:.2f}, expected at least {LEAST_SIMILARITY})"
        )
    return ""


def compared_tensors(blueprint: Blueprint, key: Key) -> list[Key]:
    """The tensors at which paths are compared: the operation's inputs, then the nearest earlier tensors on all paths."""
    all_sites = sites(blueprint)
    upstream = set(ancestors(all_sites, [key.site])) - {key.site}
    nearest = [output(all_sites[each]) for each in all_sites[key.site].inputs]
    earlier = [
        output(site)
        for site in reversed(single_tensor_sites(blueprint))
        if site.index in upstream and not site.is_photo_step
    ]
    found = list(dict.fromkeys([*nearest, *earlier]))[:TENSORS]
    return [each for each in found if not all_sites[each.site].is_photo_step] or [NETWORK_INPUT]


def paths(
    engine: GradientEngine, key: Key, number: int, inputs: Sequence[Floats], cells: Sequence[Cell]
) -> dict[Key, Floats]:
    """Tensor -> (N, C): the attribution of each of its filters to the value at a cell, for N network inputs (1, 3, H, W)."""
    blueprint = engine.weights.blueprint
    tensors = compared_tensors(blueprint, key)
    fetched = [each for each in tensors if each != NETWORK_INPUT]
    planned = backward_plan(blueprint, [key], tensors, fetched)
    found: dict[Key, list[Floats]] = {each: [] for each in tensors}
    for fed, cell in zip(inputs, cells, strict=True):
        given = np.zeros((1, *sites(blueprint)[key.site].shape), np.float32)
        given[0, number, cell[0], cell[1]] = 1
        run = engine.run(planned, fed, {key: given})
        values = {NETWORK_INPUT: fed, **run.values}
        for each in tensors:
            found[each].append((values[each] * run.gradients[each]).sum(axis=(0, 2, 3)))
    return {each: np.stack(rows) for each, rows in found.items()}


def similarity(found: dict[Key, Floats]) -> float:
    """The similarity of the first input's path to the other paths, divided by the other paths' mutual similarity; at least 0.

    Similarities are cosine similarities, averaged over pairs of inputs and over tensors.
    """
    own, others = 0.0, 0.0
    for rows in found.values():
        units = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + TINY)
        cosines = units @ units.T
        count = len(rows) - 1
        own += float(cosines[0, 1:].mean())
        others += float((cosines[1:, 1:].sum() - np.trace(cosines[1:, 1:])) / (count * (count - 1)))
    return max(0.0, own / others) if others > TINY else 0.0
