"""Which operations a run needs: from what is fed to what is fetched, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..blueprint.address import Stage, Tensor, stages
from ..blueprint.ops import Blueprint
from ..blueprint.sites import PHOTO_KINDS, Site, sites
from ..errors import FeedError

Key = tuple[int, Stage | None]
"""A whole tensor within one network: its site's index and its stage."""

NETWORK_INPUT: Key = (PHOTO_KINDS.index("multiply"), None)
"""What the network itself starts from; the steps before it, from the photo's bytes on, are ``photos``'s."""

POOLED = "/mean"
"""What a graph adds to the address of a tensor for the name of its spatial mean."""


@dataclass(frozen=True)
class Plan:
    """One run as data: values ``fed``, ``steps`` computed in this order, values ``fetched``.

    ``pooled``: of what is fetched only the spatial means come out, (B, C) each.
    """

    network: Blueprint
    fed: tuple[Key, ...]
    steps: tuple[Key, ...]
    fetched: tuple[Key, ...]
    pooled: bool = False


def plan(
    network: Blueprint, fetched: Sequence[Key], fed: Sequence[Key] = (NETWORK_INPUT,), *, pooled: bool = False
) -> Plan:
    """The shortest run that gives ``fetched``, or with ``pooled`` their spatial means, out of ``fed``.

    What is fed is never computed, nor fetched from the graph.  Raises ``FeedError`` where something needed can come from nothing
    that is fed, and where something fed changes nothing that is fetched.
    """
    every = sites(network)
    visited: dict[Key, None] = {}

    def visit(key: Key) -> None:
        if key in visited:
            return
        if key not in fed:
            if key == NETWORK_INPUT or every[key[0]].kind in PHOTO_KINDS:
                raise FeedError(
                    f"cannot compute {listed(every, fetched)} from {listed(every, fed)} alone: feed the photo too (DecodeJpeg/contents)"
                )
            for source in sources(every, key, fed):
                visit(source)
        visited[key] = None

    for key in fetched:
        visit(key)
    idle = [key for key in fed if key not in visited]
    if idle:
        raise FeedError(
            f"feeding {listed(every, idle)} changes nothing that is fetched: leave it out, or fetch what follows from it"
        )
    steps = tuple(key for key in visited if key not in fed)
    return Plan(network, tuple(fed), steps, tuple(key for key in fetched if key not in fed), pooled)


def sources(every: Sequence[Site], key: Key, fed: Sequence[Key]) -> list[Key]:
    """What ``key`` is computed from.

    A convolution's ``batchnorm`` (or ``bias``) is one folded operation on the site's input, and ``conv`` a side
    branch of its own, so that looking at it changes no other value; only a fed ``conv`` is normalised as it is.
    """
    index, stage = key
    if stage == "relu":
        return [(index, stages(every[index])[1])]
    if stage in ("batchnorm", "bias") and (index, "conv") in fed:
        return [(index, "conv")]
    return [output(every[source]) for source in every[index].inputs]


def output(site: Site) -> Key:
    """What the sites after ``site`` take from it."""
    return site.index, "relu" if site.kind == "conv" else None


def key_of(tensor: Tensor) -> Key:
    """The whole tensor that ``tensor`` is, or is a part of."""
    return tensor.site.index, tensor.stage


def name(every: Sequence[Site], key: Key) -> str:
    """The address of ``key``: what its value is called in a graph."""
    return Tensor(every[key[0]], key[1]).name


def is_flat(site: Site) -> bool:
    """Whether the values of ``site`` are (B, C), without a grid."""
    return site.kind in ("reshape", "dense", "softmax")


def result_names(plan: Plan) -> list[str]:
    """What the values that come out of a plan's graph are called, in order."""
    every = sites(plan.network)
    return [name(every, key) + POOLED * (plan.pooled and not is_flat(every[key[0]])) for key in plan.fetched]


def listed(every: Sequence[Site], keys: Sequence[Key]) -> str:
    """The names of ``keys`` in a sentence."""
    names = ["the photo" if key == NETWORK_INPUT else name(every, key) for key in keys]
    return " and ".join(names) or "nothing"


def is_photo_step(key: Key) -> bool:
    """Whether ``key`` is a step between the photo's bytes and the network's input."""
    return key[0] < len(PHOTO_KINDS)
