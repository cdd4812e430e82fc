"""Decomposes the value of a filter at one cell into the contributions of earlier filters.

Between two ReLUs, a network is linear.  A convolution with its batch normalisation is a weighted sum plus a shift, an average
pool is a mean, and for a given photo, a max pool returns one known cell.  So the value before a ReLU is exactly a sum over
earlier filters.  For a given photo, the decomposition can continue through earlier ReLUs, because an active ReLU returns its
input and an inactive one returns zero.  Only local response normalisation (GoogLeNet) is not linear; at depth 2 and beyond,
its factors on this photo are treated as constants.

This is layer-wise relevance propagation with the rule z = Σ w · x and separate bias terms (Bach et al., PLOS ONE 10(7), 2015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from ...blueprint.address import stages
from ...blueprint.sites import sites
from ...engine.plan import NETWORK_INPUT, Key, output
from ...errors import OptionError
from ...peek.geometry import Cell, strongest
from ...photos.decode import decode
from ...photos.input_steps import PhotoSteps
from ...photos.preprocess import to_planes
from .levels import Back, Level, longest, needed
from .listeners import listeners
from .record import Contributions, Term
from .target import Target, checked_cell, checked_depth, target_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...blueprint.ops import Blueprint
    from ...blueprint.sites import Site
    from ...engine.engines import Engine
    from ...engine.prefix_cache import PrefixCache
    from ...engine.quantization import QuantizationRanges
    from ...photos.decode import Photo, PhotoSource
    from ...photos.preprocess import Preprocess
    from ...provenance import Provenance
    from ...weights.file import WeightsFile

    Floats = NDArray[np.float32]

NORM_NOTE = "local response normalisation is not linear: its factors on this photo are taken as constants"


class PhotoNetwork(Protocol):
    """The parts of ``godeeper.Network`` that contributions need.  Importing ``Network`` here would be a circular import."""

    weights: WeightsFile
    blueprint: Blueprint
    preprocess: Preprocess
    engine: Engine
    prefix_cache: PrefixCache

    @property
    def calibration(self) -> QuantizationRanges | None: ...

    def provenance(self, photo: Photo | None = None) -> Provenance: ...


@dataclass(frozen=True)
class ForwardPass:
    """One photo, and the values that the network computes for it.

    ``image``: the network's input as a picture.  ``outputs``: index of a site -> its output (C, H, W).  ``before_relu``: the
    values of the target's convolution before the ReLU, (C, H, W).
    """

    photo: Photo
    image: Image.Image
    outputs: Mapping[int, Floats]
    before_relu: Floats


def contributions(
    network: PhotoNetwork, photo: PhotoSource, address: str, at: tuple[int, int] | None = None, depth: int = 1
) -> Contributions:
    """The contributions to one filter at one cell; see ``Network.contributions``."""
    target = target_of(network.blueprint, address)
    depth = checked_depth(depth)
    if at is not None:
        at = checked_cell(at, target.site)
    check_precision(network)
    return decompose(network, target, forward(network, decode(photo), target, depth), at, depth)


def check_precision(network: PhotoNetwork) -> None:
    """Raise ``OptionError`` unless the network computes in single precision."""
    if network.calibration is not None:
        raise OptionError("precision 'int8': contributions add up exactly only in single precision; load with 'fp32'")


def forward(network: PhotoNetwork, photo: Photo, target: Target, depth: int) -> ForwardPass:
    """Compute, in one forward pass, the values that a decomposition through ``depth`` levels needs."""
    all_sites = sites(network.blueprint)
    steps = PhotoSteps(network.preprocess, "decode", photo)
    planes = to_planes(steps.value("multiply"))
    read = needed(all_sites, target.site, depth) - {NETWORK_INPUT.site}
    before_relu = Key(target.site.index, stages(target.site)[1])
    values = network.prefix_cache.run([*(output(all_sites[index]) for index in sorted(read)), before_relu], planes)
    outputs = {index: values[output(all_sites[index])][0] for index in read} | {NETWORK_INPUT.site: planes[0]}
    image = Image.fromarray(np.rint(steps.value("resize")[0]).astype(np.uint8))
    return ForwardPass(photo, image, outputs, values[before_relu][0])


def decompose(
    network: PhotoNetwork, target: Target, run: ForwardPass, at: tuple[int, int] | None, depth: int
) -> Contributions:
    """The contributions to the target at a cell, by default the cell with the greatest value."""
    all_sites = sites(network.blueprint)
    plane = run.before_relu[target.channel]
    cell = cell_of(plane, at)
    with network.weights.parameters() as parameters:
        back = Back(all_sites, run.outputs, parameters)
        first = back.start(target.site, target.channel, (cell.row, cell.column))
        level = back.further(first, depth, longest(all_sites, target.site))
        outputs = np.maximum(run.before_relu, 0)
        heard = listeners(all_sites, target.site, target.channel, outputs, parameters)
    terms = [term for index in level.reads for term in terms_of(all_sites, index, level, run.outputs)]
    return Contributions(
        tensor=target.tensor,
        cell=cell,
        depth=level.depth,
        own_bias=first.bias,
        inner_bias=level.bias - first.bias,
        terms=tuple(sorted(terms, key=lambda term: -abs(term.value))),
        listeners=tuple(heard),
        origin=network.provenance(run.photo),
        engine=network.engine.identity(),
        notes=(*target.notes, *([NORM_NOTE] if level.crossed_norm else [])),
        maps={index: run.outputs[index] for index in level.reads},
        plane=plane,
        image=run.image,
    )


def cell_of(plane: Floats, at: tuple[int, int] | None) -> Cell:
    """The cell ``at`` with its value, or the cell with the greatest value; the first cell if all values are equal."""
    found = strongest(plane) if at is None else None
    if found is not None:
        return found
    row, column = at or (0, 0)
    return Cell(row, column, float(plane[row, column]))


def terms_of(all_sites: Sequence[Site], index: int, level: Level, outputs: Mapping[int, Floats]) -> list[Term]:
    """One term for each channel of the tensor with index ``index``."""
    site, patch = all_sites[index], level.reads[index]
    cells = patch.of(outputs[index])  # (C, h, w)
    values = cells.sum(axis=(1, 2)).tolist()
    return [
        Term(site, channel, *source, value, patch.box, cells[channel])
        for channel, (source, value) in enumerate(zip(origins(all_sites, site), values, strict=True))
    ]


def origins(all_sites: Sequence[Site], site: Site) -> list[tuple[Site, int]]:
    """The filter or photo channel that each channel of ``site`` comes from, through concatenations, pools and normalisations.

    Unlike this function, ``blueprint.topology.origin`` stops at a pool or normalisation.
    """
    if site.kind not in ("concat", "pool", "norm"):
        return [(site, channel) for channel in range(site.shape[0])]
    return [each for source in site.inputs for each in origins(all_sites, all_sites[source])]
