"""Mutated photos of every supported format give a ``PhotoError`` of one line, or pixels."""

from __future__ import annotations

from tests.unit.photos.mutations import PNG_START, cases, sealed, seeds

from godeeper.errors import PhotoError
from godeeper.photos.decode import decode
from godeeper.photos.formats import FORMATS
from godeeper.photos.opening import open_photo


def test_every_format_is_among_them() -> None:
    """The unmutated photos include each supported format and variant, and all of them can be decoded."""
    assert {open_photo(data, name).format for name, data in seeds()} == {each.name for each in FORMATS}
    for name, data in seeds():
        assert sorted(decode(data, name=name).size) == [16, 24]


def test_mutations() -> None:
    """The only exception raised is a one-line ``PhotoError``, and some photos of each kind are refused."""
    refused, lines = set(), set()
    for name, data in cases(2800):
        try:
            photo = decode(data, name=name)
        except PhotoError as error:
            lines.add(str(error).count("\n"))
            refused.add(name)
        else:
            assert photo.pixels.shape == (*photo.size[::-1], 3)
    assert refused == {name for name, _ in seeds()}
    assert lines == {0}


def test_most_mutated_pngs_have_their_checksums() -> None:
    """Most mutated PNGs have correct checksums, so the decoder reads the changed bytes."""
    for _, good in seeds():
        assert sealed(good) == good or not good.startswith(PNG_START)
    pngs = [data for _, data in cases(1600) if data.startswith(PNG_START)]
    assert sum(sealed(data) == data for data in pngs) > len(pngs) / 2
