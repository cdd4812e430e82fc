"""Top activations: the photos that activate a filter most, the cell in each photo, and the picture."""

from __future__ import annotations

import copy
import hashlib
import io
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from examples.collage import write_crops
from PIL import Image

from godeeper.blueprint.address import resolve_one
from godeeper.engine.plan import key_of, plan
from godeeper.errors import OptionError
from godeeper.features.pipeline import Decode, Forward, compute_batches, entries_of, merged
from godeeper.filters.top_photos import ReduceToTop, Search, TopResult, top_photos
from godeeper.filters.top_picture import CUT, FRAME, draw, framed, png, within
from godeeper.network import Network
from godeeper.peek.geometry import Box
from godeeper.photos.sources.find_photos import photos_in

ADDRESS = "mixed/tower_2/conv[3,7]"


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of two photos, with one duplicate, and a file that is not a photo."""
    folder = tmp_path_factory.mktemp("album")
    write_crops(folder)
    shutil.copy(folder / "cat" / "0.png", folder / "copy.png")
    (folder / "bad.jpg").write_text("hello")
    return folder


@pytest.fixture(scope="module")
def search(net: Network, album: Path) -> Search:
    """The five strongest photos of two filters."""
    return top_photos(net, [Path(each) for each in photos_in([album])], resolve_one(net.blueprint, ADDRESS), top=5)


def test_the_greatest_values_come_first(net: Network, album: Path, search: Search) -> None:
    """The ranking equals that of separate peeks at all photos, and identical files count once."""
    paths = [path for path in map(Path, photos_in([album])) if path.name not in ("bad.jpg", "copy.png")]
    values = np.array([net.peek(path, ADDRESS).maximum for path in paths])  # (photos, 2)
    for found, column in zip(search.filters, values.T, strict=True):
        expected = np.argsort(-column, kind="stable")[:5]
        got = [activation.cell.value for activation in found.activations]
        np.testing.assert_allclose(got, column[expected], rtol=1e-4)
        assert found.photos == len(paths)
    assert [found.tensor.address for found in search.filters] == ["mixed/tower_2/conv[3]", "mixed/tower_2/conv[7]"]


def test_the_cell_has_the_maximum(net: Network, search: Search) -> None:
    """The stated cell has the stated value, and its square on the photo is within its receptive field."""
    for found in search.filters:
        activation = found.activations[0]
        plane = net.peek(activation.path, found.tensor.address).activations[0, 0]
        assert plane[activation.cell.row, activation.cell.column] == pytest.approx(activation.cell.value, rel=1e-4)
        assert activation.cell_area.within(activation.seen) == activation.cell_area
        assert activation.crop().size == pytest.approx(
            (activation.box.right - activation.box.left, activation.box.bottom - activation.box.top), abs=2
        )


def test_unreadable_photos_are_listed(search: Search) -> None:
    """Unreadable photos do not stop the search."""
    ((path, reason),) = search.errors
    assert path.name == "bad.jpg"
    assert "not a photo" in reason


def test_progress(net: Network, tmp_path: Path) -> None:
    """Progress is reported after each batch."""
    paths = [tmp_path / f"{number}.png" for number in range(9)]
    for number, path in enumerate(paths):
        Image.new("RGB", (20, 20), (20 * number, 0, 0)).save(path)
    reports: list[tuple[int, int]] = []
    top_photos(net, paths, resolve_one(net.blueprint, "conv[0]"), progress=lambda *done: reports.append(done))
    assert reports == [(8, 9), (9, 9)]


def test_partial_results_merge_in_any_order(net: Network, album: Path) -> None:
    """The result is the same however the photos are divided into parts, even if two parts contain the same file."""
    tensor = resolve_one(net.blueprint, ADDRESS)
    entries = list(entries_of(map(Path, photos_in([album]))))
    stages = (
        Decode(net.preprocess),
        Forward(net.engine, plan(net.blueprint, [key_of(tensor)])),
        ReduceToTop(tensor, 3, net.preprocess),
    )
    decode_entry, forward, reduce = pickle.loads(pickle.dumps(stages))  # noqa: S301 (the test's own data, as a worker receives it)
    parts = [reduce(batch) for batch in compute_batches(entries, decode_entry, forward, batch_size=1)]
    whole = merged(compute_batches(entries, decode_entry, forward, batch_size=1), reduce, TopResult(3))
    a, b, c = copy.deepcopy((parts[::3], parts[1::3], parts[2::3]))
    start = TopResult(3)
    for part in [*reversed(c), *a, *reversed(b)]:
        start = start.merge(part)
    assert start.best == whole.best
    assert start.seen == whole.seen
    assert sorted(start.errors) == sorted(whole.errors)
    first, second = TopResult(3), TopResult(3)
    for part in copy.deepcopy(parts[:4]):
        first = first.merge(part)
    for part in copy.deepcopy(parts[2:]):
        second = second.merge(part)
    assert second.merge(first).best == whole.best


def test_the_smaller_hash_of_equal_photos_comes_first(net: Network, tmp_path: Path) -> None:
    """Photos with equal values are sorted by file hash, for any order of the source."""
    paths = [tmp_path / name for name in ("b.png", "a.bmp")]
    pixels = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    for path in paths:
        Image.fromarray(pixels).save(path)
    expected = sorted(paths, key=lambda path: hashlib.sha256(path.read_bytes()).digest())
    for given in (paths, paths[::-1]):
        (found,) = top_photos(net, given, resolve_one(net.blueprint, "conv[0]")).filters
        assert [activation.path for activation in found.activations] == expected


def test_a_photo_alone_has_the_values_it_has_among_others(net: Network, album: Path, chelsea: Path) -> None:
    """A photo's activations have the same bits whether it is computed alone or with others."""
    paths = [chelsea, *(Path(each) for each in photos_in([album]))]
    tensor = resolve_one(net.blueprint, "mixed_4/tower_1/conv_4[3,17]")
    net.close()
    alone = top_photos(net, paths[:1], tensor)
    among = top_photos(net, paths, tensor, top=len(paths))
    for one, many in zip(alone.filters, among.filters, strict=True):
        assert one.activations[0] in many.activations


