"""The cache that evicts its least recently used entries."""

from __future__ import annotations

from godeeper.lru import LruCache


def filled(cache: LruCache[str, bytes], keys: str, size: int = 1) -> LruCache[str, bytes]:
    """Store a value of ``size`` bytes in ``cache`` for each letter of ``keys``, and return ``cache``."""
    for key in keys:
        cache.put(key, bytes(size))
    return cache


def test_the_least_recently_used_entries_are_evicted() -> None:
    """Reading an entry makes it the most recently used; the least recently used entry is evicted first."""
    cache = filled(LruCache(max_entries=2), "abc")
    cache.get("a")
    assert cache.evict() == 1
    assert list(cache) == ["c", "a"]


def test_a_look_without_use_changes_no_order() -> None:
    """``peek`` returns a value and leaves the order unchanged."""
    cache = filled(LruCache(max_entries=1), "ab")
    assert cache.peek("a") == b"\0"
    cache.evict()
    assert list(cache) == ["b"]


def test_bytes_are_limited() -> None:
    """Entries are evicted until the remaining entries fit into the limit."""
    cache = filled(LruCache(max_bytes=25, nbytes=len), "abcd", 10)
    assert cache.evict() == 2
    assert (list(cache), cache.nbytes) == (["c", "d"], 20)


def test_the_last_used_entry_stays() -> None:
    """A single entry is not evicted, even if it exceeds the limit."""
    cache = filled(LruCache(max_bytes=5, nbytes=len), "a", 10)
    assert cache.evict() == 0
    assert "a" in cache


def test_entries_in_use_stay() -> None:
    """An entry in use is skipped, and the next entry is evicted instead."""
    cache = filled(LruCache(max_entries=2), "abc")
    assert cache.evict(in_use={"a"}) == 1
    assert list(cache) == ["a", "c"]


def test_removing_entries() -> None:
    """``pop`` removes and returns a value, or returns None; ``clear`` removes all values."""
    cache = filled(LruCache(max_entries=2), "ab")
    assert (cache.pop("a"), cache.pop("a")) == (b"\0", None)
    cache.clear()
    assert len(cache) == 0
