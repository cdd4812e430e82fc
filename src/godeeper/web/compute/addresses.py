"""Resolves the page's addresses and patterns to tensors, and checks that the page can show them."""

from __future__ import annotations

from collections.abc import Sequence

from ...blueprint.address import Tensor, parse_all, resolve_one
from ...errors import AddressError
from ...network import Network
from ..http.errors import not_found
from .photo_store import WHOLE_PHOTO


def resolve_viewable(network: Network, address: str) -> Tensor:
    """The tensor that ``address`` names.

    Raises:
        UnknownAddress: there is no such tensor.
        AddressError: the address names several tensors, or one that is as large as the photo.
        RequestError: the weights have no values for it.
    """
    return check_viewable(network, resolve_one(network.blueprint, address))


def resolve_all_viewable(network: Network, addresses: Sequence[str]) -> list[Tensor]:
    """The tensors that addresses and patterns name; a pattern skips tensors that the page cannot show.

    Raises:
        GodeeperError: as ``resolve_viewable``, for an address that is not a pattern.
    """
    references = parse_all(addresses)
    patterns = [reference.text for reference in references if reference.is_pattern]
    named = [resolve_viewable(network, reference.text) for reference in references if not reference.is_pattern]
    matched = [tensor for tensor in network.select(patterns) if tensor.site.kind not in WHOLE_PHOTO]
    return list(dict.fromkeys([*named, *matched]))


def check_viewable(network: Network, tensor: Tensor) -> Tensor:
    """``tensor``, if the page can show it; raises ``AddressError`` or ``RequestError``."""
    if tensor.site.kind in WHOLE_PHOTO:
        raise AddressError(
            f"{tensor.name} is as large as the photo, which is not kept: look at ResizeBilinear, or use godeeper peek"
        )
    if not network.shows(tensor):
        raise not_found(f"{tensor.name}: weights {network.weights.name!r} have no classifier to look at")
    return tensor
