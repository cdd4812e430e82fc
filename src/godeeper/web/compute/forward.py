"""A look: what every site of the network made of one photo, computed part by part.

The network is cut into its parts (stem, modules, classifier); each is a plan of its own, fed with the end of the
part before.  So progress is real, a part's pictures are there as soon as it is done, and a look can be given up
between two parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...blueprint.address import Tensor, stages
from ...blueprint.parts import parts
from ...blueprint.sites import PHOTO_KINDS, Site, sites
from ...engine.engines import Engine
from ...engine.plan import Key, Plan, output, plan
from ...network import Network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = dict[Key, NDArray[np.float32]]


@dataclass(frozen=True)
class Segment:
    """A part of the network as a run: ``plan`` computes all its ``tensors`` from the end of the part before."""

    part: str
    plan: Plan
    tensors: tuple[Tensor, ...]


def segments(network: Network) -> tuple[Segment, ...]:
    """The parts after the photo's own steps, in program order, without what there is nothing to see of."""
    return tuple(
        segment(network, part, members)
        for part, members in parts(network.blueprint).items()
        if members[0].kind not in PHOTO_KINDS
    )


def segment(network: Network, part: str, members: tuple[Site, ...]) -> Segment:
    """One part as a run."""
    every = sites(network.blueprint)
    tensors = tuple(tensor for site in members if network.shows(tensor := Tensor(site, stages(site)[0])))
    own = {tensor.site.index for tensor in tensors}
    outside = {output(every[source]): None for tensor in tensors for source in tensor.site.inputs if source not in own}
    return Segment(part, plan(network.blueprint, [output(tensor.site) for tensor in tensors], tuple(outside)), tensors)


class ForwardPass:
    """The values of one photo: those it starts from, and those of the first ``done`` segments."""

    def __init__(self, start: Values) -> None:
        self.values = dict(start)
        self.done = 0

    @property
    def nbytes(self) -> int:
        return sum(values.nbytes for values in self.values.values())

    def compute(self, engine: Engine, run: Plan) -> Values:
        """The values that a plan computes from this look's."""
        return engine.run(run, {key: self.values[key] for key in run.fed})

    def add(self, values: Mapping[Key, NDArray[np.float32]]) -> None:
        """Take up a segment's values."""
        self.values |= values
        self.done += 1
