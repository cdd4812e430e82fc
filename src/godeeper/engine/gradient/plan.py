"""Plans a backward run: the fed tensor, the tensors that are differentiated, and the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ...blueprint.address import stages
from ...blueprint.ops import Blueprint
from ...blueprint.sites import sites
from ...errors import OptionError
from ..plan import NETWORK_INPUT, Key, listed, name, plan, sources

ParameterName = Literal["scale", "shift", "kernel"]


GIVEN = "/given"
GRADIENT = "/gradient"
"""The suffixes of the names of gradients in a graph: fed gradients, and results."""


class Parameter(NamedTuple):
    """A trainable array of a convolution.

    ``scale`` and ``shift`` (C,): gamma and beta of its batch normalisation; without batch normalisation, ``shift`` is
    the bias.  ``kernel``: (out, in, height, width).
    """

    site: int
    name: ParameterName


Target = Key | Parameter
"""The tensor or parameter that a gradient is taken with respect to."""


@dataclass(frozen=True)
class BackwardPlan:
    """One backward run as data.

    The run computes the tensors ``of`` from the value of ``fed``.  Given the gradient of a scalar with respect to each
    tensor in ``of``, it computes the gradient of that scalar with respect to each target in ``wrt``.  ``fetched``:
    tensors whose values are also returned.  ``steps``: the tensors computed on the way, in order.
    """

    blueprint: Blueprint
    fed: Key
    of: tuple[Key, ...]
    wrt: tuple[Target, ...]
    fetched: tuple[Key, ...]
    steps: tuple[Key, ...]

    def on_path(self) -> set[Key]:
        """The computed tensors that depend on a target, through which gradients flow back."""
        all_sites = sites(self.blueprint)
        found: set[Key] = set()
        for key in self.steps:
            before = sources(all_sites, key, (self.fed,))
            if any(each in self.wrt or each in found for each in before) or self.is_target(key):
                found.add(key)
        return found

    def is_target(self, key: Key) -> bool:
        """Whether ``key`` itself, a parameter of its operation, or the raw convolution within it is a target."""
        within = Key(key.site, "conv") in self.wrt and key.stage in ("batchnorm", "bias")
        return key in self.wrt or within or bool(self.parameters(key))

    def parameters(self, key: Key) -> list[Parameter]:
        """The targets that are parameters of the operation that computes ``key``."""
        kinds: Mapping[str | None, tuple[str, ...]] = {
            "conv": ("kernel",),
            "batchnorm": ("scale", "shift", "kernel"),
            "bias": ("shift", "kernel"),
        }
        return [
            each
            for each in self.wrt
            if isinstance(each, Parameter) and each.site == key.site and each.name in kinds.get(key.stage, ())
        ]


def backward_plan(
    blueprint: Blueprint,
    of: Sequence[Key],
    wrt: Sequence[Target] = (NETWORK_INPUT,),
    fetched: Sequence[Key] = (),
    fed: Key = NETWORK_INPUT,
) -> BackwardPlan:
    """The plan with the fewest steps for the gradients of ``of`` with respect to ``wrt``.

    Raises:
        OptionError: ``of`` does not depend on one of ``wrt``.
        FeedError: a tensor cannot be computed from ``fed``.
    """
    steps = plan(blueprint, list(dict.fromkeys([*of, *fetched])), (fed,)).steps
    made = BackwardPlan(blueprint, fed, tuple(of), tuple(wrt), tuple(fetched), steps)
    for target in wrt:
        check_dependence(made, target)
    return made


def check_dependence(planned: BackwardPlan, target: Target) -> None:
    """Raise ``OptionError`` if no tensor that is differentiated depends on ``target``."""
    all_sites = sites(planned.blueprint)
    upstream = set(plan(planned.blueprint, planned.of, (planned.fed,)).steps) | {planned.fed}
    if isinstance(target, Parameter):
        known = [Key(target.site, stage) for stage in stages(all_sites[target.site]) if stage != "relu"]
        what = f"the {target.name} of {all_sites[target.site].address}"
    else:
        known = [target]
        if target.stage == "conv":  # batchnorm is computed from the site's input in one operation
            known.append(Key(target.site, stages(all_sites[target.site])[1]))
        what = listed(all_sites, [target])
    if not upstream.intersection(known):
        raise OptionError(
            f"{listed(all_sites, planned.of)} does not depend on {what}: name a tensor that comes before it, such as "
            f"{name(all_sites, planned.fed)}"
        )


def target_name(planned: BackwardPlan, target: Target) -> str:
    """The name of a target's gradient in the graph."""
    all_sites = sites(planned.blueprint)
    if isinstance(target, Parameter):
        return f"{all_sites[target.site].address}/{target.name}{GRADIENT}"
    return name(all_sites, target) + GRADIENT


def result_names(planned: BackwardPlan) -> list[str]:
    """The names of the outputs of the graph of a plan, in order."""
    all_sites = sites(planned.blueprint)
    return [name(all_sites, key) for key in planned.fetched] + [target_name(planned, each) for each in planned.wrt]
