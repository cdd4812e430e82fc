"""Inception networks as plain ``torch.nn`` modules, built from the blueprint.

Each operation is a separate submodule that can be hooked, replaced and exported; none is functional or works in place.
Submodules have torchvision's names, so that state dicts can be exchanged with torchvision, timm and pytorch-fid.  Pools
and joins, which are function calls in torchvision, are submodules here.  ``at`` returns the submodule of any address.

Importing this file imports torch; importing godeeper does not.
"""

# mypy: disable-error-code="import-not-found,misc,no-any-return"
# The types are also checked where torch is not installed; its classes are Any there.

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

from ...blueprint.address import Tensor, parse, resolve, resolve_one, stages
from ...blueprint.names import Place, numbered
from ...blueprint.names.inception_v3 import torchvision_ending
from ...blueprint.ops import Blueprint, Branch, Conv, Fork, Module, Norm, Pool, Step
from ...blueprint.sites import Site, sites
from ...errors import AddressError, OptionError, quoted
from ..plan import NETWORK_INPUT, Key, key_of
from .operations import ConvUnit, Join, attach, module_of, nn, operation, pool, torch

STAGE_OPERATIONS = {"conv": "conv", "batchnorm": "bn", "bias": "bias", "relu": "relu"}
"""Stage -> the name of the submodule of a ``ConvUnit`` that computes it."""

AUXILIARY = "AuxLogits"


