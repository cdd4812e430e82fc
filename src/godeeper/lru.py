"""A cache in memory that evicts its least recently used entries."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class LruCache(Generic[Key, Value]):
    """Values by key, from the least to the most recently used.

    ``put`` and ``get`` make an entry the most recently used.  Nothing is evicted until ``evict`` is called, because values
    may grow after ``put``, and because only the caller knows which entries are in use.
    """

    def __init__(
        self, max_entries: int | None = None, max_bytes: int | None = None, nbytes: Callable[[Value], int] = lambda _: 0
    ) -> None:
        """``nbytes`` returns the size of a value.  A limit of None means no limit."""
        self.max_entries, self.max_bytes, self._nbytes = max_entries, max_bytes, nbytes
        self._entries: OrderedDict[Key, Value] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        """The keys, least recently used first."""
        return iter(self._entries)

    def values(self) -> list[Value]:
        """The values, least recently used first."""
        return list(self._entries.values())

    def get(self, key: Key) -> Value | None:
        """The value of ``key``, which becomes the most recently used entry; None if it is missing."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def peek(self, key: Key) -> Value | None:
        """The value of ``key``, without marking it as used; None if it is missing."""
        return self._entries.get(key)

    def put(self, key: Key, value: Value) -> None:
        """Store ``value`` as the most recently used entry, in place of the key's earlier value."""
        self._entries[key] = value
        self._entries.move_to_end(key)

    def pop(self, key: Key) -> Value | None:
        """Remove ``key`` and return its value; None if it is missing."""
        return self._entries.pop(key, None)

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()

    @property
    def nbytes(self) -> int:
        """The total size of all values."""
        return sum(map(self._nbytes, self._entries.values()))

    def evict(self, in_use: Container[Key] = ()) -> int:
        """Remove the least recently used entries until the rest is within the limits; return the number removed.

        The most recently used entry and the entries in ``in_use`` are always kept.
        """
        count, total, evicted = len(self._entries), self.nbytes, 0
        for key in list(self._entries)[:-1]:
            if not self._is_over(count - evicted, total):
                break
            if key not in in_use:
                total -= self._nbytes(self._entries.pop(key))
                evicted += 1
        return evicted

    def _is_over(self, count: int, total: int) -> bool:
        over_count = self.max_entries is not None and count > self.max_entries
        return over_count or (self.max_bytes is not None and total > self.max_bytes)
