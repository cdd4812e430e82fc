"""``godeeper cache``: shows, trims and clears the cache."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .common import add_command, add_group, print_table
from .terminal import print_json, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..disk_cache import DiskCache
    from .common import Verbs

EXAMPLE = """\
  godeeper cache show
  godeeper cache trim --to 500MB
  godeeper cache clear
"""


def add_to(verbs: Verbs) -> None:
    actions = add_group(verbs, "cache", "show, trim or clear the cache", EXAMPLE)
    add_command(actions, "show", "show what the cache holds, and its size", "  godeeper cache show\n", run_show)
    trim = add_command(
        actions,
        "trim",
        "remove the least recently used entries, starting with the fastest to recompute",
        "  godeeper cache trim --to 500MB\n",
        run_trim,
    )
    trim.add_argument("--to", default="1GB", metavar="SIZE", help="size to keep, such as 500MB (default: 1GB)")
    add_command(actions, "clear", "remove everything; weights are not touched", "  godeeper cache clear\n", run_clear)


@dataclass(frozen=True)
class CacheSection:
    """One kind of cache entry: how many there are, their total size and their location."""

    name: str
    entries: int
    bytes: int
    path: Path


def run_show(options: argparse.Namespace) -> int:
    report(parts(), options)
    return 0


def run_trim(options: argparse.Namespace) -> int:
    from ..disk_cache import size_of

    shrink(size_of(options.to))
    report(parts(), options)
    return 0


def run_clear(options: argparse.Namespace) -> int:
    from ..features.executors.kept import remove_abandoned
    from ..features.store import leftovers
    from ..filters.index_folder import remove_cached

    shrink(0)
    remove_cached()
    remove_abandoned(older_than=0)
    for path in leftovers():
        path.unlink(missing_ok=True)
    report(parts(), options)
    return 0


def parts() -> list[CacheSection]:
    """The sections of the cache as they are now."""
    from ..disk_cache import account_cache, cache_folder, graph_cache
    from ..engine.prefix_cache import prefix_store
    from ..features.store import ResultStore, leftovers, size, store_path
    from ..filters.index_folder import cached_indexes

    caches = {"graphs": graph_cache(), "trunks": prefix_store(), "accounts": account_cache()}
    sizes = {name: cache.sizes() for name, cache in caches.items()}
    found = [CacheSection(name, len(sizes[name]), sum(sizes[name]), cache.folder) for name, cache in caches.items()]
    if store_path().exists():
        with ResultStore() as store:
            stats = store.stats()
        found.append(CacheSection("features", stats.features, stats.bytes, stats.path))
    else:
        found.append(CacheSection("features", 0, 0, store_path()))
    indexes = cached_indexes()
    found.append(CacheSection("indexes", len(indexes), sum(map(size, indexes)), cache_folder() / "indexes"))
    old = leftovers()
    return [*found, CacheSection("leftovers", len(old), sum(map(size, old)), cache_folder())]


def shrink(most_bytes: int) -> None:
    """Trim the cache to ``most_bytes``, from the entries that are quickest to recompute to the slowest."""
    from functools import partial

    from ..disk_cache import account_cache, graph_cache
    from ..engine.prefix_cache import prefix_store
    from ..filters.index_folder import trim_cached

    trims: dict[str, Callable[[int], None]] = {
        "trunks": partial(trim_entries, prefix_store()),
        "accounts": partial(trim_entries, account_cache()),
        "indexes": trim_cached,
        "graphs": partial(trim_entries, graph_cache()),
        "features": trim_features,
    }
    for name, trim in trims.items():
        sizes = {part.name: part.bytes for part in parts() if part.name in trims}
        trim(max(most_bytes - sum(sizes.values()) + sizes[name], 0))


def trim_entries(cache: DiskCache, most_bytes: int) -> None:
    """Remove the least recently used entries of a cache until the rest fits."""
    from dataclasses import replace

    replace(cache, most_bytes=most_bytes).trim()


def trim_features(most_bytes: int) -> None:
    """Trim the store of features, if there is one."""
    from ..features.store import ResultStore, store_path

    if store_path().exists():
        with ResultStore() as store:
            store.trim(most_bytes)


def report(found: list[CacheSection], options: argparse.Namespace) -> None:
    """Print the sections as JSON or as a table."""
    if options.json:
        print_json(record(found))
        return
    rows = [
        [part.name, str(part.entries), f"{part.bytes / 1e6:.1f} MB", str(part.path)] for part in found if part.entries
    ]
    if rows:
        print_table(("what", "entries", "size", "where"), rows)
        say()
    document = record(found)
    weights = document["weights"]
    limit = f"{document['most_bytes'] / 1e6:.0f} MB"
    say(f"cache: {document['folder']}")
    say(
        f"  {document['bytes'] / 1e6:.0f} MB of at most {limit} (GODEEPER_CACHE_SIZE); the least recently used entries are removed first"
    )
    say(f"added weights: {weights['path']}")
    say(f"  {weights['entries']} files, {weights['bytes'] / 1e6:.0f} MB; never removed")
    say("to move both, set GODEEPER_CACHE=FOLDER and move the added weights to FOLDER/weights")


def record(found: list[CacheSection]) -> dict[str, Any]:
    """The sections as JSON."""
    from ..disk_cache import cache_folder, most_bytes
    from ..features.store import size
    from ..weights.registry import ENDING, weights_folder

    added = sorted(weights_folder().glob(f"*{ENDING}"))
    return {
        "folder": str(cache_folder()),
        "most_bytes": most_bytes(),
        "weights": {"entries": len(added), "bytes": sum(map(size, added)), "path": str(weights_folder())},
        "bytes": sum(part.bytes for part in found),
        **{part.name: {"entries": part.entries, "bytes": part.bytes, "path": str(part.path)} for part in found},
    }
