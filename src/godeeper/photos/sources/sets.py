"""Detect folders that are split into sets, and find the set and the class in the path of each file.

``train/cat/1.png`` and ``cat/train/1.png`` are recognised, also inside folders that contain everything
(``data/train/cat/1.png``).  Only names are used; no file is opened.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .folder import Entry

SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""Name of a folder in lower case, or value in a list -> the set."""

SETS = tuple(dict.fromkeys(SPLITS.values()))
MOST = 5  # folders that a note names


@dataclass(frozen=True)
class Layout:
    """The position of sets and classes in paths.

    ``above``: the number of outer folders that contain everything.  ``at``: 0 for SET/CLASS below them, 1 for CLASS/SET.
    """

    above: int
    at: int

    def parts(self, entry: Entry) -> list[str]:
        """The entry's folders, below those that contain everything."""
        return entry.label.split("/")[self.above :]

    def split_of(self, entry: Entry) -> str:
        """The entry's set according to its folders; empty if none is a set."""
        parts = self.parts(entry)
        return set_named(parts[self.at]) if len(parts) > self.at else ""

    def in_set(self, entry: Entry) -> Entry:
        """The entry with class and set separated; a photo directly in ``train`` has no class."""
        parts, split = self.parts(entry), self.split_of(entry)
        label = [*parts[: self.at], *parts[self.at + 1 :]] if split else parts
        return replace(entry, label="/".join(label), split=split, shown=entry.name)

    def counts(self, entries: Iterable[Entry]) -> Counter[str]:
        """The number of files with a class in each set."""
        counted = Counter(self.split_of(entry) for entry in entries if len(self.parts(entry)) > 1 and not entry.hidden)
        counted.pop("", None)
        return counted

    def beside(self, entries: Iterable[Entry]) -> Counter[str]:
        """Folder -> number of files, for the folders next to the sets."""
        return Counter(self.parts(entry)[0] for entry in entries if any(self.parts(entry)) and not self.split_of(entry))


def set_named(name: str) -> str:
    """The set that a folder's name stands for; empty for other names."""
    return SPLITS.get(name.casefold(), "")


def find_layout(entries: Sequence[Entry]) -> Layout | None:
    """The layout of a folder that is split into sets; None for other folders.

    A folder is split if two or more of its folders are sets, or if its only folder is a set.
    """
    labels = [entry.label.split("/") for entry in entries if entry.named_photo and not entry.hidden]
    above = depth_above(labels)
    below = [parts[above:] for parts in labels]
    deep = [parts for parts in below if len(parts) > 1]
    outer = {set_named(parts[0]) for parts in deep} - {""}
    if len(outer) > 1 or (outer and len({parts[0] for parts in below if any(parts)}) == 1):
        return Layout(above, 0)
    inner = {set_named(parts[1]) for parts in deep}
    if len(deep) == len(below) and len(inner) > 1 and "" not in inner:
        return Layout(above, 1)
    return None


def depth_above(labels: Sequence[list[str]]) -> int:
    """The number of nested outer folders that contain everything, have folders inside, and are not sets."""
    depth = 0
    while True:
        names = {parts[depth] if len(parts) > depth + 1 else "" for parts in labels}
        name = next(iter(names), "")
        if len(names) != 1 or not name or set_named(name):
            return depth
        depth += 1


def flat_sets(entries: Iterable[Entry]) -> list[str]:
    """The sets that contain photos but no class folders."""
    parts = [entry.label.split("/") for entry in entries if entry.named_photo and not entry.hidden]
    deep = {each[0] for each in parts if len(each) > 1}
    return sorted({each[0] for each in parts if set_named(each[0])} - deep)


def repeated_notes(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield a note if folders may be meant as sets: class names are repeated, or a set is next to classes."""
    labels = {entry.label for entry in entries if entry.named_photo and not entry.hidden}
    tops: dict[str, list[str]] = defaultdict(list)
    for top, _, rest in (label.partition("/") for label in sorted(labels)):
        if rest:
            tops[rest].append(top)
    again = sorted(rest for rest, names in tops.items() if len(names) > 1)
    sets = sorted({top for names in tops.values() for top in names if set_named(top) and top not in labels})
    if again:
        names = tops[again[0]]
        shown = ", ".join(repr(f"{name}/{again[0]}") for name in names[:MOST]) + " and more" * (len(names) > MOST)
        yield (
            f"{shown} are different classes; if their first folders are the sets of a split, name them train, val and test; "
            "if they are one class, put their photos into one folder"
        )
    elif sets:
        yield (
            f"{sets[0]}/ is treated as part of the class names, since the folders next to it are not sets; "
            "for a split, leave only train, val and test"
        )


def layout_notes(layout: Layout, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield notes on a split folder."""
    parts = layout.counts(entries)
    counts = ", ".join(f"{parts[part]} {part}" for part in SETS if parts[part])
    yield f"the folder is already split ({counts}), and this split is kept: {meaning(parts)}"
    beside = layout.beside(entries)
    if beside:
        names = ", ".join(f"{name}/ ({count})" for name, count in sorted(beside.items())[:MOST])
        yield f"left out, since they are next to the sets: {names}{' and more' * (len(beside) > MOST)}; move them into train/ to use them"


def meaning(parts: Counter[str]) -> str:
    """The sentence that explains how the sets are used; ``parts``: number of photos by set."""
    test = (
        "test photos are not used for training or for any choice"
        if parts["test"]
        else "there is no test set, so test photos are chosen as for any folder"
    )
    return f"{test}{'; validation photos are used for training, since choices are made by cross-validation' if parts['validation'] else ''}"
