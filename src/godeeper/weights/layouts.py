"""The layouts of releases: the names of tensors and the order of their axes, derived from the blueprint.

There is one function for each of the four releases.  ``convert`` uses them and checks whether the tensors of a file fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from ..blueprint.names import numbered
from ..blueprint.ops import Blueprint, Conv
from ..blueprint.sites import Site, sites

Axes = Literal["OIHW", "HWIO", "vector", "features first", "classes first", "1x1 HWIO"]
"""The order of a tensor's axes in a file."""

TO_OUR_AXES: dict[Axes, tuple[int, ...]] = {"OIHW": (0, 1, 2, 3), "HWIO": (3, 2, 0, 1), "classes first": (1, 0)}
"""Order of axes -> the permutation into our order; orders that need none are not listed."""

NORM_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True)
class Slot:
    """The name of one of our tensors, and the order of its axes in the file."""

    name: str
    axes: Axes = "vector"


@dataclass(frozen=True)
class ReleaseLayout:
    """The tensor names of one release and the order of their axes.

    ``slots``: the function that returns {name in the file: our tensor} for a blueprint and the names in a file.
    ``dropped``: the pattern of known names that are not needed.
    """

    name: str
    slots: Callable[[Blueprint, Iterable[str]], dict[str, Slot]]
    dropped: re.Pattern[str] = field(default=re.compile(r"(?!)"))


def torchvision_slots(blueprint: Blueprint, _names: Iterable[str]) -> dict[str, Slot]:
    """Names such as ``Mixed_5b.branch_pool.conv.weight``, in torchvision, timm and pytorch-fid."""
    parts = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    slots = {"fc.weight": Slot("softmax/weights", "classes first"), "fc.bias": Slot("softmax/biases")}
    for site in convolutions(blueprint):
        slots[f"{site.names.torchvision}.conv.weight"] = Slot(kernel_of(site), "OIHW")
        slots |= {f"{site.names.torchvision}.bn.{part}": Slot(norm_of(site, ours)) for part, ours in parts.items()}
    return slots


def tf2015_slots(blueprint: Blueprint, _names: Iterable[str]) -> dict[str, Slot]:
    """Names such as ``mixed/tower_2/conv/conv2d_params``; our names are those of the 2015 graph."""
    slots = {"softmax/weights": Slot("softmax/weights", "features first"), "softmax/biases": Slot("softmax/biases")}
    for site in convolutions(blueprint):
        slots[kernel_of(site)] = Slot(kernel_of(site), "HWIO")
        slots |= {norm_of(site, part): Slot(norm_of(site, part)) for part in NORM_PARTS}
    return slots


def slim_slots(blueprint: Blueprint, _names: Iterable[str]) -> dict[str, Slot]:
    """Names such as ``InceptionV3/Mixed_5b/Branch_3/Conv2d_0b_1x1/weights``, in slim."""
    logits = "InceptionV3/Logits/Conv2d_1c_1x1"
    slots = {f"{logits}/weights": Slot("softmax/weights", "1x1 HWIO"), f"{logits}/biases": Slot("softmax/biases")}
    for site in convolutions(blueprint):
        scope = f"InceptionV3/{site.names.slim}"
        slots[f"{scope}/weights"] = Slot(kernel_of(site), "HWIO")
        slots |= {f"{scope}/BatchNorm/{part}": Slot(norm_of(site, part)) for part in NORM_PARTS}
    return slots


def keras_slots(blueprint: Blueprint, names: Iterable[str]) -> dict[str, Slot]:
    """Names such as ``conv2d_7/kernel``, in Keras; layers are matched by order, because files start from any number."""
    layers = {name.rpartition("/")[0] for name in names}
    convs = in_order("conv2d", layers) or default_layers("conv2d", blueprint)
    norms = in_order("batch_normalization", layers) or default_layers("batch_normalization", blueprint)
    heads = sorted(layers & {"predictions"}) or in_order("dense", layers) or ["predictions"]
    slots = {
        f"{heads[0]}/kernel": Slot("softmax/weights", "features first"),
        f"{heads[0]}/bias": Slot("softmax/biases"),
    }
    for site, conv, norm in zip(convolutions(blueprint), convs, norms, strict=False):
        slots[f"{conv}/kernel"] = Slot(kernel_of(site), "HWIO")
        slots |= {f"{norm}/{part}": Slot(norm_of(site, part)) for part in NORM_PARTS if part != "gamma"}
    return slots


def in_order(kind: str, layers: Iterable[str]) -> list[str]:
    """The layers of a kind in order of creation: ``conv2d``, ``conv2d_1``, ``conv2d_2``, …"""
    matches = (re.fullmatch(rf"{kind}(?:_([0-9]{{1,9}}))?", layer) for layer in layers)
    return [match[0] for match in sorted((m for m in matches if m), key=lambda match: int(match[1] or 0))]


def default_layers(kind: str, blueprint: Blueprint) -> list[str]:
    """The default names of the layers of a kind, for messages about a file that has none."""
    return [numbered(kind, number) for number, _ in enumerate(convolutions(blueprint))]


LAYOUTS = (
    ReleaseLayout("torchvision", torchvision_slots, re.compile(r"^AuxLogits\.|\.num_batches_tracked$")),
    ReleaseLayout("tf2015", tf2015_slots),
    ReleaseLayout(
        "slim", slim_slots, re.compile(r"^InceptionV3/AuxLogits/|/BatchNorm/Const(_\d+)?$|^InceptionV3/InceptionV3/")
    ),
    ReleaseLayout("keras", keras_slots),
)


def convolutions(blueprint: Blueprint) -> Iterator[Site]:
    """The convolutions of a network in order of creation."""
    return (site for site in sites(blueprint) if isinstance(site.op, Conv))


def kernel_of(site: Site) -> str:
    """The name of the kernel of a convolution in our files."""
    return f"{site.names.tf2015}/conv2d_params"


def norm_of(site: Site, part: str) -> str:
    """The name of one parameter of a convolution's batch normalisation in our files."""
    return f"{site.names.tf2015}/batchnorm/{part}"
