"""What a tensor and a network cost, in multiply-adds and parameters."""

from __future__ import annotations

from collections.abc import Iterable

from .dialects import dialect_named
from .ops import Conv, Network
from .sites import Site, ancestors, sites


def conv_macs(network: Network) -> int:
    """Multiply-adds of all convolutions for one photo: what shares are shares of."""
    return sum(site.macs for site in sites(network) if site.kind == "conv")


def tensor_macs(network: Network, wanted: Iterable[int]) -> int:
    """Multiply-adds of the ``wanted`` sites and all their ancestors, for one photo."""
    every = sites(network)
    return sum(every[index].macs for index in ancestors(every, wanted))


def macs_share(network: Network, wanted: Iterable[int]) -> float:
    """``tensor_macs`` as a share of the whole network's convolutions (the classifier's own may pass 1)."""
    return tensor_macs(network, wanted) / conv_macs(network)


def conv_weights(network: Network) -> int:
    """Numbers in all kernels, the auxiliary head apart."""
    every = sites(network)
    return sum(kernel_size(site, every) for site in every if site.kind == "conv")


def kernel_size(site: Site, every: tuple[Site, ...]) -> int:
    """Numbers in one convolution's kernel."""
    if not isinstance(site.op, Conv):
        return 0
    return site.op.filters * every[site.inputs[0]].shape[0] * site.op.kernel[0] * site.op.kernel[1]


def parameters(network: Network, *, with_head: bool = True, moving_statistics: bool = False) -> int:
    """Parameters of the network, as its release counts them.

    ``moving_statistics``: count batch normalisation's mean and variance too, as Keras does.
    The auxiliary head is counted where the dialect has one and ``with_head`` is set.
    """
    dialect = dialect_named(network.dialect)
    per_filter = 1 + dialect.stored_gamma + 2 * moving_statistics
    every = sites(network)
    filters = sum(site.shape[0] for site in every if site.kind == "conv")
    total = conv_weights(network) + filters * per_filter
    if with_head:
        features = next(site.shape[0] for site in every if site.kind == "average")
        total += (features + 1) * network.classes + auxiliary_parameters(network, per_filter)
    return total


def auxiliary_parameters(network: Network, per_filter: int) -> int:
    """Parameters of the side classifier, if the dialect has one."""
    if network.auxiliary is None:
        return 0
    joins = [site for site in sites(network) if site.kind == "concat" and site.place.branch is None]
    channels = joins[network.auxiliary_after].shape[0]
    total = 0
    for step in network.auxiliary.steps:
        if isinstance(step, Conv):
            total += step.filters * (channels * step.kernel[0] * step.kernel[1] + per_filter)
            channels = step.filters
    return total + (channels + 1) * network.classes
