"""Stream features of any number of photos, in order, batch by batch.

Only a few batches are in memory, and nothing is stored.  A photo that cannot be read has an error in place of features.
Training uses ``features.extract`` instead, which stores features by the hash of a photo's pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..blueprint.address import resolve_one
from ..engine.plan import NETWORK_INPUT, Key, Plan, key_of, plan
from ..errors import AddressError, ChannelError, quoted
from .batch import Batch, regrouped
from .executors.executor import HERE
from .pipeline import BATCH_SIZE, ComputedBatch, Decode, Decoded, Forward, Stages, entries_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..blueprint.address import Tensor
    from ..blueprint.ops import Blueprint
    from ..engine.engines import Engine
    from ..engine.quantization import QuantizationRanges
    from ..photos.decode import Photo, PhotoSource
    from ..photos.preprocess import Preprocess
    from ..provenance import Provenance
    from ..weights.file import WeightsFile
    from .executors.executor import Executor
    from .executors.kept import KeptChunks

    Floats = NDArray[np.float32]

KEPT, KEPT_IN_8_BITS = 3, 2
"""A JPEG is decoded at a reduced size whose shorter side is at least this many times the side of the network's input.  In 8
bits a smaller size is enough, since rounding changes the features more than the reduction does; see
``docs/decisions/0017-reduced-decoding.md``."""


class FeatureNetwork(Protocol):
    """The parts of ``godeeper.Network`` that features need.  An import of ``Network`` here would be an import cycle."""

    weights: WeightsFile
    blueprint: Blueprint
    preprocess: Preprocess

    @property
    def batch_engine(self) -> Engine: ...

    @property
    def calibration(self) -> QuantizationRanges | None: ...

    def tensors(self, pattern: str | Iterable[str] = "**") -> tuple[Tensor, ...]: ...

    def provenance(self, photo: Photo | None = None) -> Provenance: ...

    def close(self) -> None: ...


def stream(
    network: FeatureNetwork,
    photos: Iterable[PhotoSource],
    addresses: Sequence[str],
    *,
    exact: bool = False,
    executor: Executor = HERE,
    progress: Callable[[int], None] | None = None,
    kept: KeptChunks | None = None,
) -> Iterator[Batch]:
    """Yield the features of photos, batch by batch.

    Args:
        network: the network that computes the features.
        photos: paths, bytes of files, Pillow images, or arrays (H, W, 3) of uint8; each is read when it is needed.
        addresses: addresses of whole tensors, by any name.
        exact: decode large JPEGs at full size instead of a reduced size (see ``KEPT``).
        executor: decodes the photos and runs the network; the batches do not depend on it.
        progress: called with the number of photos done.
        kept: see ``Executor.run``.

    Raises:
        AddressError: an address does not name one tensor of the network.

    >>> import godeeper
    >>> [batch] = stream(godeeper.load(), ["examples/chelsea.jpg", "nothing.jpg"], ["mixed/join"])
    >>> batch.features["mixed/join"].shape, batch.errors
    ((1, 256), {1: 'nothing.jpg: no such file; expected a photo'})
    """
    stages = feature_stages(network, addresses, None if exact else least_side(network))
    with closing(executor.run(stages, entries_of(photos), progress, kept)) as batches:
        yield from regrouped(batches, BATCH_SIZE) if executor.is_remote else batches


def feature_batches(
    network: FeatureNetwork,
    photos: Iterable[PhotoSource],
    addresses: Sequence[str],
    transform: Callable[[Iterable[Decoded]], Iterable[Decoded]] = iter,
) -> Iterator[Batch]:
    """As ``stream`` in this process, with photos at full size; ``transform`` is that of ``Stages``."""
    with closing(feature_stages(network, addresses, transform=transform).run(entries_of(photos))) as batches:
        yield from batches


def feature_stages(
    network: FeatureNetwork,
    addresses: Sequence[str],
    least_side: int | None = None,
    transform: Callable[[Iterable[Decoded]], Iterable[Decoded]] = iter,
) -> Stages[Batch]:
    """The stages that compute features; ``least_side`` is that of ``Decode``, ``transform`` that of ``Stages``."""
    keys = keys_of(network, addresses)
    forward = Forward(network.batch_engine, pooled_plan(network.blueprint, keys.values()))
    return Stages(Decode(network.preprocess, least_side), forward, ReduceToFeatures(keys), transform=transform)


@dataclass(frozen=True)
class ReduceToFeatures:
    """Reduces a computed batch of a pooled plan to a ``Batch``.  ``keys``: address -> key in the plan."""

    keys: Mapping[str, Key]

    def __call__(self, batch: ComputedBatch) -> Batch:
        errors = {place: str(info.error) for place, info in enumerate(batch.photos) if info.error is not None}
        notes = {place: info.notes for place, info in enumerate(batch.photos) if info.notes}
        features = {address: batch.values[key] for address, key in self.keys.items()} if batch.rows else {}
        return Batch(tuple(info.name for info in batch.photos), features, errors, notes)


def keys_of(network: FeatureNetwork, addresses: Iterable[str]) -> dict[str, Key]:
    """Address -> key of its tensor; raises ``AddressError``."""
    return {address: key_of(resolve_one(network.blueprint, address)) for address in addresses}


def pooled_plan(blueprint: Blueprint, keys: Iterable[Key]) -> Plan:
    """The plan of the spatial means of tensors; ``keys`` may contain a key twice, as a tensor has several names."""
    return plan(blueprint, list(dict.fromkeys(keys)), pooled=True)


def pooled(network: FeatureNetwork, planes: Floats, addresses: Sequence[str]) -> dict[str, Floats]:
    """Features of network inputs (N, 3, H, W): address -> (N, C) float32, the spatial means."""
    keys = keys_of(network, addresses)
    values = network.batch_engine.run(pooled_plan(network.blueprint, keys.values()), {NETWORK_INPUT: planes})
    return {address: values[key] for address, key in keys.items()}


def least_side(network: FeatureNetwork) -> int | None:
    """The minimum length of the shorter side of a reduced JPEG, in pixels.

    None, which means no reduction, for the filter ``tf2015``, because it samples single pixels of the full-size photo.
    """
    if network.preprocess.filter == "tf2015":
        return None
    return (KEPT_IN_8_BITS if network.calibration else KEPT) * network.preprocess.size


def whole_tensors(network: FeatureNetwork, addresses: Sequence[str]) -> dict[str, int]:
    """Printed name -> number of features, for tensors by any name; raises ``AddressError`` if a tensor has none."""
    tensors = [whole_tensor(network, address) for address in addresses]
    return {tensor.name: tensor.site.shape[0] for tensor in tensors}


def whole_tensor(network: FeatureNetwork, address: str) -> Tensor:
    """The tensor of that name.

    Raises:
        ChannelError: the address selects some of its channels.
        AddressError: the address does not name one tensor, or names a step of the photo's preprocessing.
    """
    tensor = resolve_one(network.blueprint, address)
    if tensor.channels is not None:
        raise ChannelError(
            f"{quoted(address)} names some channels: features are of whole tensors, name {tensor.name!r}"
        )
    if tensor.site.is_photo_step:
        raise AddressError(
            f"{quoted(address)} is the photo itself: features are of the network's tensors, such as 'mixed/join'"
        )
    return tensor
