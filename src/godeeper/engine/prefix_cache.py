"""Resumes runs on the same photo from tensors that earlier runs have computed.

A prefix is the part of a network up to such a tensor, its end.  ``blueprint.topology.prefix_ends`` lists a few ends on which
all later tensors depend.  Their values are cached in memory for the last photo and, with a disk cache, on disk for all photos.
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

RECIPE = 2  # increase it when the same input gives other values


def prefix_store() -> DiskCache:
    """The disk cache for the values at the ends of prefixes."""
    return DiskCache(cache_folder() / "trunks", most_bytes("trunks"), "trunk", durable=False)


class PrefixCache:
    """Runs an engine for one photo at a time, starting from the last prefix end whose value is cached."""

    def __init__(self, engine: Engine, cache: DiskCache | None = None) -> None:
        self.engine = engine
        self.cache = cache
        self.blueprint = engine.weights.blueprint
        self.last: tuple[str, dict[Key, Floats]] = ("", {})
        """(Photo, its cached values).  The pair is replaced as a whole, so that threads can share it."""

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy or an unpickled cache starts without values in memory."""
        return PrefixCache, (self.engine, self.cache)

    def run(self, keys: Sequence[Key], planes: Floats) -> dict[Key, Floats]:
        """The values of ``keys`` for the network's input ``planes`` (1, 3, H, W)."""
        ends = self.applicable(keys)
        stored = self.select_photo(hashlib.sha256(planes.data).hexdigest() if ends else "")
        usable = (end for end in reversed(ends) if self.is_worth_resuming(end, keys, ends) and stored.has(end))
        start = next(usable, NETWORK_INPUT)
        fed = planes if start == NETWORK_INPUT else stored.values[start]
        later = [end for end in ends if end.site > start.site]
        fetched = list(dict.fromkeys([*keys, *later]))
        values = {start: fed} | self.engine.run(plan(self.blueprint, fetched, (start,)), {start: fed})
        for end in later:
            stored.store(end, values[end])
        return values

    def applicable(self, keys: Sequence[Key]) -> list[Key]:
        """The prefix ends from which all of ``keys`` can be computed, in program order."""
        outputs = [output(site) for site in prefix_ends(self.blueprint)]
        return [end for end in outputs if all(key == end or key.site > end.site for key in keys)]

    def is_worth_resuming(self, end: Key, keys: Sequence[Key], ends: Sequence[Key]) -> bool:
        """Whether to start from ``end`` if it is cached.

        It is not worth it if the shorter graph has to be built first and the graph of the whole run is ready.
        """
        later = [each for each in ends if each.site > end.site]
        resumed = plan(self.blueprint, list(dict.fromkeys([*keys, *later])), (end,))
        whole = plan(self.blueprint, list(dict.fromkeys([*keys, *ends])))
        return not resumed.steps or self.engine.is_ready(resumed) or not self.engine.is_ready(whole)

    def select_photo(self, photo: str) -> StoredPrefix:
        """The cached values of a photo; those of the previous photo are dropped.  Threads may call it concurrently."""
        last = self.last
        if last[0] != photo:
            self.last = last = (photo, {})
        return StoredPrefix(self, photo, last[1])

    def name(self, end: Key, photo: str) -> str:
        """The cache key of a value.  ``photo``: the hash of the network's input, which depends on photo and preprocessing."""
        address = sites(self.blueprint)[end.site].address
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
    """The cached values at the prefix ends for one photo."""

    prefixes: PrefixCache
    photo: str
    values: dict[Key, Floats]

    def has(self, end: Key) -> bool:
        """Whether the value of ``end`` is cached; a value on disk is loaded into memory."""
        if end in self.values:
            return True
        cache = self.prefixes.cache
        payload = cache.load(self.prefixes.name(end, self.photo)) if cache else None
        shape = (1, *sites(self.prefixes.blueprint)[end.site].shape)
        if payload is None or len(payload) != 4 * np.prod(shape):
            return False
        self.values[end] = np.frombuffer(payload, "<f4").reshape(shape)
        return True

    def store(self, end: Key, value: Floats) -> None:
        """Cache the value of ``end``."""
        self.values[end] = value
        if self.prefixes.cache:
            self.prefixes.cache.store(self.prefixes.name(end, self.photo), value.astype("<f4", copy=False).tobytes())
