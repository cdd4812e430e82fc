"""Forward passes in memory, the least recently used evicted first."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from ...engine.plan import NETWORK_INPUT
from ...lru import LruCache
from ...network import Network
from ...photos.input_steps import PhotoSteps
from ...photos.preprocess import to_planes
from .forward import ForwardPass

if TYPE_CHECKING:
    from .photo_store import StoredPhoto

MAX_BYTES = 384 << 20


class ForwardPassCache:
    """One forward pass per photo, with a limit on their total size."""

    def __init__(self, network: Network, max_bytes: int = MAX_BYTES) -> None:
        self.network = network
        self.passes = LruCache[str, ForwardPass](max_bytes=max_bytes, nbytes=lambda forward: forward.nbytes)

    def get(self, photo: StoredPhoto) -> ForwardPass:
        """The pass of a photo, or a new one; it becomes the most recently used."""
        forward = self.passes.get(photo.id)
        if forward is None:
            planes = to_planes(photo_steps(self.network, photo).value("multiply"))
            forward = ForwardPass({NETWORK_INPUT: planes})
            self.passes.put(photo.id, forward)
        return forward

    def done(self, photo_id: str) -> int:
        """How many segments of a photo's pass are in memory."""
        forward = self.passes.peek(photo_id)
        return forward.done if forward else 0

    def evict(self, in_use: Container[str]) -> bool:
        """Evict passes until the others fit, except those of photos ``in_use``; returns whether any was evicted."""
        return self.passes.evict(in_use) > 0


def photo_steps(network: Network, photo: StoredPhoto) -> PhotoSteps:
    """The photo's own steps of the network, from the resized photo on."""
    return PhotoSteps(network.preprocess, "resize", photo.resized)
