"""What a tensor and a network cost, in multiply-adds and parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .names import Place
from .ops import Blueprint, Conv, Operation
from .sites import Site, Walk, ancestors, sites


def conv_macs(network: Blueprint) -> int:
    """Multiply-adds of all convolutions for one photo: what shares are shares of."""
    return sum(site.macs for site in sites(network) if site.kind == "conv")


def tensor_macs(network: Blueprint, wanted: Iterable[int]) -> int:
    """Multiply-adds of the ``wanted`` sites and all their ancestors, for one photo."""
    every = sites(network)
    return sum(every[index].macs for index in ancestors(every, wanted))


def macs_share(network: Blueprint, wanted: Iterable[int]) -> float:
    """``tensor_macs`` as a share of the whole network's convolutions (the classifier's own may pass 1)."""
    return tensor_macs(network, wanted) / conv_macs(network)


def conv_weights(network: Blueprint) -> int:
    """Numbers in all kernels, the auxiliary heads apart."""
    every = sites(network)
    return sum(kernel_size(site, every) for site in every if site.kind == "conv")


def kernel_size(site: Site, every: Sequence[Site]) -> int:
    """Numbers in one convolution's kernel."""
    if not isinstance(site.op, Conv):
        return 0
    return site.op.filters * every[site.inputs[0]].shape[0] * site.op.kernel[0] * site.op.kernel[1]


def parameters(network: Blueprint, *, with_head: bool = True, moving_statistics: bool = False) -> int:
    """Parameters of the network, as its release counts them.

    ``moving_statistics``: count batch normalisation's mean and variance too, as Keras does.
    The auxiliary heads are counted where the dialect has some and ``with_head`` is set.
    """
    normalisation = 1 + network.stored_gamma + 2 * moving_statistics
    every = sites(network)
    total = sites_parameters(every, normalisation)
    if with_head:
        features = next(site.shape[0] for site in every if site.kind == "average")
        total += (features + 1) * network.classes
        total += sum(auxiliary_parameters(network, after, normalisation) for after in network.auxiliary_after)
    return total


def sites_parameters(every: Sequence[Site], normalisation: int = 2) -> int:
    """Parameters of the convolutions among ``every``, also of a module's sites by themselves.

    ``normalisation``: how many numbers a filter batch normalisation holds (2: its scale and its shift).
    """
    return sum(kernel_size(site, every) + filter_parameters(site.op, normalisation) for site in every)


def filter_parameters(op: Operation | None, normalisation: int) -> int:
    """Parameters of a convolution beside its kernel: batch normalisation's, or the bias."""
    return op.filters * (normalisation if op.normalise else 1) if isinstance(op, Conv) else 0


def auxiliary_parameters(network: Blueprint, after: int, normalisation: int) -> int:
    """Parameters of the side classifier that hangs on module ``after``."""
    join = next(site for site in sites(network) if site.place == Place(after))
    walk = Walk([join])
    end = 0
    for step in network.auxiliary.steps if network.auxiliary else ():
        end = walk.step(step, end, Place())
    return sites_parameters(walk.sites, normalisation) + (walk.sites[end].shape[0] + 1) * network.classes


def depth(network: Blueprint) -> int:
    """Layers with parameters on the longest way through the network: GoogLeNet's 22."""
    longest: list[int] = []
    for site in sites(network):
        before = max((longest[source] for source in site.inputs), default=0)
        longest.append(before + (site.kind in ("conv", "dense")))
    return longest[-1]