def test_a_silent_filter_has_no_photos(net: Network, chelsea: Path) -> None:
    """A filter that is zero everywhere has no activations, and can still be drawn."""
    tensor = resolve_one(net.blueprint, "mixed_4/tower_1/conv_4[131]")
    (found,) = top_photos(net, [chelsea], tensor).filters
    assert found.activations == ()
    assert draw(found).width > CUT


@pytest.mark.parametrize(("address", "top"), [("mixed/join", 5), ("conv[0]", 0)])
def test_refused_searches(net: Network, chelsea: Path, address: str, top: int) -> None:
    """Too many filters, or a ``top`` of 0, raise an error."""
    with pytest.raises(OptionError, match="expected at least 1 photo of at most 64 filters"):
        top_photos(net, [chelsea], resolve_one(net.blueprint, address), top)


def test_picture(search: Search) -> None:
    """The PNG contains its provenance, and each crop has a frame around the cell."""
    with Image.open(io.BytesIO(png(search.filters[0]))) as image:
        notes = dict(image.info)
    assert notes["godeeper:address"] == "mixed/tower_2/conv[3]"
    assert notes["godeeper:weights-sha256"] == search.filters[0].origin.weights_sha256
    pixels = np.asarray(framed(search.filters[0].activations[0]))
    assert (pixels == FRAME).all(axis=-1).sum() > 20


def test_a_deleted_photo(search: Search, tmp_path: Path) -> None:
    """The tile of a deleted photo stays empty."""
    activation = replace(search.filters[0].activations[0], path=tmp_path / "gone.png")
    assert len(framed(activation).getcolors() or []) == 1


def test_frames_lie_where_the_cell_does() -> None:
    """The frame around the cell is scaled together with the crop."""
    assert within(Box(20, 10, 30, 20), Box(10, 0, 50, 40), (80, 80)) == (20, 20, 40, 40)
    assert within(Box(45, 35, 50, 40), Box(10, 0, 50, 40), (80, 80)) == (70, 70, 79, 79)
