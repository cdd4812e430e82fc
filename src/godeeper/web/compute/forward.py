"""A forward pass: the values of every site of the network for one photo, computed segment by segment.

The network is divided into its parts (stem, modules, classifier).  Each part has a plan, fed with the last tensor of the
part before.  Progress is therefore exact, a part's tensors can be shown as soon as they are computed, and a pass can be
cancelled between two parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...blueprint.address import Tensor, stages
from ...blueprint.parts import parts
from ...blueprint.sites import Site, sites
from ...engine.engines import Engine
from ...engine.plan import Key, Plan, output, plan
from ...network import Network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = dict[Key, NDArray[np.float32]]


@dataclass(frozen=True)
class Segment:
    """One part of the network: ``plan`` computes all its ``tensors`` from the last tensor of the part before."""

    part: str
    plan: Plan
    tensors: tuple[Tensor, ...]


def segments(network: Network) -> tuple[Segment, ...]:
    """The parts after the photo's own steps, in program order, without tensors that cannot be viewed."""
    return tuple(
        segment(network, part, members)
        for part, members in parts(network.blueprint).items()
        if not members[0].is_photo_step
    )


def segment(network: Network, part: str, members: tuple[Site, ...]) -> Segment:
    """One part as a segment."""
    all_sites = sites(network.blueprint)
    tensors = tuple(tensor for site in members if network.shows(tensor := Tensor(site, stages(site)[0])))
    own = {tensor.site.index for tensor in tensors}
    fed = {output(all_sites[source]): None for tensor in tensors for source in tensor.site.inputs if source not in own}
    return Segment(part, plan(network.blueprint, [output(tensor.site) for tensor in tensors], tuple(fed)), tensors)


class ForwardPass:
    """The values for one photo: the network's input, and the tensors of the first ``done`` segments."""

    def __init__(self, start: Values) -> None:
        self.values = dict(start)
        self.done = 0

    @property
    def nbytes(self) -> int:
        return sum(values.nbytes for values in self.values.values())

    def compute(self, engine: Engine, plan: Plan) -> Values:
        """Run ``plan`` on the values of this pass and return the results."""
        return engine.run(plan, {key: self.values[key] for key in plan.fed})

    def add(self, values: Mapping[Key, NDArray[np.float32]]) -> None:
        """Add the values of the next segment."""
        self.values |= values
        self.done += 1
