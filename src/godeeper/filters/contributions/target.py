"""The filter whose value is decomposed: checks the address, the cell and the depth that a user gives."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

from ...blueprint.address import Tensor, resolve_one
from ...blueprint.ops import Blueprint
from ...blueprint.sites import Site
from ...blueprint.topology import origin
from ...errors import AddressError, OptionError, quoted

KINDS = {
    "norm": "a local response normalisation",
    "average": "the mean over all places",
    "reshape": "the mean over all places",
    "dense": "a class of the classifier",
    "softmax": "a class of the classifier",
}
"""Kind of a site -> a noun for one of its channels, for messages; see ``kind_of`` for other kinds."""


@dataclass(frozen=True)
class Target:
    """One filter of a convolution; ``notes`` tell the user how the address was resolved."""

    site: Site
    channel: int
    notes: tuple[str, ...] = ()

    @property
    def tensor(self) -> Tensor:
        """The filter's output, as a tensor with one channel."""
        return Tensor(self.site, "relu", (self.channel,))


def target_of(blueprint: Blueprint, address: str) -> Target:
    """The filter that an address names; for a filter of a concatenation, the filter that the concatenation copies.

    Raises:
        UnknownAddress, AmbiguousAddress, ChannelError: the address does not name one tensor.
        AddressError: the address names several filters, or a tensor that does not come from a convolution.
    """
    tensor = resolve_one(blueprint, address)
    site = tensor.site
    if site.kind not in ("conv", "concat"):
        raise AddressError(
            f"{quoted(address)} is {kind_of(site)}: expected a filter of a convolution, such as 'conv_2[3]'"
        )
    if tensor.channels is None or len(tensor.channels) != 1:
        raise AddressError(
            f"{quoted(address)} names {len(tensor.filters)} filters: expected one, such as {site.address}[0]"
        )
    source, channel = origin(blueprint, site, tensor.channels[0])
    if source.kind != "conv":
        raise AddressError(
            f"{quoted(address)} is a copy of {source.address}[{channel}], {kind_of(source)}: "
            "expected a filter of a convolution, such as 'conv_2[3]'"
        )
    notes = []
    if source != site:
        notes.append(f"{tensor.address} is a copy of {source.address}[{channel}]")
    if tensor.stage == "conv":
        notes.append(f"{tensor.name}: the value includes the batch normalisation or bias that follows")
    return Target(source, channel, tuple(notes))


def kind_of(site: Site) -> str:
    """A noun for a channel of a site, for messages."""
    if site.kind == "pool":
        return "a pool, which has no weights"
    return KINDS.get(site.kind, "a step of the photo's preprocessing")


def checked_cell(at: Any, site: Site) -> tuple[int, int]:
    """(Row, column) of a cell of the map of ``site``; raises ``OptionError``."""
    _, rows, columns = site.shape
    try:
        row, column = map(operator.index, at)
    except (TypeError, ValueError):
        raise OptionError(f"at {quoted(at)}: expected a row and a column, such as 3,5") from None
    if not (0 <= row < rows and 0 <= column < columns):
        raise OptionError(
            f"at {row},{column}: outside the map of {site.address}, which has rows 0 to {rows - 1} and columns 0 to {columns - 1}"
        )
    return row, column


def checked_depth(depth: Any) -> int:
    """``depth`` as an int; raises ``OptionError`` unless it is at least 1."""
    try:
        number = operator.index(depth)
    except TypeError:
        number = 0
    if number < 1 or isinstance(depth, bool):
        raise OptionError(f"depth {quoted(depth)}: expected a whole number of convolutions to go back, 1 or more")
    return number
