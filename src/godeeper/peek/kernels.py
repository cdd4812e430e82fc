"""The kernels of a convolution whose input is the photo, as colour pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..blueprint.ops import Conv
from ..blueprint.sites import Site, sites
from ..errors import AddressError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..blueprint.ops import Blueprint
    from ..weights.file import WeightsFile

    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Kernels:
    """The kernels of a convolution whose input is the photo.

    ``values``: (C, height, width, 3) float32, the weights for red, green and blue, multiplied by the scale of batch
    normalisation if the convolution has it.
    """

    values: Floats = field(repr=False)

    def limit(self, number: int) -> float:
        """The maximum magnitude in one kernel."""
        return float(np.abs(self.values[number]).max())

    def picture(self, number: int, zoom: int = 1) -> Image.Image:
        """One kernel in colour: mid grey is zero, and each channel ranges from -``limit`` to ``limit``."""
        limit = self.limit(number) or 1.0
        levels = np.rint(127.5 + 127.5 * self.values[number] / limit).astype(np.uint8)
        image = Image.fromarray(levels)
        return image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)

    def legend(self, number: int) -> str:
        """The sentence that explains the colours."""
        limit = self.limit(number)
        return (
            f"the kernel's weights for red, green and blue, multiplied by the scale of batch normalisation if there is any; "
            f"mid grey is 0, and each colour ranges from {-limit:.3g} (dark) to {limit:.3g} (bright), the largest magnitude in this kernel"
        )


def has_kernels(network: Blueprint, site: Site) -> bool:
    """Whether ``site`` is a convolution whose input is the photo, so that its kernels can be shown in colour."""
    return isinstance(site.op, Conv) and sites(network)[site.inputs[0]].is_photo_step


def kernels(weights: WeightsFile, site: Site) -> Kernels:
    """The kernels of a convolution whose input is the photo.

    Raises:
        AddressError: ``site`` is not such a convolution.
    """
    if not has_kernels(weights.blueprint, site):
        raise AddressError(
            f"the kernels of {site.address} have no colours: expected a convolution of the photo itself, such as 'conv'"
        )
    with weights.parameters() as numbers:
        kernel = numbers.kernel(site) * numbers.batchnorm(site).scale[:, None, None, None]  # (C, 3, height, width)
    return Kernels(np.ascontiguousarray(kernel.transpose(0, 2, 3, 1), np.float32))
