"""What can be said of the filters of a tensor one by one: how they answer, what they are, what is next to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..blueprint.ops import Conv
from ..blueprint.sites import PHOTO_KINDS, Site, sites
from ..errors import AddressError, UnknownName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..blueprint.ops import Network
    from ..weights.file import WeightsFile

    Floats = NDArray[np.float32]

STRENGTH = "the filter's greatest value in this photo"
SELECTIVITY = (
    "sparseness over the photo's places, after Vinje and Gallant (Science 287, 2000): "
    "0 where a filter says the same everywhere, 1 where it answers in one cell alone"
)
"""What the statistics are, for whoever shows them."""


def strengths(activations: Floats) -> Floats:
    """(C,) float32: each filter's greatest value; ``activations`` are (C, H, W)."""
    greatest: Floats = activations.max(axis=(1, 2))
    return greatest


def selectivities(activations: Floats) -> NDArray[np.float64]:
    """How few of the photo's places each filter answers to.

    Lifetime sparseness, (1 - a) / (1 - 1 / n) with a = mean(r)² / mean(r²) over n responses, the one of Vinje and
    Gallant, Science 287 (2000), who scaled that of Rolls and Tovee, J. Neurophysiol. 73 (1995).  Theirs was over
    stimuli; here it is over the n = H · W places of one photo.

    Args:
        activations: (C, H, W), rectified: it is not defined for values below zero.

    Returns:
        (C,) float64 from 0 (the same everywhere) to 1 (one cell alone); NaN for a filter that is zero everywhere,
        and for all where there is a single cell or a value below zero.

    >>> selectivities(np.array([[[0, 0], [0, 3]], [[2, 2], [2, 2]], [[0, 0], [0, 0]]], np.float32)).tolist()
    [1.0, 0.0, nan]
    """
    cells = activations.reshape(len(activations), -1).astype(np.float64)
    count = cells.shape[1]
    if count < 2 or cells.min() < 0:
        return np.full(len(cells), np.nan)
    squares = np.square(cells).mean(axis=1)
    evenness = np.divide(np.square(cells.mean(axis=1)), squares, out=np.full(len(cells), np.nan), where=squares > 0)
    found: NDArray[np.float64] = np.clip((1 - evenness) / (1 - 1 / count), 0, 1)
    return found


ORDERS: dict[str, Callable[[Floats], NDArray[Any]]] = {
    "number": lambda activations: np.zeros(len(activations)),
    "strength": strengths,
    "selectivity": selectivities,
}
"""What filters can be sorted by, the greatest first; what is NaN comes last, and equals stay in order."""


def order(activations: Floats, by: str = "number") -> list[int]:
    """The filters of (C, H, W), as positions, sorted by one of ``ORDERS``; raises ``UnknownName``."""
    if by not in ORDERS:
        raise UnknownName("order", by, ORDERS)
    found: list[int] = np.argsort(-ORDERS[by](activations), kind="stable").tolist()
    return found


@dataclass(frozen=True)
class Kernels:
    """The kernels of a convolution that reads the photo itself.

    ``values``: (C, height, width, 3) float32, what the input's red, green and blue are multiplied with, the scale of
    batch normalisation included.
    """

    values: Floats = field(repr=False)

    def limit(self, number: int) -> float:
        """The greatest magnitude in one kernel."""
        return float(np.abs(self.values[number]).max())

    def picture(self, number: int, zoom: int = 1) -> Image.Image:
        """One kernel in colour: mid grey is zero, each channel reaches ``limit`` at its ends."""
        limit = self.limit(number) or 1.0
        levels = np.rint(127.5 + 127.5 * self.values[number] / limit).astype(np.uint8)
        image = Image.fromarray(levels)
        return image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)

    def legend(self, number: int) -> str:
        """One sentence that says what the colours mean."""
        limit = self.limit(number)
        return (
            f"weights of the input's red, green and blue, batch normalisation's scale included: "
            f"mid grey is 0, each colour from {-limit:.3g} (none of it) to {limit:.3g} (all of it), this kernel's greatest"
        )


def has_kernels(network: Network, site: Site) -> bool:
    """Whether the kernels of ``site`` have colours: a convolution of the photo itself."""
    return isinstance(site.op, Conv) and sites(network)[site.inputs[0]].kind in PHOTO_KINDS


def kernels(weights: WeightsFile, site: Site) -> Kernels:
    """The kernels of a convolution of the photo itself.

    Raises:
        AddressError: ``site`` reads something else than red, green and blue.
    """
    if not has_kernels(weights.network, site):
        raise AddressError(
            f"the kernels of {site.address} have no colours: expected a convolution of the photo itself, such as 'conv'"
        )
    with weights.numbers() as numbers:
        kernel = numbers.kernel(site) * numbers.batchnorm(site).scale[:, None, None, None]  # (C, 3, height, width)
    return Kernels(np.ascontiguousarray(kernel.transpose(0, 2, 3, 1), np.float32))


@dataclass(frozen=True)
class Neighbours:
    """What stands around a site.

    ``before``: what it is computed from.  ``after``: what is computed from it.  ``branch``: the sites on the same path
    through the same module, in order, the site itself among them; for those of the stem, all of the stem.
    """

    before: tuple[Site, ...]
    after: tuple[Site, ...]
    branch: tuple[Site, ...]


def neighbours(network: Network, site: Site) -> Neighbours:
    """The sites around ``site``."""
    every = sites(network)
    place = site.place.module, site.place.path
    return Neighbours(
        before=tuple(every[source] for source in site.inputs),
        after=tuple(other for other in every if site.index in other.inputs),
        branch=tuple(
            other
            for other in every
            if (other.place.module, other.place.path) == place and is_before_the_head(other) == is_before_the_head(site)
        ),
    )


def origin(network: Network, site: Site, number: int) -> tuple[Site, int]:
    """Which site a filter of a join comes from, and its number there; any other site's filters are its own.

    >>> from godeeper.blueprint.address import resolve_one
    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> site, number = origin(INCEPTION_V3, resolve_one(INCEPTION_V3, "mixed/join").site, 86)
    >>> site.address, number
    ('mixed/tower/conv_1', 22)
    """
    while site.kind == "concat":
        for source in site.inputs:
            joined = sites(network)[source]
            if number < joined.shape[0]:
                break
            number -= joined.shape[0]
        site = joined
    return site, number


def is_before_the_head(site: Site) -> bool:
    """Whether a site belongs to stem or modules, neither to the photo's steps nor to the classifier."""
    return site.kind not in (*PHOTO_KINDS, "average", "reshape", "dense", "softmax")
