"""Resuming from the trunk: what a first look computed on the way serves the next look at the same photo.

A network has a few trunks (``blueprint.topology``): tensors that all later ones are computed from.  Their values are kept
by what the network read and who computed, in memory for the last photo, and on disk where there is a cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.sites import sites
from ..blueprint.topology import prefix_ends
from ..disk_cache import DiskCache, cache_folder, most_bytes
from ..version import __version__
from .engines import Engine
from .plan import NETWORK_INPUT, Key, output, plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RECIPE = 2  # goes up when the same input gives another value


def prefix_store() -> DiskCache:
    """Where values of trunks are kept on disk."""
    return DiskCache(cache_folder() / "trunks", most_bytes("trunks"), "trunk", durable=False)


class PrefixCache:
    """Runs an engine for one photo at a time, from the furthest trunk whose value is known."""

    def __init__(self, engine: Engine, cache: DiskCache | None = None) -> None:
        self.engine = engine
        self.cache = cache
        self.network = engine.weights.network
        self.last: tuple[str, dict[Key, Floats]] = ("", {})  # a photo, and what is known of it; threads share it whole

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, or one in another process, knows no photo yet."""
        return PrefixCache, (self.engine, self.cache)

    def run(self, keys: Sequence[Key], planes: Floats) -> dict[Key, Floats]:
        """The values of ``keys`` for the network's input ``planes`` (1, 3, H, W)."""
        crossed = self.computed_on_the_way(keys)
        known = self.select_photo(hashlib.sha256(planes.data).hexdigest() if crossed else "")
        worth = (
            trunk for trunk in reversed(crossed) if self.is_worth_resuming(trunk, keys, crossed) and known.has(trunk)
        )
        start = next(worth, NETWORK_INPUT)
        fed = planes if start == NETWORK_INPUT else known.values[start]
        ahead = [trunk for trunk in crossed if trunk[0] > start[0]]
        wanted = list(dict.fromkeys([*keys, *ahead]))
        values = {start: fed} | self.engine.run(plan(self.network, wanted, (start,)), {start: fed})
        for trunk in ahead:
            known.keep(trunk, values[trunk])
        return values

    def computed_on_the_way(self, keys: Sequence[Key]) -> list[Key]:
        """The trunks that all of ``keys`` are computed from, or are, in program order."""
        outputs = [output(site) for site in prefix_ends(self.network)]
        return [trunk for trunk in outputs if all(key == trunk or key[0] > trunk[0] for key in keys)]

    def is_worth_resuming(self, trunk: Key, keys: Sequence[Key], crossed: Sequence[Key]) -> bool:
        """Whether to start from ``trunk`` if it is known: no graph has to be built while that of the whole way is there."""
        ahead = [each for each in crossed if each[0] > trunk[0]]
        resumed = plan(self.network, list(dict.fromkeys([*keys, *ahead])), (trunk,))
        whole = plan(self.network, list(dict.fromkeys([*keys, *crossed])))
        return not resumed.steps or self.engine.is_ready(resumed) or not self.engine.is_ready(whole)

    def select_photo(self, photo: str) -> StoredPrefix:
        """What is known of a photo; that of another one is forgotten.  Threads may look at several at once."""
        last = self.last
        if last[0] != photo:
            self.last = last = (photo, {})
        return StoredPrefix(self, photo, last[1])

    def name(self, trunk: Key, photo: str) -> str:
        """Names a value by all that determines it: what the network read stands for the photo and its preprocessing."""
        address = sites(self.network)[trunk[0]].address
        parts = [
            __version__,
            RECIPE,
            self.engine.weights.sha256,
            self.engine.identity().key,
            address,
            photo,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


@dataclass(frozen=True)
class StoredPrefix:
    """The trunks' ``values`` for one photo, as far as they are known."""

    trunks: PrefixCache
    photo: str
    values: dict[Key, Floats]

    def has(self, trunk: Key) -> bool:
        """Whether the value at ``trunk`` is known; from the disk it comes into memory."""
        if trunk in self.values:
            return True
        cache = self.trunks.cache
        payload = cache.load(self.trunks.name(trunk, self.photo)) if cache else None
        shape = (1, *sites(self.trunks.network)[trunk[0]].shape)
        if payload is None or len(payload) != 4 * np.prod(shape):
            return False
        self.values[trunk] = np.frombuffer(payload, "<f4").reshape(shape)
        return True

    def keep(self, trunk: Key, value: Floats) -> None:
        """Remember the value at ``trunk``."""
        self.values[trunk] = value
        if self.trunks.cache:
            self.trunks.cache.store(self.trunks.name(trunk, self.photo), value.astype("<f4", copy=False).tobytes())
