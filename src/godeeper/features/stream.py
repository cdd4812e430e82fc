"""Features of any number of photos: decoded ahead in threads, computed in batches, handed out in order.

Nothing is stored and nothing but a few batches is in memory; a photo that cannot be read has its error in its
place.  For training, which stores features by the hash of all pixels, there is ``features.extract``.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.address import resolve_one
from ..blueprint.sites import PHOTO_KINDS
from ..engine.plan import NETWORK_INPUT, key_of, plan
from ..errors import AddressError, ChannelError, PhotoError, quoted
from ..network import Network
from ..photos.decode import Photo, decode
from ..prefetch import ordered_map, pipelined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..blueprint.address import Tensor
    from ..photos.preprocess import Preprocess

    Floats = NDArray[np.float32]

BATCH = 8
KEPT, KEPT_IN_8_BITS = 3, 2
"""A JPEG is decoded at a part of its size where that leaves so many times the network's side, fewer where the network itself
rounds more than that changes; see ``docs/decisions/0017-reduced-decoding.md``."""


@dataclass(frozen=True)
class Batch:
    """A few photos in order: their ``names``, the ``errors`` of those at some places, the features of all others.

    ``features``: address -> (N, C) float32, the means over the grid, a row for each place without an error.
    """

    names: tuple[str, ...]
    features: Mapping[str, Floats] = field(repr=False)
    errors: Mapping[int, str] = field(default_factory=dict)

    @property
    def readable(self) -> tuple[int, ...]:
        """The places that have a row of features."""
        return tuple(place for place in range(len(self.names)) if place not in self.errors)


def stream(
    network: Network, photos: Iterable[Any], addresses: Sequence[str], *, exact: bool = False
) -> Iterator[Batch]:
    """The features of photos, batch by batch.

    Args:
        network: what computes them.
        photos: paths, bytes of files, Pillow images, or arrays (H, W, 3) of uint8; taken as they are needed.
        addresses: of whole tensors, by any name.
        exact: decode large JPEGs whole, not at a part of their size (see ``KEPT``).

    Raises:
        AddressError: an address is not of one tensor of the network.

    >>> import godeeper
    >>> [batch] = stream(godeeper.load(), ["examples/chelsea.jpg", "nothing.jpg"], ["mixed/join"])
    >>> batch.features["mixed/join"].shape, batch.errors
    ((1, 256), {1: 'nothing.jpg: no such file; expected a photo'})
    """
    # One array for all batches: large ones that come and go leave holes in the heap, and memory grows.
    room = np.empty((BATCH, 3, network.preprocess.size, network.preprocess.size), np.float32)

    def compute(supply: PendingBatch) -> Batch:
        inputs = supply.inputs
        features = pooled(network, np.concatenate(inputs, out=room[: len(inputs)]), addresses) if inputs else {}
        return Batch(tuple(supply.names), features, supply.errors)

    yield from pipelined(compute, batched(decoded(network.preprocess, photos, None if exact else least_side(network))))


@dataclass
class PendingBatch:
    """What becomes a ``Batch``: the network's inputs (1, 3, H, W) of those photos that could be read."""

    names: list[str] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    inputs: list[Floats] = field(default_factory=list)


def batched(photos: Iterable[tuple[str, Floats | PhotoError]]) -> Iterator[PendingBatch]:
    """Photos in order, as many together as the network takes at once."""
    supply = PendingBatch()
    for name, result in photos:
        if isinstance(result, PhotoError):
            supply.errors[len(supply.names)] = str(result)
        else:
            supply.inputs.append(result)
        supply.names.append(name)
        if len(supply.inputs) == BATCH:
            yield supply
            supply = PendingBatch()
    if supply.names:
        yield supply


def least_side(network: Network) -> int | None:
    """Pixels that the lesser side of a reduced JPEG keeps; ``tf2015`` takes single pixels, and of the whole."""
    if network.preprocess.filter == "tf2015":
        return None
    return (KEPT_IN_8_BITS if network.calibration else KEPT) * network.preprocess.size


def whole_tensors(network: Network, addresses: Sequence[str]) -> dict[str, int]:
    """Address -> how many features it gives, of tensors by any name; raises ``AddressError`` where it can give none."""
    tensors = [whole_tensor(network, address) for address in addresses]
    return {tensor.name: tensor.site.shape[0] for tensor in tensors}


def whole_tensor(network: Network, address: str) -> Tensor:
    """The tensor of that name; features are of all its channels, and of what the network computes."""
    tensor = resolve_one(network.blueprint, address)
    if tensor.channels is not None:
        raise ChannelError(
            f"{quoted(address)} names some channels: features are of whole tensors, name {tensor.name!r}"
        )
    if tensor.site.kind in PHOTO_KINDS:
        raise AddressError(
            f"{quoted(address)} is the photo itself: features are of the network's tensors, such as 'mixed/join'"
        )
    return tensor


def pooled(network: Network, planes: Floats, addresses: Sequence[str]) -> dict[str, Floats]:
    """Each address's activations for network inputs (N, 3, H, W), averaged over the grid: address -> (N, C)."""
    keys = {address: key_of(resolve_one(network.blueprint, address)) for address in addresses}
    steps = plan(network.blueprint, list(dict.fromkeys(keys.values())), pooled=True)
    values = network.batch_engine.run(steps, {NETWORK_INPUT: planes})
    return {address: values[key] for address, key in keys.items()}


def decoded(
    preprocess: Preprocess, photos: Iterable[Any], least_side: int | None
) -> Generator[tuple[str, Floats | PhotoError], None, None]:
    """(name, network's input (1, 3, H, W) or the error) of each photo, in order."""

    def work(photo: Any) -> tuple[str, Floats | PhotoError]:
        try:
            return name_of(photo), network_input(preprocess, photo, least_side)
        except PhotoError as error:
            return name_of(photo), error

    return ordered_map(work, photos)


def network_input(preprocess: Preprocess, photo: Any, least_side: int | None) -> Floats:
    """One photo, decoded, resized and scaled."""
    return preprocess(decode(photo, least_side=least_side))


def name_of(photo: Any) -> str:
    """What a photo is called in results: its path as given, or its name."""
    if isinstance(photo, (str, os.PathLike)):
        return str(photo)
    return photo.name if isinstance(photo, Photo) else "photo"
