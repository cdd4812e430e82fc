"""Resumes runs on the same photo from tensors that earlier runs have computed.

These tensors are called trunks: ``blueprint.topology.prefix_ends`` lists a few that all later tensors depend on.  Their
values are cached in memory for the last photo and, with a disk cache, on disk for all photos.
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
    """The disk cache of trunk values."""
    return DiskCache(cache_folder() / "trunks", most_bytes("trunks"), "trunk", durable=False)


class PrefixCache:
    """Runs an engine for one photo at a time, starting from the last trunk whose value is cached."""

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
        trunks = self.applicable(keys)
        stored = self.select_photo(hashlib.sha256(planes.data).hexdigest() if trunks else "")
        usable = (
            trunk for trunk in reversed(trunks) if self.is_worth_resuming(trunk, keys, trunks) and stored.has(trunk)
        )
        start = next(usable, NETWORK_INPUT)
        fed = planes if start == NETWORK_INPUT else stored.values[start]
        later = [trunk for trunk in trunks if trunk.site > start.site]
        fetched = list(dict.fromkeys([*keys, *later]))
        values = {start: fed} | self.engine.run(plan(self.blueprint, fetched, (start,)), {start: fed})
        for trunk in later:
            stored.store(trunk, values[trunk])
        return values

    def applicable(self, keys: Sequence[Key]) -> list[Key]:
        """The trunks from which all of ``keys`` can be computed, in program order."""
        outputs = [output(site) for site in prefix_ends(self.blueprint)]
        return [trunk for trunk in outputs if all(key == trunk or key.site > trunk.site for key in keys)]

    def is_worth_resuming(self, trunk: Key, keys: Sequence[Key], trunks: Sequence[Key]) -> bool:
        """Whether to start from ``trunk`` if it is cached.

        It is not worth it if the shorter graph has to be built first and the graph of the whole run is ready.
        """
        later = [each for each in trunks if each.site > trunk.site]
        resumed = plan(self.blueprint, list(dict.fromkeys([*keys, *later])), (trunk,))
        whole = plan(self.blueprint, list(dict.fromkeys([*keys, *trunks])))
        return not resumed.steps or self.engine.is_ready(resumed) or not self.engine.is_ready(whole)

    def select_photo(self, photo: str) -> StoredPrefix:
        """The cached values of a photo; those of the previous photo are dropped.  Threads may call it concurrently."""
        last = self.last
        if last[0] != photo:
            self.last = last = (photo, {})
        return StoredPrefix(self, photo, last[1])

    def name(self, trunk: Key, photo: str) -> str:
        """The cache key of a value.  ``photo``: the hash of the network's input, which depends on photo and preprocessing."""
        address = sites(self.blueprint)[trunk.site].address
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
    """The cached values of the trunks for one photo."""

    prefixes: PrefixCache
    photo: str
    values: dict[Key, Floats]

    def has(self, trunk: Key) -> bool:
        """Whether the value of ``trunk`` is cached; a value on disk is loaded into memory."""
        if trunk in self.values:
            return True
        cache = self.prefixes.cache
        payload = cache.load(self.prefixes.name(trunk, self.photo)) if cache else None
        shape = (1, *sites(self.prefixes.blueprint)[trunk.site].shape)
        if payload is None or len(payload) != 4 * np.prod(shape):
            return False
        self.values[trunk] = np.frombuffer(payload, "<f4").reshape(shape)
        return True

    def store(self, trunk: Key, value: Floats) -> None:
        """Cache the value of ``trunk``."""
        self.values[trunk] = value
        if self.prefixes.cache:
            self.prefixes.cache.store(self.prefixes.name(trunk, self.photo), value.astype("<f4", copy=False).tobytes())
