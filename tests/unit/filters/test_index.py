"""The filter index equals brute force, has the same bytes after any additions and removals, and detects damage."""

from __future__ import annotations

import pickle
import random
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from examples.collage import write_crops
from tests.unit.filters.mangled import header_of, mangled, outcome, sealed

from godeeper.blueprint.address import Tensor, resolve_one
from godeeper.engine.plan import NETWORK_INPUT, output, plan
from godeeper.errors import AddressError, IndexFileError, OptionError, PhotoError
from godeeper.features.executors.executor import Here
from godeeper.features.store import ResultStore
from godeeper.filters.build_index import Indexed, build_index
from godeeper.filters.index import MAGIC, NO_CELL, PERCENTILES, FilterIndex, indexed_sites, read_index
from godeeper.filters.index_folder import named_sources
from godeeper.filters.lookup import look_up
from godeeper.filters.maxima import maxima
from godeeper.filters.ranking import Ranking
from godeeper.filters.top_photos import top_photos
from godeeper.iteration import batched
from godeeper.photos.decode import decode
from godeeper.photos.sources.find_photos import photos_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from godeeper.network import Network

TOP = 4
Results = Generator[Any, None, None]


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of four crops; one crop occurs twice."""
    folder = tmp_path_factory.mktemp("album")
    write_crops(folder)
    for label in ("cat", "flower"):
        for number in range(4, 12):
            (folder / label / f"{number}.png").unlink()
    shutil.copy(folder / "cat" / "0.png", folder / "flower" / "copy.png")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResultStore]:
    """A separate store for this module."""
    with ResultStore(tmp_path_factory.mktemp("store") / "results.sqlite") as opened:
        yield opened


def build(net: Network, folder: Path, store: ResultStore, top: int = TOP) -> Indexed:
    """Return the index of a folder."""
    return build_index(net, named_sources(photos_in([folder]), folder), store, top)


@pytest.fixture(scope="module")
def built(net: Network, album: Path, store: ResultStore) -> Indexed:
    """The album's index."""
    return build(net, album, store)


@pytest.fixture(scope="module")
def index(built: Indexed, tmp_path_factory: pytest.TempPathFactory) -> FilterIndex:
    """The album's index, opened for lookups."""
    path = tmp_path_factory.mktemp("index") / "album.index"
    path.write_bytes(built.content)
    return read_index(path)


