"""Listeners: the later filters that read a filter, their weights on the filter, and its contributions to them on one photo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...blueprint.address import Tensor
from ...blueprint.ops import Norm, Pool
from ...blueprint.sites import Site
from .levels import conv_of
from .patch import PaddedInput, norm_factors, pooled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...weights.file import Parameters

    Doubles = NDArray[np.float64]
    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Listener:
    """A later filter that reads a filter, through concatenations, pools and normalisations, but no other convolution.

    ``weight``: the Euclidean norm of the listener's weights on the filter, after multiplication by the scale of batch
    normalisation.  ``value``: the filter's contribution with the greatest magnitude on this photo.  ``cell``: (row, column) of
    this contribution in the listener's map.  Decomposing the listener at this cell gives a term for this filter that equals
    ``value``.
    """

    site: Site
    channel: int
    weight: float
    value: float
    cell: tuple[int, int]

    @property
    def tensor(self) -> Tensor:
        """The listener's output, as a tensor with one channel."""
        return Tensor(self.site, "relu", (self.channel,))

    def record(self) -> dict[str, Any]:
        """The data as a JSON object."""
        return {
            "address": self.site.address,
            "channel": self.channel,
            "weight": self.weight,
            "value": self.value,
            "cell": list(self.cell),
        }


def listeners(
    sites: Sequence[Site], site: Site, channel: int, outputs: Floats, parameters: Parameters
) -> list[Listener]:
    """All listeners of a filter, the greatest magnitude of ``value`` first.

    ``outputs``: (C, H, W), the values of all filters of ``site`` after the ReLU.
    """
    found = []
    for reader, path in readers(sites, site):
        plane, number = carried(sites, site, path, outputs, channel)
        kernel = parameters.kernel(reader)[:, number].astype(np.float64)  # (filters, height, width)
        kernel *= parameters.batchnorm(reader).scale[:, None, None]
        found += heard(reader, kernel, plane)
    return sorted(found, key=lambda listener: -abs(listener.value))


def readers(sites: Sequence[Site], site: Site) -> Iterator[tuple[Site, tuple[Site, ...]]]:
    """Yield each convolution that reads ``site``, with the concatenations, pools and normalisations in between."""
    waiting: list[tuple[int, tuple[Site, ...]]] = [(site.index, ())]
    while waiting:
        index, path = waiting.pop()
        for later in sites:
            if index in later.inputs:
                if later.kind == "conv":
                    yield later, path
                elif later.kind in ("concat", "pool", "norm"):
                    waiting.append((later.index, (*path, later)))


def carried(
    sites: Sequence[Site], site: Site, path: Sequence[Site], outputs: Floats, channel: int
) -> tuple[Floats, int]:
    """The map (H, W) of a filter after the operations in ``path``, and the number of its channel after them."""
    if not any(isinstance(step.op, Norm) for step in path):  # only a normalisation reads other channels
        outputs, position = outputs[channel : channel + 1], 0
    else:
        position = channel
    source, planes = site.index, outputs
    for step in path:
        if isinstance(step.op, Norm):
            planes = (planes * norm_factors(step.op, planes)).astype(np.float32)
        elif isinstance(step.op, Pool):
            planes = pooled(step.op, planes, step.shape[1:])
        else:
            channel += sum(sites[each].shape[0] for each in step.inputs[: step.inputs.index(source)])
        source = step.index
    return planes[position], channel


def heard(reader: Site, kernel: Doubles, plane: Floats) -> list[Listener]:
    """A listener for each filter of a convolution.

    ``plane``: (H, W).  ``kernel``: (filters, height, width), the weights on it.
    """
    _, rows, columns = reader.shape
    read = PaddedInput(conv_of(reader), (plane.shape[0], plane.shape[1]), (0, 0), (rows, columns))
    windows = read.columns(plane[None], 0).reshape(-1, rows * columns)  # (taps, cells)
    values = kernel.reshape(len(kernel), -1) @ windows.astype(np.float64)  # (filters, cells)
    strongest = np.abs(values).argmax(axis=1)
    weights = np.sqrt(np.square(kernel).sum(axis=(1, 2)))
    greatest = values[np.arange(len(values)), strongest]
    return [
        Listener(reader, number, weight, value, divmod(cell, columns))
        for number, (weight, value, cell) in enumerate(
            zip(weights.tolist(), greatest.tolist(), strongest.tolist(), strict=True)
        )
    ]
