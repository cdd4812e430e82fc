"""The pipeline from photos to features: order, errors, batches, stages that can run in another process."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from godeeper.blueprint.address import resolve_one
from godeeper.engine.plan import key_of, plan
from godeeper.errors import PhotoError
from godeeper.features.pipeline import (
    BATCH_SIZE,
    ComputedBatch,
    Decode,
    Decoded,
    Entry,
    Forward,
    InputBatch,
    PhotoInfo,
    compute_batches,
    distinct,
    entries_of,
    input_batches,
    require_readable,
)
from godeeper.network import Network
from godeeper.photos.decode import decode
from godeeper.photos.doctor.fingerprint import pixel_hash

INPUT = np.zeros((1, 3, 4, 4), np.float32)


def decoded(names: str) -> list[Decoded]:
    """Return a decoded photo for each lower-case letter; capitals stand for unreadable photos."""
    return [
        (PhotoInfo(position, name, sha256=name), None if name.isupper() else INPUT)
        for position, name in enumerate(names)
    ]


def places(batch: InputBatch) -> str:
    return "".join(info.name for info in batch.photos)


@pytest.mark.parametrize(
    ("names", "expected"),
    [("", []), ("abcd", ["ab", "cd"]), ("abc", ["ab", "c"]), ("aXYbZ", ["aXYb", "Z"]), ("XY", ["XY"])],
)
def test_batches_are_full_of_inputs(names: str, expected: list[str]) -> None:
    """A batch has the given number of inputs; unreadable photos keep their position and do not count as inputs."""
    batches = list(input_batches(decoded(names), 2))
    assert [places(batch) for batch in batches] == expected
    for batch in batches:
        assert [batch.photos[row].name for row in batch.rows] == [name for name in places(batch) if name.islower()]
        assert len(batch.inputs) == len(batch.rows)


def test_a_file_is_computed_once() -> None:
    """A second photo with the same bytes is not computed again, and keeps its position."""
    assert [planes is not None for _, planes in distinct(decoded("aba"))] == [True, True, False]


def test_an_unreadable_photo_is_an_entry_with_its_error(net: Network, tmp_path: Path) -> None:
    """For a missing file or unexpected pixels, the entry of the photo contains the error."""
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    decode_entry = Decode(net.preprocess)
    missing, planes = decode_entry(Entry(0, tmp_path / "none.png"))
    assert planes is None
    assert "no such file" in str(missing.error)
    changed, planes = decode_entry(Entry(1, tmp_path / "a.png", "0" * 64))
    assert planes is None
    assert "changed since" in str(changed.error)


def test_the_first_unreadable_photo_is_raised_at_its_place() -> None:
    """The photos before an unreadable photo are returned, and then its error is raised."""
    error = PhotoError("b: broken")
    photos = iter(require_readable([*decoded("a"), (PhotoInfo(1, "b", error=error), None)]))
    assert next(photos)[0].name == "a"
    with pytest.raises(PhotoError, match="b: broken"):
        next(photos)


def test_expected_pixels_pass(net: Network, chelsea: Path) -> None:
    """The hash of the pixels is checked for entries that have one, and computed for all if requested."""
    photo = decode(chelsea)
    info, planes = Decode(net.preprocess)(Entry(0, chelsea, pixel_hash(photo)))
    assert info == Decode(net.preprocess, hash_pixels=True)(Entry(0, chelsea, pixel_hash(photo)))[0]
    assert (info.sha256, info.size, info.error) == (photo.sha256, photo.size, None)
    np.testing.assert_array_equal(planes, net.preprocess(photo))


def test_stages_can_be_pickled(net: Network, chelsea: Path) -> None:
    """A pickled stage gives the same bits, so it can run in another process."""
    steps = plan(net.blueprint, [key_of(resolve_one(net.blueprint, "mixed/join"))], pooled=True)
    stages = Decode(net.preprocess), Forward(net.engine, steps)
    copied = pickle.loads(pickle.dumps(stages))  # noqa: S301 (own data)
    here, there = (list(compute_batches(entries_of([chelsea]), *each)) for each in (stages, copied))
    for key, values in here[0].values.items():
        np.testing.assert_array_equal(values, there[0].values[key])


def test_entries_are_taken_as_they_are_needed() -> None:
    """An endless source works, and an abandoned pipeline stops."""

    def endless() -> Iterator[Entry]:
        position = 0
        while True:
            yield Entry(position, "photo")
            position += 1

    def forward(batch: InputBatch) -> ComputedBatch:
        return ComputedBatch(batch.photos, batch.rows, {})

    batches = compute_batches(endless(), lambda entry: (PhotoInfo(entry.position, entry.name), INPUT), forward)
    first, second = next(batches), next(batches)
    batches.close()
    assert [info.position for info in (*first.photos, *second.photos)] == list(range(2 * BATCH_SIZE))