def test_all_filters_equal_brute_force(net: Network, album: Path, index: FilterIndex) -> None:
    """For every filter of every convolution, values, places, percentiles, shares and means are those of brute force."""
    names = [f"{label}/{number}.png" for label in ("cat", "flower") for number in range(4)]
    photos = {decode(album / name).sha256: name for name in names}
    order = sorted(photos)
    planes = np.concatenate([net.preprocess(decode(album / photos[sha256])) for sha256 in order])
    steps = replace(plan(net.blueprint, [output(site) for site in indexed_sites(net.blueprint)]), many_photos=True)
    halves = [net.engine.run(steps, {NETWORK_INPUT: planes[start : start + 4]}) for start in (0, 4)]
    filters = 0
    for site in indexed_sites(net.blueprint):
        maps = np.concatenate([half[output(site)] for half in halves]).reshape(8, site.shape[0], -1)
        greatest, cells = maps.max(axis=2), maps.argmax(axis=2)
        varied = maps.min(axis=2) < greatest
        found = index.filters(Tensor(site, output(site).stage))
        filters += len(found)
        for number, each in enumerate(found):
            column = greatest[:, number]
            ranked = [place for place in np.argsort(-column, kind="stable") if varied[place, number]][:TOP]
            assert [(photo.sha256, photo.value) for photo in each.top] == [(order[at], column[at]) for at in ranked]
            columns = site.shape[2]
            assert [photo.row * columns + photo.column for photo in each.top] == list(cells[ranked, number])  # type: ignore[operator]
            sorted_values = np.sort(column)
            assert [each.examples[percent].value for percent in PERCENTILES] == [
                sorted_values[-(-percent * 8 // 100) - 1] for percent in PERCENTILES
            ]
            assert each.active == np.mean(column > 0)
            assert each.mean == pytest.approx(column.mean(), rel=1e-5, abs=1e-6)
    assert filters == 18_272


@pytest.mark.parametrize("address", ["mixed/tower_2/conv[3,7]", "mixed_3/join[5,480,700]", "mixed_10/join[1700]"])
def test_a_lookup_is_a_search_of_the_folder(net: Network, album: Path, index: FilterIndex, address: str) -> None:
    """A lookup gives the photos, values, places and boxes of a search, even for filters that a join copies."""
    tensor = resolve_one(net.blueprint, address)
    search = top_photos(net, [Path(each) for each in photos_in([album])], tensor, TOP)
    found = look_up(index, resolve_one(index.blueprint, address), TOP, album)
    assert [each.record() for each in found] == [each.record() for each in search.filters]
    assert {each.photos for each in found} == {8}


def test_classes(net: Network, index: FilterIndex, built: Indexed) -> None:
    """The means of two classes of equal size average to the mean of all photos."""
    assert built.classes == index.classes == {"cat": 4, "flower": 4}
    for each in index.filters(resolve_one(net.blueprint, "mixed_7/join"))[:64]:
        (cat, _), (flower, _) = each.classes["cat"], each.classes["flower"]
        assert (cat + flower) / 2 == pytest.approx(each.mean, rel=1e-5, abs=1e-6)


def test_photos_come_and_go(net: Network, album: Path, built: Indexed, store: ResultStore, tmp_path: Path) -> None:
    """After random additions and removals, the index equals one made from scratch, and only new photos were computed."""
    draw = random.Random(13)
    every = [path for path in sorted(album.rglob("*.png")) if path.name != "copy.png"]
    folder = tmp_path / "moving"
    with ResultStore(tmp_path / "other.sqlite") as other:
        seen: set[str] = set()
        for _ in range(5):
            shutil.rmtree(folder, ignore_errors=True)
            for path in draw.sample(every, draw.randint(2, 8)):
                target = folder / path.relative_to(album)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
            here = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
            grown = build(net, folder, other)
            assert (grown.computed, grown.photos) == (len(here - seen), len(here))
            seen |= here
            with ResultStore(tmp_path / "scratch.sqlite") as scratch:
                scratch.trim(0)
                made = build(net, folder, scratch)
            assert made.content == grown.content
    assert build(net, album, store).content == built.content


def test_one_photo_more_is_computed_like_all(net: Network, album: Path, built: Indexed, tmp_path: Path) -> None:
    """A photo has the same values whether it is computed alone or with others."""
    shutil.copytree(album, tmp_path / "album")
    last = tmp_path / "album" / "cat" / "3.png"
    kept = last.read_bytes()
    last.unlink()
    with ResultStore(tmp_path / "store.sqlite") as store:
        build(net, tmp_path / "album", store)
        net.close()
        last.write_bytes(kept)
        again = build(net, tmp_path / "album", store)
    assert again.computed == 1
    assert again.content == built.content


class Elsewhere(Here):
    """Pickles the stages and gives them three photos at a time, as an executor with other processes would."""

    is_remote = True

    def run(self, stages: Any, entries: Iterable[Any], progress: Any = None, kept: Any = None) -> Results:  # noqa: ARG002
        for chunk in batched(entries, 3):
            yield from pickle.loads(pickle.dumps(stages))(chunk)  # noqa: S301 (our own)


def test_computed_elsewhere(net: Network, album: Path, built: Indexed, tmp_path: Path) -> None:
    """The index has the same bytes wherever its photos are computed, and however they are grouped."""
    sources = named_sources(photos_in([album]), album)
    with ResultStore(tmp_path / "store.sqlite") as store:
        assert build_index(net, sources, store, TOP, executor=Elsewhere()).content == built.content


def test_the_ranking_does_not_depend_on_the_order() -> None:
    """The ranking is the same for any order and grouping of photos, even with equal values, constant maps and dead filters."""
    draw = np.random.default_rng(7)
    photos, filters = 40, 50
    values = draw.integers(0, 4, (photos, filters)).astype(np.float32) / np.float32(4)
    cells = draw.integers(0, 9, (photos, filters)).astype(np.uint16)
    cells[draw.random((photos, filters)) < 0.1] = NO_CELL
    classes = [int(each) if each < 3 else None for each in draw.integers(0, 4, photos)]
    results = []
    for _ in range(6):
        ranking, order = Ranking(filters, 5, 3), draw.permutation(photos)
        for group in np.split(order, sorted(draw.choice(photos, 6, replace=False))):
            ranking.add(group.tolist(), values[group], cells[group], [classes[at] for at in group])
        results.append({name: array.tobytes() for name, array in ranking.arrays().items()})
        arrays = ranking.arrays()
        ranking.close()
    assert all(result == results[0] for result in results)
    for number in range(filters):
        column = [
            (-values[at, number], at) for at in range(photos) if values[at, number] > 0 and cells[at, number] != NO_CELL
        ]
        expected = [at for _, at in sorted(column)[:5]]
        assert arrays["top_photos"][number].tolist()[: len(expected)] == expected


def test_maxima_of_constant_maps() -> None:
    """If a map has several maxima, the first one's cell is stored; for a constant map no cell is stored."""
    maps = np.array([[[[0, 2], [2, 1]], [[3, 3], [3, 3]], [[5, 1], [1, 5]]]], np.float32)
    values, cells = maxima(maps)
    assert values.tolist() == [[2, 3, 5]]
    assert cells.tolist() == [[1, NO_CELL, 0]]


@pytest.mark.parametrize("address", ["mixed/tower_2/conv:raw", "conv", "mixed/tower_2/pool", "pool_3"])
def test_what_an_index_does_not_hold(index: FilterIndex, address: str) -> None:
    """Looking up raw convolutions, pools within a branch or the last layers of the network raises an error."""
    if address == "conv":
        tensor = resolve_one(index.blueprint, "conv/Conv2D")
    elif address.endswith(":raw"):
        tensor = resolve_one(index.blueprint, "mixed/tower_2/conv/Conv2D")
    else:
        tensor = resolve_one(index.blueprint, address)
    with pytest.raises(AddressError, match="is not in an index"):
        index.filters(tensor)


@pytest.mark.parametrize("top", [0, TOP + 1])
def test_more_than_the_index_keeps(index: FilterIndex, top: int) -> None:
    """If a lookup asks for more photos than the index keeps per filter, the error states that number."""
    with pytest.raises(OptionError, match=f"keeps {TOP} photos"):
        look_up(index, resolve_one(index.blueprint, "conv[1]"), top, None)


def test_damage_is_found(built: Indexed, tmp_path: Path) -> None:
    """A changed byte anywhere, truncation, an empty file, another version and another kind of file are detected."""
    path = tmp_path / "a.index"
    draw = random.Random(3)
    sound = built.content
    damaged = [sound[:length] for length in (0, 5, len(MAGIC), 40, 60, 500, len(sound) - 1)]
    for _ in range(25):
        place = draw.randrange(len(sound)) if draw.random() < 0.7 else draw.randrange(2000)
        damaged.append(sound[:place] + bytes([sound[place] ^ 1 << draw.randrange(8)]) + sound[place + 1 :])
    damaged += [sound + b"\0", MAGIC.replace(b"1", b"2") + sound[len(MAGIC) :], b"hello"]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(IndexFileError) as raised:
            read_index(path)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_valid_hash_is_not_enough(built: Indexed, tmp_path: Path) -> None:
    """An index with a header that does not fit is refused, even if its hash is valid."""
    header = header_of(built.content)
    path = tmp_path / "b.index"
    changes: list[dict[str, object]] = [
        {"arrays": {}},
        {"photos": "many"},
        {"photos": True},
        {"weights": float("nan")},
        {"top": 10**9},
        {"network": {"architecture": "resnet"}},
        {"network": header["network"] | {"dialect": "odd"}},
        {"classes": {"a": 1}},
        {"classes": [1, 2]},
        {"classes": dict.fromkeys(header["classes"], "many")},
        {"preprocessing": header["preprocessing"] | {"size": 10**400}},
        {"arrays": header["arrays"] | {"mean": {**header["arrays"]["mean"], "offset": -64}}},
        {"arrays": header["arrays"] | {"mean": {**header["arrays"]["mean"], "bytes": 1 << 40}}},
        {"arrays": header["arrays"] | {"top_photos": {**header["arrays"]["top_photos"], "type": "object"}}},
    ]
    for change in changes:
        path.write_bytes(sealed(built.content, header | change))
        with pytest.raises(IndexFileError, match="damaged"):
            read_index(path)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("top_photos", np.full(9, 1000, "<u4")),
        ("top_values", np.full(9, np.nan, "<f4")),
        ("top_cells", np.full(9, NO_CELL - 1, "<u2")),
        ("examples_values", np.full(9, np.inf, "<f4")),
        ("sizes", np.zeros(18, "<u4")),
        ("mean", np.full(9, np.nan, "<f4")),
        ("class_mean", np.full(9, np.nan, "<f4")),
    ],
)
def test_numbers_that_mean_nothing(built: Indexed, tmp_path: Path, name: str, values: NDArray[Any]) -> None:
    """Impossible photo numbers, cells, sizes and values raise an error in a lookup, even if the index has a valid hash."""
    path = tmp_path / "c.index"
    path.write_bytes(sealed(built.content, header_of(built.content), {name: values}))
    with pytest.raises(IndexFileError, match="damaged"):
        read_index(path).filters("conv")


