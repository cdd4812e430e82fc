"""The cost of tensors and networks, as numbers of multiply-adds and parameters; ``sites`` counts the multiply-adds of each
operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .names import Place
from .ops import Blueprint, Conv, Operation
from .sites import Site, Walk, ancestors, sites


def conv_macs(blueprint: Blueprint) -> int:
    """Multiply-adds of all convolutions for one photo, the denominator of every share of the cost."""
    return sum(site.macs for site in sites(blueprint) if site.kind == "conv")


def tensor_macs(blueprint: Blueprint, wanted: Iterable[int]) -> int:
    """Multiply-adds of the ``wanted`` sites and all their ancestors, for one photo."""
    all_sites = sites(blueprint)
    return sum(all_sites[index].macs for index in ancestors(all_sites, wanted))


def macs_share(blueprint: Blueprint, wanted: Iterable[int]) -> float:
    """``tensor_macs`` as a share of ``conv_macs``; it may exceed 1, because ``conv_macs`` excludes the classifier."""
    return tensor_macs(blueprint, wanted) / conv_macs(blueprint)


def kernel_size(site: Site, all_sites: Sequence[Site]) -> int:
    """The number of weights in a convolution's kernel; 0 for any other site."""
    if not isinstance(site.op, Conv):
        return 0
    return site.op.filters * all_sites[site.inputs[0]].shape[0] * site.op.kernel[0] * site.op.kernel[1]


def parameters(blueprint: Blueprint, *, with_head: bool = True, moving_statistics: bool = False) -> int:
    """The number of parameters of the network in its dialect.

    ``with_head``: include the classifier and the dialect's auxiliary classifiers.  ``moving_statistics``: include the
    mean and variance of batch normalisation, as Keras does.
    """
    normalisation = 1 + blueprint.stored_gamma + 2 * moving_statistics
    all_sites = sites(blueprint)
    total = sites_parameters(all_sites, normalisation)
    if with_head:
        features = next(site.shape[0] for site in all_sites if site.kind == "average")
        total += (features + 1) * blueprint.classes
        total += sum(auxiliary_parameters(blueprint, after, normalisation) for after in blueprint.auxiliary_after)
    return total


def sites_parameters(all_sites: Sequence[Site], normalisation: int = 2) -> int:
    """The number of parameters of the convolutions among ``all_sites``, which may be the sites of a single module.

    ``normalisation``: the number of batch normalisation parameters per filter; 2 for scale and shift.
    """
    return sum(kernel_size(site, all_sites) + filter_parameters(site.op, normalisation) for site in all_sites)


def filter_parameters(op: Operation | None, normalisation: int) -> int:
    """The number of parameters of a convolution besides its kernel: those of batch normalisation or the bias."""
    return op.filters * (normalisation if op.normalise else 1) if isinstance(op, Conv) else 0


def auxiliary_parameters(blueprint: Blueprint, after: int, normalisation: int) -> int:
    """The number of parameters of the auxiliary classifier attached to module ``after``."""
    join = next(site for site in sites(blueprint) if site.place == Place(after))
    walk = Walk([join])
    end = 0
    for step in blueprint.auxiliary.steps if blueprint.auxiliary else ():
        end = walk.step(step, end, Place())
    return sites_parameters(walk.sites, normalisation) + (walk.sites[end].shape[0] + 1) * blueprint.classes
