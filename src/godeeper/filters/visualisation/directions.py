"""Visualises a direction: a sum of filters of one tensor, or a weighted sum of filters' means, such as the logit of a class.

No photo of an index is known to be the best for a direction, so these pictures have no verdict.  They state the value they reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...blueprint.address import Tensor, resolve_one
from ...engine.plan import NETWORK_INPUT, Key, key_of, plan
from ...errors import AddressError, OptionError
from ...photos.decode import decode
from ...png import encode_png
from ..contributions.target import checked_cell
from .ascent import Objective, ascend, ascend_mean
from .visualise import Settings, Steps, before_relu, checked, checked_size, filter_of, in_bytes, png_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...provenance import Provenance
    from .visualise import DifferentiableNetwork

    Floats = NDArray[np.float32]

NOT_CHECKED = "not checked: it is not known which photo is the best for it"


@dataclass(frozen=True)
class Direction:
    """A picture made to increase a direction.

    ``name``: of the direction, in words.  ``image``: (size, size, 3) uint8, or 4 with transparency.  ``value``: that of the picture; for a
    sum of filters, the greatest over places, after the ReLU; for a class, its logit minus the mean of the logits of all classes.
    ``probability``: of the class, by its classifier; None for a sum.
    """

    name: str
    image: NDArray[np.uint8] = field(repr=False)
    value: float
    settings: Settings
    origin: Provenance
    probability: float | None = None

    @property
    def why(self) -> str:
        """Why there is no verdict."""
        return NOT_CHECKED

    @property
    def picture(self) -> Image.Image:
        """The picture as an RGB or RGBA image."""
        return Image.fromarray(self.image)

    def png(self) -> bytes:
        """The picture as a PNG, with its provenance in text chunks."""
        texts = png_texts(self.name, self.value, self.why, self.settings)
        return encode_png(self.picture, texts | self.origin.png_chunks())

    def record(self, png: str | None = None) -> dict[str, Any]:
        """As JSON."""
        return {
            "direction": self.name,
            "png": png,
            "value": self.value,
            "probability": self.probability,
            "trusted": False,
            "why": self.why,
        }


def visualise_sum(
    network: DifferentiableNetwork,
    tensor: Tensor,
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
) -> Direction:
    """One picture that activates several filters of a tensor at the same place.

    Args:
        network: in single precision.
        tensor: with the filters, at least two, of one convolution; a copy in a concatenation stands for the filter that it copies.
        settings: see ``Settings``; ``varied`` must be 1.
        progress: called with (steps done, steps in all).

    Raises:
        AddressError: the filters are not those of one convolution.
        OptionError: as ``visualise``.
    """
    filters = [filter_of(network, Tensor(tensor.site, tensor.stage, (number,))) for number in checked(network, tensor)]
    site = filters[0].site
    if len(filters) < 2 or any(each.site != site for each in filters):
        raise AddressError(f"{tensor.name}: expected two or more filters of one convolution, such as 'mixed/conv[3,5]'")
    check_single(settings)
    size = checked_size(network, filters, settings.size)
    if settings.cell is not None:
        checked_cell(settings.cell, site)
    numbers = tuple(each.filters[0] for each in filters)
    summed = Tensor(site, "relu", numbers)
    weights = np.zeros((1, site.shape[0]), np.float32)
    weights[0, list(numbers)] = 1
    made = ascend(
        network.gradient_engine,
        network.preprocess,
        Objective(before_relu(summed), weights, settings.cell),
        method=settings.method,
        steps=settings.steps,
        seed=settings.seed,
        progress=Steps(progress, settings.steps),
        attention=settings.transparent,
    )
    image = in_bytes(made, size)[0]
    maps = values_of(network, [key_of(summed)], image)[key_of(summed)][0, list(numbers)]
    return Direction(f"sum of {summed.address}", image, float(maps.sum(axis=0).max()), settings, network.provenance())


def visualise_means(
    network: DifferentiableNetwork,
    name: str,
    weights: Mapping[str, Floats],
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
) -> Direction:
    """One picture that increases a weighted sum of filters' means over places.

    Args:
        network: in single precision.
        name: of the direction.
        weights: address of a tensor -> the weight of each of its filters, (C,).
        settings: see ``Settings``; ``varied`` must be 1, and ``cell`` None, because the mean is over all places.
        progress: called with (steps done, steps in all).

    Raises:
        OptionError: as ``visualise``.
    """
    check_single(settings)
    if settings.cell is not None:
        raise OptionError("a class has no cell: it depends on the mean over all places")
    if network.calibration is not None:
        raise OptionError("a network in int8 has no gradients to follow: use a classifier in fp32")
    tensors = {resolve_one(network.blueprint, address): np.asarray(each) for address, each in weights.items()}
    size = checked_size(network, list(tensors), settings.size)
    by_key = {key_of(tensor): each for tensor, each in tensors.items()}
    made = ascend_mean(
        network.gradient_engine,
        network.preprocess,
        by_key,
        method=settings.method,
        steps=settings.steps,
        seed=settings.seed,
        progress=Steps(progress, settings.steps),
        attention=settings.transparent,
    )
    image = in_bytes(made, size)[0]
    found = values_of(network, list(by_key), image)
    value = sum(float(found[key][0].mean(axis=(1, 2)) @ each) for key, each in by_key.items())
    return Direction(name, image, value, settings, network.provenance())


def check_single(settings: Settings) -> None:
    """Raise ``OptionError`` if several pictures are asked for."""
    if settings.varied != 1:
        raise OptionError(f"{settings.varied} different pictures: a sum or a class gives one")


def values_of(network: DifferentiableNetwork, keys: list[Key], image: NDArray[np.uint8]) -> dict[Key, Floats]:
    """The tensors of a picture, each (1, C, H, W)."""
    fed = network.preprocess(decode(Image.fromarray(image)))
    return dict(network.engine.run(plan(network.blueprint, keys), {NETWORK_INPUT: fed}))