def test_mangled_indexes(built: Indexed, tmp_path: Path) -> None:
    """An index with random faults is refused with a one-line error, or its filters can be read."""
    wrong = []
    for seed in range(200):
        path = tmp_path / f"{seed}.index"
        path.write_bytes(mangled(built.content, seed))
        if said := outcome(path):
            wrong.append(f"{seed}: {said[:200]}")
        path.unlink()
    assert wrong == []


def test_photos_that_cannot_be_read(net: Network, album: Path, store: ResultStore, tmp_path: Path) -> None:
    """Unreadable photos are listed with the reason, and an index without any photo is refused."""
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "bad.jpg").write_text("hello")
    with pytest.raises(PhotoError, match="not a photo"):
        build(net, tmp_path / "bad", store)
    shutil.copy(album / "cat" / "0.png", tmp_path / "bad" / "good.png")
    made = build(net, tmp_path / "bad", store)
    assert list(made.errors) == ["bad.jpg"]
    assert made.photos == 1


def test_repairs_are_remembered(net: Network, chelsea: Path, store: ResultStore, tmp_path: Path) -> None:
    """A photo keeps its notes on repairs when a later index reuses its stored values."""
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "cut.jpg").write_bytes(chelsea.read_bytes()[:-2])
    first, second = (build(net, tmp_path / "odd", store) for _ in range(2))
    assert first.notes == second.notes
    assert "end marker" in " ".join(first.notes["cut.jpg"])


def test_a_lookup_needs_no_numpy(index: FilterIndex) -> None:
    """A lookup in a new process imports neither NumPy nor Pillow, because importing them takes longer than the lookup."""
    script = (
        "import sys; from godeeper.cli.main import main; "
        f"code = main(['top', {str(index.path)!r}, 'mixed_4/tower_1/conv_4[17]', '--top', '2', '--json']); "
        "print(code, sorted({'numpy', 'PIL', 'onnxruntime'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "0 []\n"
