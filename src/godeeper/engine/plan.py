"""Plans a run: finds the operations that are needed to compute the fetched tensors from the fed tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..blueprint.address import Stage, Tensor, stages
from ..blueprint.ops import Blueprint
from ..blueprint.sites import PHOTO_KINDS, Site, sites
from ..errors import FeedError


class Key(NamedTuple):
    """A whole tensor of a network: the index of its site, and its stage, which is None if the site is not a convolution."""

    site: int
    stage: Stage | None = None


NETWORK_INPUT = Key(PHOTO_KINDS.index("multiply"))
"""The key of the network's input, the same in all networks; ``godeeper.photos`` computes its value from the photo."""

POOLED = "/mean"
"""The suffix of the name of a tensor's spatial mean in a graph."""


@dataclass(frozen=True)
class Plan:
    """One run as data: the tensors ``fed``, the tensors computed in ``steps`` in order, and the tensors ``fetched``.

    ``pooled``: the run returns the spatial means (B, C) of the fetched tensors in place of their values.  ``many_photos``: the
    run is part of a pass over many photos.  An engine may optimise it for throughput; it then computes all batches in the same
    way, even a batch of one photo.
    """

    blueprint: Blueprint
    fed: tuple[Key, ...]
    steps: tuple[Key, ...]
    fetched: tuple[Key, ...]
    pooled: bool = False
    many_photos: bool = False


def plan(
    blueprint: Blueprint, fetched: Sequence[Key], fed: Sequence[Key] = (NETWORK_INPUT,), *, pooled: bool = False
) -> Plan:
    """The plan with the fewest steps that computes ``fetched``, or with ``pooled`` their spatial means, from ``fed``.

    Tensors that are fed are neither computed nor fetched.

    Raises:
        FeedError: a tensor cannot be computed from the fed tensors, or a fed tensor is not needed.
    """
    all_sites = sites(blueprint)
    visited: dict[Key, None] = {}

    def visit(key: Key) -> None:
        if key in visited:
            return
        if key not in fed:
            if key == NETWORK_INPUT or all_sites[key.site].is_photo_step:
                raise FeedError(
                    f"cannot compute {listed(all_sites, fetched)} from {listed(all_sites, fed)} alone: feed the photo too (DecodeJpeg/contents)"
                )
            for source in sources(all_sites, key, fed):
                visit(source)
        visited[key] = None

    for key in fetched:
        visit(key)
    idle = [key for key in fed if key not in visited]
    if idle:
        raise FeedError(
            f"feeding {listed(all_sites, idle)} does not affect any fetched value: leave it out, or fetch a tensor that depends on it"
        )
    steps = tuple(key for key in visited if key not in fed)
    return Plan(
        blueprint, tuple(fed), steps, tuple(key for key in fetched if key not in fed), pooled, many_photos=pooled
    )


def sources(all_sites: Sequence[Site], key: Key, fed: Sequence[Key]) -> list[Key]:
    """The tensors from which ``key`` is computed.

    ``batchnorm`` or ``bias`` of a convolution is computed from the site's input in one operation that includes the
    convolution.  ``conv`` is computed separately, so that fetching it changes no other value.  ``batchnorm`` or ``bias`` is
    computed from ``conv`` only if ``conv`` is fed.
    """
    index, stage = key
    raw = Key(index, "conv")
    if stage == "relu":
        return [Key(index, stages(all_sites[index])[1])]
    if stage in ("batchnorm", "bias") and raw in fed:
        return [raw]
    return [output(all_sites[source]) for source in all_sites[index].inputs]


def output(site: Site) -> Key:
    """The key of the tensor that later sites read from ``site``."""
    return Key(site.index, "relu" if site.kind == "conv" else None)


def key_of(tensor: Tensor) -> Key:
    """The key of ``tensor``, without its channels."""
    return Key(tensor.site.index, tensor.stage)


def name(all_sites: Sequence[Site], key: Key) -> str:
    """The address of ``key``, which is also the tensor's name in a graph."""
    return Tensor(all_sites[key.site], key.stage).name


def is_flat(site: Site) -> bool:
    """Whether the values of ``site`` are (B, C), without spatial axes."""
    return site.kind in ("reshape", "dense", "softmax")


def result_names(plan: Plan) -> list[str]:
    """The names of the outputs of the graph of a plan, in order."""
    all_sites = sites(plan.blueprint)
    return [name(all_sites, key) + POOLED * (plan.pooled and not is_flat(all_sites[key.site])) for key in plan.fetched]


def listed(all_sites: Sequence[Site], keys: Sequence[Key]) -> str:
    """The names of ``keys``, joined for a message."""
    names = ["the photo" if key == NETWORK_INPUT else name(all_sites, key) for key in keys]
    return " and ".join(names) or "nothing"
