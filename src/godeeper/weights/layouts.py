"""What each release calls its tensors, derived from the blueprint: names in a foreign file -> ours.

Four conventions, one function each.  Only what a name means is decided here; whether a file's tensors
fit is ``adopt``'s business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from ..blueprint.names import numbered
from ..blueprint.ops import Blueprint, Conv
from ..blueprint.sites import Site, sites

Layout = Literal["OIHW", "HWIO", "vector", "features first", "classes first", "1x1 HWIO"]

AXES: dict[Layout, tuple[int, ...]] = {"OIHW": (0, 1, 2, 3), "HWIO": (3, 2, 0, 1), "classes first": (1, 0)}
"""How a layout's axes are put in our order; a layout not listed has it already."""

NORM_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True)
class Slot:
    """One of our tensors, and how the file lays it out."""

    name: str
    layout: Layout = "vector"


@dataclass(frozen=True)
class ReleaseLayout:
    """How one release names tensors.

    ``slots``: names in the file -> ours, for a network and the names that are there.  ``dropped``: names known
    and not needed.
    """

    name: str
    slots: Callable[[Blueprint, Iterable[str]], dict[str, Slot]]
    dropped: re.Pattern[str] = field(default=re.compile(r"(?!)"))


def torchvision_slots(network: Blueprint, _names: Iterable[str]) -> dict[str, Slot]:
    """``Mixed_5b.branch_pool.conv.weight``: torchvision, timm, pytorch-fid."""
    parts = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    slots = {"fc.weight": Slot("softmax/weights", "classes first"), "fc.bias": Slot("softmax/biases")}
    for site in convolutions(network):
        slots[f"{site.names.torchvision}.conv.weight"] = Slot(kernel_of(site), "OIHW")
        slots |= {f"{site.names.torchvision}.bn.{part}": Slot(norm_of(site, ours)) for part, ours in parts.items()}
    return slots


def tf2015_slots(network: Blueprint, _names: Iterable[str]) -> dict[str, Slot]:
    """``mixed/tower_2/conv/conv2d_params``: ours are the 2015 graph's."""
    slots = {"softmax/weights": Slot("softmax/weights", "features first"), "softmax/biases": Slot("softmax/biases")}
    for site in convolutions(network):
        slots[kernel_of(site)] = Slot(kernel_of(site), "HWIO")
        slots |= {norm_of(site, part): Slot(norm_of(site, part)) for part in NORM_PARTS}
    return slots


def slim_slots(network: Blueprint, _names: Iterable[str]) -> dict[str, Slot]:
    """``InceptionV3/Mixed_5b/Branch_3/Conv2d_0b_1x1/weights``."""
    logits = "InceptionV3/Logits/Conv2d_1c_1x1"
    slots = {f"{logits}/weights": Slot("softmax/weights", "1x1 HWIO"), f"{logits}/biases": Slot("softmax/biases")}
    for site in convolutions(network):
        scope = f"InceptionV3/{site.names.slim}"
        slots[f"{scope}/weights"] = Slot(kernel_of(site), "HWIO")
        slots |= {f"{scope}/BatchNorm/{part}": Slot(norm_of(site, part)) for part in NORM_PARTS}
    return slots


def keras_slots(network: Blueprint, names: Iterable[str]) -> dict[str, Slot]:
    """``conv2d_7/kernel``: the seventh layer of its kind, from whatever number the file counts."""
    layers = {name.rpartition("/")[0] for name in names}
    convs = in_order("conv2d", layers) or default_layers("conv2d", network)
    norms = in_order("batch_normalization", layers) or default_layers("batch_normalization", network)
    heads = sorted(layers & {"predictions"}) or in_order("dense", layers) or ["predictions"]
    slots = {
        f"{heads[0]}/kernel": Slot("softmax/weights", "features first"),
        f"{heads[0]}/bias": Slot("softmax/biases"),
    }
    for site, conv, norm in zip(convolutions(network), convs, norms, strict=False):
        slots[f"{conv}/kernel"] = Slot(kernel_of(site), "HWIO")
        slots |= {f"{norm}/{part}": Slot(norm_of(site, part)) for part in NORM_PARTS if part != "gamma"}
    return slots


def in_order(kind: str, layers: Iterable[str]) -> list[str]:
    """The layers of a kind in order of creation: ``conv2d``, ``conv2d_1``, ``conv2d_2``, …"""
    matches = (re.fullmatch(rf"{kind}(?:_([0-9]{{1,9}}))?", layer) for layer in layers)
    return [match[0] for match in sorted((m for m in matches if m), key=lambda match: int(match[1] or 0))]


def default_layers(kind: str, network: Blueprint) -> list[str]:
    """What the layers of a kind would be called: for messages about a file that has none."""
    return [numbered(kind, number) for number, _ in enumerate(convolutions(network))]


CONVENTIONS = (
    ReleaseLayout("torchvision", torchvision_slots, re.compile(r"^AuxLogits\.|\.num_batches_tracked$")),
    ReleaseLayout("tf2015", tf2015_slots),
    ReleaseLayout(
        "slim", slim_slots, re.compile(r"^InceptionV3/AuxLogits/|/BatchNorm/Const(_\d+)?$|^InceptionV3/InceptionV3/")
    ),
    ReleaseLayout("keras", keras_slots),
)


def convolutions(network: Blueprint) -> Iterator[Site]:
    """Every convolution, in order of creation."""
    return (site for site in sites(network) if isinstance(site.op, Conv))


def kernel_of(site: Site) -> str:
    """Our name of a convolution's kernel."""
    return f"{site.names.tf2015}/conv2d_params"


def norm_of(site: Site, part: str) -> str:
    """Our name of one part of its batch normalisation."""
    return f"{site.names.tf2015}/batchnorm/{part}"
