"""Measure how many planted filters get the right name, and how often filters get a name by chance.

    python -m bench.studies.names [--albums 13] [--each 30] [--shuffles 100] [--seed 0]

Generates albums, which are sets of synthetic photos with planted filters (``planted_filters.py``), and names these
filters. Prints how many of the planted hues, angles and classes are found. As a control, the class labels are shuffled
among the photos, and the top places are shuffled among the filters. For both controls, prints the share of filters that get a name, and the
share of uncorrected p-values up to 0.05.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from bench.studies.planted_filters import Album, Planted, make_album

from godeeper import load
from godeeper.filters.names.attributes import ANGLES, ATTRIBUTES, HUES
from godeeper.filters.names.naming import ClassCounts, Name, attribute_names, class_names, names_of, tests_of
from godeeper.filters.names.places import REFERENCE, IndexedPhotos, Place, top_places
from godeeper.filters.names.statistics import greater, hypergeometric_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from godeeper.blueprint.sites import Site

    Floats = NDArray[np.float64]


class MeasuredPhotos(IndexedPhotos):
    """The photos of an album; the attributes of all top places are measured once."""

    def __init__(self, album: Album) -> None:
        super().__init__(album.index, album.folder)
        places = [top_places(album.index, album.site, number) for number in range(len(album.filters))]
        self.places = sorted({place for each in places for place in each})
        self.by_place = dict(zip(self.places, super().attributes(album.site, self.places), strict=True))
        self.of_filter = [self.attributes(album.site, each) for each in places]

    def attributes(self, site: Site, places: Sequence[Place]) -> Floats:  # noqa: ARG002 (there is one site)
        found = [self.by_place[place] for place in places]
        return np.stack(found) if found else np.empty((0, len(ATTRIBUTES)))


def is_found(planted: Planted, names: Sequence[Name]) -> bool:
    """Return whether one of the names is the planted class, the hue within 45 degrees, or the angle within 22.5 degrees."""
    texts = [each.text for each in names if each.kind == planted.kind]
    if planted.kind == "class":
        return texts == [f"class {planted.label}"]
    period, centres = (360.0, {hue: 60.0 * at for at, hue in enumerate(HUES)})
    if planted.kind == "orientation":
        period, centres = 180.0, {f"edges at {angle:g}°": angle for angle in ANGLES}
    off = [abs((centres[text] - planted.angle + period / 2) % period - period / 2) for text in texts]
    return bool(off) and off[0] <= period / 8


def shuffled_labels(album: Album, random: np.random.Generator) -> tuple[int, int, int]:
    """Count named filters, p-values up to 0.05 and all p-values, with the classes of the photos shuffled."""
    labels = random.permutation(album.labels)
    names, low, tests = 0, 0, 0
    for number in range(len(album.filters)):
        active = album.maxima[:, number] > 0
        top = np.array([each.photo for each in top_places(album.index, album.site, number)], np.int64)
        counts = {
            name: ClassCounts(
                count, int(active[labels == at].sum()), int((labels[top] == at).sum()), int(active.sum()), len(top)
            )
            for at, (name, count) in enumerate(album.index.classes.items())
        }
        names += bool(class_names(counts, album.index.photos, tests_of(album.index)))
        for each in counts.values():
            low += hypergeometric_tail(each.top, each.all_top, each.photos, album.index.photos) <= 0.05
            tests += 1
    return names, low, tests


def shuffled_places(album: Album, photos: MeasuredPhotos, random: np.random.Generator) -> tuple[int, int, int]:
    """Count named filters, p-values up to 0.05 and all p-values, with the top places shuffled among the filters."""
    values = random.permutation(np.concatenate(photos.of_filter))
    names, low, tests, start = 0, 0, 0, 0
    for rows in photos.of_filter:
        own = values[start : start + len(rows)]
        others = random.permutation(np.delete(values, slice(start, start + len(rows)), axis=0))[:REFERENCE]
        start += len(rows)
        names += bool(len(own)) and bool(attribute_names(own, others, tests_of(album.index)))
        for at, attribute in enumerate(ATTRIBUTES if len(own) else ()):
            for sign in (1, -1) if attribute.less else (1,):
                low += greater(sign * own[:, at], sign * others[:, at]) <= 0.05
                tests += 1
    return names, low, tests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--albums", type=int, default=13)
    parser.add_argument("--shuffles", type=int, default=100)
    parser.add_argument("--each", type=int, default=30, help="number of photos per class (default: 30)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    network = load()
    found: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    wrong = 0
    shuffles = {"labels": np.zeros(4, np.int64), "places": np.zeros(4, np.int64)}
    for number in range(options.albums):
        with tempfile.TemporaryDirectory() as folder:
            album = make_album(network, Path(folder) / "album", options.seed + number, each=options.each)
            photos = MeasuredPhotos(album)
            for channel, planted in enumerate(album.filters):
                names = names_of(album.index, album.site, channel, photos)
                tried[planted.kind] += 1
                found[planted.kind] += is_found(planted, names) if planted.kind else bool(names)
                wrong += any(each.kind == "class" for each in names) and planted.kind in ("hue", "orientation")
            random = np.random.default_rng([options.seed, number])
            share = range(
                number * options.shuffles // options.albums, (number + 1) * options.shuffles // options.albums
            )
            for _ in share:
                shuffles["labels"] += [len(album.filters), *shuffled_labels(album, random)]
                shuffles["places"] += [len(album.filters), *shuffled_places(album, photos, random)]
        planted_kinds = ", ".join(f"{kind} {found[kind]}/{tried[kind]}" for kind in ("hue", "orientation", "class"))
        print(
            f"{number + 1} albums: found {planted_kinds}; random mixtures with a name {found['']}/{tried['']}",
            flush=True,
        )
        print(f"  hue and angle filters that are also named after a class: {wrong}", flush=True)
        for kind, (filters, named, low, tests) in shuffles.items():
            rate = float(low) / max(int(tests), 1)
            print(f"  shuffled {kind}: {named}/{filters} filters get a name; {rate:.2%} of {tests} p-values <= 0.05")


if __name__ == "__main__":
    main()
