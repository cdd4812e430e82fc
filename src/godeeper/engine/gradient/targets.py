"""Resolves the name of the tensor that is differentiated, and the name of the target of its gradient."""

from __future__ import annotations

from ...blueprint.address import Tensor, resolve_one
from ...blueprint.ops import Blueprint, Conv
from ...errors import AddressError, OptionError, UnknownAddress, quoted
from ..plan import NETWORK_INPUT, key_of
from .plan import Parameter, ParameterName, Target

SUFFIXES: dict[str, ParameterName] = {
    "/gamma": "scale", "/scale": "scale", ":scale": "scale",
    "/beta": "shift", "/shift": "shift", ":shift": "shift", "/bias": "shift", ".bias": "shift",
    "/conv2d_params": "kernel", "/weights": "kernel", "/kernel": "kernel", ":kernel": "kernel",
}  # fmt: skip
"""The end of a parameter's name, in a weights file or in another framework -> the parameter."""


def objective_named(blueprint: Blueprint, address: str) -> Tensor:
    """The tensor that is differentiated; raises ``AddressError`` unless the network computes it from its input."""
    tensor = resolve_one(blueprint, address)
    if tensor.site.is_photo_step:
        raise AddressError(
            f"{tensor.name} comes before the network: expected a tensor that the network computes, such as mixed/join"
        )
    return tensor


def target_named(blueprint: Blueprint, text: str) -> tuple[Target, tuple[int, ...] | None]:
    """The target of a gradient, and its channels (None means all).

    ``text`` is the address of a tensor, or of a convolution followed by the name of a parameter: ``:scale``, ``:shift``,
    ``:kernel``, or as in weights files (``/batchnorm/gamma``, ``/batchnorm/beta``, ``/conv2d_params``) and PyTorch
    (``.bn.weight``, ``.bn.bias``, ``.conv.weight``).

    Raises:
        AddressError: no such tensor or parameter.
        OptionError: ``text`` names a step of the photo's preprocessing.
    """
    try:
        tensor = resolve_one(blueprint, text)
    except UnknownAddress:
        parameter = parameter_named(blueprint, text)
        if parameter is None:
            raise
        return parameter, None
    if tensor.site.is_photo_step and key_of(tensor) != NETWORK_INPUT:
        raise OptionError(
            f"no gradient flows back to {tensor.name}, which comes before the network's input: the earliest is Mul, the scaled input"
        )
    return key_of(tensor), tensor.channels


def parameter_named(blueprint: Blueprint, text: str) -> Parameter | None:
    """The parameter that ``text`` names; None if ``text`` does not end with the name of a parameter."""
    for suffix in (*SUFFIXES, ".weight"):
        if text.endswith(suffix):
            tensor = resolve_one(blueprint, text.removesuffix(suffix))
            op = tensor.site.op
            if not isinstance(op, Conv):
                raise AddressError(f"{quoted(text)}: {tensor.site.address} has no parameters; expected a convolution")
            named = SUFFIXES.get(suffix) or ("kernel" if tensor.stage == "conv" else "scale")
            if named == "scale" and not op.normalise:
                raise AddressError(
                    f"{quoted(text)}: {tensor.site.address} has a bias and no batch normalisation, so no scale; expected :shift"
                )
            return Parameter(tensor.site.index, named)
    return None