class InceptionModule(nn.Module):
    """One Inception module, usable in any network (arXiv:1409.4842, arXiv:1512.00567).

    Args:
        in_channels: the number of input channels.
        blueprint: the branches, such as ``godeeper.blueprint.inception_v3.grid35(32)``.
        conv_paths: the names of the convolutions in program order; by default torchvision's for Inception v3.

    ``out_channels`` is the number of output channels.  ``forward`` maps (B, in_channels, H, W) to
    (B, out_channels, H', W').

    >>> from godeeper.blueprint.inception_v3 import grid35
    >>> InceptionModule(192, grid35(32)).out_channels
    256
    """

    def __init__(self, in_channels: int, blueprint: Module, conv_paths: Iterable[str] | None = None) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.paths: list[str] = []  # the path of each operation, in program order
        given = None if conv_paths is None else iter(conv_paths)
        routes, self.out_channels = [], 0
        for branch in blueprint.branches:
            route, channels = self.add_branch(branch, given)
            routes.append(route)
            self.out_channels += channels
        self.routes = tuple(routes)
        self.attach("join", Join())

    def add_branch(self, branch: Branch, given: Iterator[str] | None) -> tuple[tuple[tuple[str, ...], ...], int]:
        """Attach the operations of a branch; returns the names of each step's operations, and the number of output channels."""
        route: list[tuple[str, ...]] = []
        channels = self.in_channels
        for position, step in enumerate(branch.steps):
            arms = [
                self.attach(
                    f"branch{branch.label}{torchvision_ending(place)}" if given is None else next(given),
                    ConvUnit(channels, conv),
                )
                for place, conv in convs(branch, position, step)
            ]
            if isinstance(step, Pool | Norm):
                name = "pool" if isinstance(step, Pool) else "norm"
                route.append((self.attach(self.unused(name), module_of(step, channels)),))
                continue
            channels = sum(conv.filters for _, conv in convs(branch, position, step))
            if isinstance(step, Fork):
                arms.append(self.attach(f"branch{branch.label}_{position + 1}", Join()))
            route.append(tuple(arms))
        return tuple(route), channels

    def attach(self, path: str, operation: nn.Module) -> str:
        """Attach ``operation`` as the submodule at ``path``; returns the path."""
        if path in self.paths:
            raise OptionError(
                f"two operations of an Inception module are called {path}: give its branches different labels"
            )
        attach(self, path, operation)
        self.paths.append(path)
        return path

    def unused(self, name: str) -> str:
        """The next unused name made from ``name``: ``pool``, ``pool_1``, …"""
        return numbered(name, sum(path.partition("_")[0] == name for path in self.paths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ends = []
        for route in self.routes:
            end = x
            for *arms, last in route:
                inputs = [self.get_submodule(arm)(end) for arm in arms] or [end]
                end = self.get_submodule(last)(*inputs)
            ends.append(end)
        return self.join(*ends)


class AuxiliaryHead(nn.Module):
    """The auxiliary classifier, which networks use only in training; its input is the output of a module."""

    def __init__(self, in_channels: int, blueprint: Branch, classes: int) -> None:
        super().__init__()
        convs = [step for step in blueprint.steps if isinstance(step, Conv)]
        order = [pool(step) for step in blueprint.steps if isinstance(step, Pool)]
        self.pool = nn.Sequential(*order)
        for number, conv in enumerate(convs):
            self.add_module(f"conv{number}", ConvUnit(in_channels, conv))
            in_channels = conv.filters
        self.convs = tuple(f"conv{number}" for number in range(len(convs)))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.fc = nn.Linear(in_channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x)
        for name in self.convs:
            x = self.get_submodule(name)(x)
        return self.fc(self.flatten(self.avgpool(x)))


class TorchNetwork(nn.Module):
    """A whole network; its parameters are random until weights are loaded.

    Args:
        blueprint: the network in its dialect.
        end: the address of its output, which must not be inside a module; by default the logits.
        auxiliary: whether to include the auxiliary classifier (``AuxLogits``), which ``forward`` never runs.

    The input is (B, 3, H, W) float32, preprocessed as described in the weights file.

    Raises:
        UnknownAddress, AddressError: there is no tensor ``end``, or it is inside a module.
        OptionError: the dialect has no auxiliary classifier.
    """

    def __init__(self, blueprint: Blueprint, *, end: str | None = None, auxiliary: bool = False) -> None:
        super().__init__()
        self.blueprint = blueprint
        self.paths: dict[Key, str] = {}
        chain = top_level_sites(blueprint, end)
        self.end = chain[-1].address
        for before, site in pairwise([sites(blueprint)[NETWORK_INPUT.site], *chain]):
            self.add_site(site, before.shape[0])
        self.order = tuple(name_of(site) for site in chain)
        if auxiliary:
            self.add_auxiliary()
        self.eval()

    def add_site(self, site: Site, in_channels: int) -> None:
        """Attach a whole module, given by its concatenation, or an operation outside the modules."""
        name = name_of(site)
        if site.kind == "concat":
            inner = [other for other in sites(self.blueprint) if other.place.module == site.place.module]
            conv_paths = [name_of(other).removeprefix(f"{name}.") for other in inner if other.kind == "conv"]
            modules = [part for part in self.blueprint.modules if isinstance(part, Module)]
            module = InceptionModule(in_channels, modules[site.place.module or 0], conv_paths)
            attach(self, name, module)
            for other, path in zip(inner, module.paths, strict=True):
                self.register(other, f"{name}.{path}")
        else:
            attach(self, name, operation(site, in_channels))
            self.register(site, name)

    def register(self, site: Site, path: str) -> None:
        """Record the path of the submodule for each stage of ``site``."""
        for stage in stages(site):
            self.paths[Key(site.index, stage)] = f"{path}.{STAGE_OPERATIONS[stage]}" if stage else path

    def add_auxiliary(self) -> None:
        network = self.blueprint
        if network.auxiliary is None or len(network.auxiliary_after) != 1:
            raise OptionError(
                f"the {network.dialect} dialect of {network.name} has no auxiliary classifier that can be built: leave it out"
            )
        joins = [site for site in sites(network) if site.kind == "concat" and site.place.branch is None]
        channels = joins[network.auxiliary_after[0]].shape[0]
        self.add_module(AUXILIARY, AuxiliaryHead(channels, network.auxiliary, network.classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name in self.order:
            x = self.get_submodule(name)(x)
        return x

    def at(self, address: str) -> nn.Module:
        """The submodule that computes the tensor with this address, in any convention and at any stage.

        Raises:
            UnknownAddress, AmbiguousAddress: the address does not refer to exactly one tensor.
            AddressError: this network does not compute the tensor, or the address selects channels.
        """
        tensor = resolve_one(self.blueprint, address)
        if tensor.channels is not None:
            raise AddressError(
                f"{quoted(address)} selects channels of a tensor: expected a whole tensor; leave out the channels"
            )
        return self.operation(key_of(tensor))

    def operation(self, key: Key) -> nn.Module:
        """The submodule that computes ``key``."""
        if key not in self.paths:
            name = Tensor(sites(self.blueprint)[key.site], key.stage).name
            raise AddressError(f"{name} is not computed by this module, which goes from its input to {self.end}")
        return self.get_submodule(self.paths[key])


class Captured(Mapping[str, torch.Tensor]):
    """Captured tensors, (B, C, H, W) or (B, C), by any of their addresses, which may also select channels."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.values_by_key: dict[Key, torch.Tensor] = {}

    def __getitem__(self, address: str) -> torch.Tensor:
        tensor = resolve_one(self.blueprint, address)
        if key_of(tensor) not in self.values_by_key:
            raise KeyError(f"{address} was not captured: name it in capture(...), and run the module")
        value = self.values_by_key[key_of(tensor)]
        return value if tensor.channels is None else value[:, list(tensor.channels)]

    def __iter__(self) -> Iterator[str]:
        all_sites = sites(self.blueprint)
        return (Tensor(all_sites[index], stage).address for index, stage in self.values_by_key)

    def __len__(self) -> int:
        return len(self.values_by_key)


@contextmanager
def capture(module: TorchNetwork, addresses: str | Sequence[str]) -> Iterator[Captured]:
    """Capture tensors while the block runs ``module``; addresses may be patterns.

    The values are those of the last run, with their autograd history.  They stay available after the block.  The hooks
    are removed at its end, also after an exception.

    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> net = TorchNetwork(INCEPTION_V3)
    >>> with capture(net, ["mixed/tower_2/conv"]) as seen, torch.no_grad():
    ...     logits = net(torch.zeros(1, 3, 299, 299))
    >>> seen["Mixed_5b.branch_pool"].shape
    torch.Size([1, 32, 35, 35])
    """
    captured = Captured(module.blueprint)
    operations = {key: module.operation(key) for key in captured_keys(module, addresses)}
    handles = [submodule.register_forward_hook(partial(keep, captured, key)) for key, submodule in operations.items()]
    try:
        yield captured
    finally:
        for handle in handles:
            handle.remove()


def captured_keys(module: TorchNetwork, addresses: str | Sequence[str]) -> Iterator[Key]:
    """The tensors to capture.

    A pattern selects only tensors that the network computes; a plain name always selects its tensor.
    """
    for text in [addresses] if isinstance(addresses, str) else addresses:
        keys = map(key_of, resolve(module.blueprint, text))
        yield from (key for key in keys if key in module.paths or not parse(text).is_pattern)


def keep(captured: Captured, key: Key, module: nn.Module, inputs: Any, value: torch.Tensor) -> None:  # noqa: ARG001 (a hook's signature)
    """The hook that ``capture`` registers: store the output of a submodule."""
    captured.values_by_key[key] = value


def top_level_sites(blueprint: Blueprint, end: str | None) -> list[Site]:
    """The sites outside the modules and the final concatenation of each module, from the input to ``end``."""
    all_sites = [site for site in sites(blueprint) if not site.is_photo_step]
    tensor = resolve_one(blueprint, end or next(site.address for site in all_sites if site.kind == "dense"))
    chain = [site for site in all_sites if site.place.module is None or site.place.branch is None]
    if tensor.site not in chain or tensor.stage not in (None, "relu") or tensor.channels is not None:
        raise AddressError(
            f"the network cannot end at {tensor.address}: expected a whole tensor outside the modules or the output of a module, such as mixed_4/join"
        )
    return chain[: chain.index(tensor.site) + 1]


def name_of(site: Site) -> str:
    """The path of a site's submodule: its name in torchvision or timm, or its address if it has none there."""
    names = site.names.as_dict()
    return names.get("torchvision") or names.get("timm") or site.address


def convs(branch: Branch, position: int, step: Step) -> list[tuple[Place, Conv]]:
    """The convolutions of one step of a branch, each with its place."""
    if isinstance(step, Fork):
        return [(Place(step=position, arm=arm, branch=branch), conv) for arm, conv in enumerate(step.convs)]
    return [(Place(step=position, branch=branch), step)] if isinstance(step, Conv) else []
