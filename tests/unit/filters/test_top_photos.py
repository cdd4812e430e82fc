"""The photos that excite a filter most: which, where, and their picture."""

from __future__ import annotations

import copy
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
    """Crops of two photos, one of them twice, and a file that is no photo."""
    folder = tmp_path_factory.mktemp("album")
    write_crops(folder)
    shutil.copy(folder / "cat" / "0.png", folder / "copy.png")
    (folder / "bad.jpg").write_text("hello")
    return folder


@pytest.fixture(scope="module")
def search(net: Network, album: Path) -> Search:
    """The top five photos of two filters."""
    return top_photos(net, [Path(each) for each in photos_in([album])], resolve_one(net.blueprint, ADDRESS), top=5)


def test_the_greatest_values_come_first(net: Network, album: Path, search: Search) -> None:
    """As looking at each photo by itself finds them, the same file counted once."""
    paths = [path for path in map(Path, photos_in([album])) if path.name not in ("bad.jpg", "copy.png")]
    values = np.array([net.peek(path, ADDRESS).maximum for path in paths])  # (photos, 2)
    for found, column in zip(search.filters, values.T, strict=True):
        expected = np.argsort(-column, kind="stable")[:5]
        got = [sighting.cell.value for sighting in found.activations]
        np.testing.assert_allclose(got, column[expected], rtol=1e-4)
        assert found.photos == len(paths)
    assert [found.tensor.address for found in search.filters] == ["mixed/tower_2/conv[3]", "mixed/tower_2/conv[7]"]


def test_where_it_answered(net: Network, search: Search) -> None:
    """The cell holds the value that is stated, and its place lies within what it sees."""
    for found in search.filters:
        sighting = found.activations[0]
        plane = net.peek(sighting.path, found.tensor.address).activations[0, 0]
        assert plane[sighting.cell.row, sighting.cell.column] == pytest.approx(sighting.cell.value, rel=1e-4)
        assert sighting.cell_area.within(sighting.seen) == sighting.cell_area
        assert sighting.crop().size == pytest.approx(
            (sighting.box.right - sighting.box.left, sighting.box.bottom - sighting.box.top), abs=2
        )


def test_what_cannot_be_read_is_told(search: Search) -> None:
    """It does not stop the others."""
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
    """The result is the same however the photos are divided, also where a file is in two parts."""
    tensor = resolve_one(net.blueprint, ADDRESS)
    entries = list(entries_of(map(Path, photos_in([album]))))
    stages = (
        Decode(net.preprocess),
        Forward(net.engine, plan(net.blueprint, [key_of(tensor)])),
        ReduceToTop(tensor, 3, net.preprocess),
    )
    decode_entry, forward, reduce = pickle.loads(pickle.dumps(stages))  # noqa: S301 (own data, as a worker receives it)
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


def test_the_earlier_of_equal_photos_comes_first(net: Network, tmp_path: Path) -> None:
    """Photos with the same value stay in the order of the source."""
    paths = [tmp_path / name for name in ("b.png", "a.bmp")]
    pixels = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    for path in paths:
        Image.fromarray(pixels).save(path)
    (found,) = top_photos(net, paths, resolve_one(net.blueprint, "conv[0]")).filters
    assert [activation.path for activation in found.activations] == paths


def test_a_silent_filter_has_no_photos(net: Network, chelsea: Path) -> None:
    """One that is zero all over every photo; it is drawn all the same."""
    tensor = resolve_one(net.blueprint, "mixed_4/tower_1/conv_4[131]")
    (found,) = top_photos(net, [chelsea], tensor).filters
    assert found.activations == ()
    assert draw(found).width > CUT


@pytest.mark.parametrize(("address", "top"), [("mixed/join", 5), ("conv[0]", 0)])
def test_what_cannot_be_asked_for(net: Network, chelsea: Path, address: str, top: int) -> None:
    """Hundreds of filters at once, and no photo."""
    with pytest.raises(OptionError, match="expected at least 1 photo of at most 64 filters"):
        top_photos(net, [chelsea], resolve_one(net.blueprint, address), top)


def test_picture(search: Search) -> None:
    """It says which filter of which weights, and frames the cell's place."""
    with Image.open(io.BytesIO(png(search.filters[0]))) as image:
        notes = dict(image.info)
    assert notes["godeeper:address"] == "mixed/tower_2/conv[3]"
    assert notes["godeeper:weights-sha256"] == search.filters[0].origin.weights_sha256
    pixels = np.asarray(framed(search.filters[0].activations[0]))
    assert (pixels == FRAME).all(axis=-1).sum() > 20


def test_a_photo_that_is_gone(search: Search, tmp_path: Path) -> None:
    """Its place in the picture stays empty."""
    sighting = replace(search.filters[0].activations[0], path=tmp_path / "gone.png")
    assert len(framed(sighting).getcolors() or []) == 1


def test_frames_lie_where_the_cell_does() -> None:
    """In the scale of the cut."""
    assert within(Box(20, 10, 30, 20), Box(10, 0, 50, 40), (80, 80)) == (20, 20, 40, 40)
    assert within(Box(45, 35, 50, 40), Box(10, 0, 50, 40), (80, 80)) == (70, 70, 79, 79)
