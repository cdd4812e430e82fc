"""Filters get the names of planted properties, and shuffled data gives no names; bench/studies/names.py measures the rates."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from bench.studies.names import MeasuredPhotos, is_found, shuffled_labels, shuffled_places
from bench.studies.planted_filters import make_album

from godeeper.filters.names.naming import names_of
from godeeper.network import Network


def test_planted(net: Network, tmp_path: Path) -> None:
    """Most planted hues, angles and stamps are found; with shuffled labels and places, nothing is found."""
    album = make_album(net, tmp_path / "album", seed=7, classes=4, each=20)
    photos = MeasuredPhotos(album)
    found: Counter[str] = Counter()
    for channel, planted in enumerate(album.filters):
        if planted.kind:
            found[planted.kind] += is_found(planted, names_of(album.index, album.site, channel, photos))
    assert found["class"] == 4
    assert found["hue"] >= 6
    assert found["orientation"] >= 5
    random = np.random.default_rng(0)
    assert shuffled_labels(album, random)[0] == 0
    assert shuffled_places(album, photos, random)[0] == 0
