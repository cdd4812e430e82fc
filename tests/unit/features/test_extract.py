"""Features of photos: correct, and computed only once, for any order, batch size and state of the store."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import godeeper
from godeeper.errors import AddressError, ChannelError, PhotoError, UnknownAddress
from godeeper.features.extract import extract, store_features
from godeeper.features.store import ResultStore
from godeeper.network import Network

Photos = list[tuple[Path, str]]
CHEAP = ["conv", "conv_1"]

RUN = """
import sys
from pathlib import Path
from tests.unit.features.test_extract import extract_folder
extract_folder(Path(sys.argv[1]), Path(sys.argv[2]), lambda *numbers: print(*numbers, flush=True))
"""


def make_photos(folder: Path, count: int) -> Photos:
    """Write ``count`` different small photos of noise, and return their paths and hashes."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (20 + number % 7, 24, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number:04}.png")
    return photos_in(folder)


def photos_in(folder: Path) -> Photos:
    return [(path, pixel_hash(path)) for path in sorted(folder.iterdir())]


def pixel_hash(path: Path) -> str:
    """Return the SHA-256 of size and decoded pixels."""
    with Image.open(path) as image:
        return hashlib.sha256(f"{image.width}x{image.height} RGB\n".encode() + image.tobytes()).hexdigest()


def extract_folder(
    folder: Path, store: Path, progress: Callable[[int, int], None] | None = None
) -> dict[str, np.ndarray]:
    """Return the features of a folder's photos.  Tests call this function in other processes."""
    with ResultStore(store) as opened:
        return extract(godeeper.load(), photos_in(folder), CHEAP, opened, progress)


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    return make_photos(tmp_path / "photos", 21)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "features.sqlite"


@pytest.fixture
def runs(net: Network, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch sizes of the engine's runs, recorded during a test."""
    counted: list[int] = []
    run = net.engine.run

    def counting(plan: Any, feeds: Any) -> Any:
        counted.extend(len(batch) for batch in feeds.values())
        return run(plan, feeds)

    monkeypatch.setattr(net.engine, "run", counting)
    return counted


def assert_same(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(got) == list(expected)
    for address, values in expected.items():
        np.testing.assert_array_equal(got[address], values)


def test_features_are_the_means_of_peeks(net: Network, chelsea: Path, path: Path) -> None:
    """The features of all eleven modules, pooled in the graph, are the means of the activations in a peek."""
    addresses = [tensor.address for tensor in net.tensors("mixed*/join")]
    with ResultStore(path) as store:
        features = extract(net, [(chelsea, pixel_hash(chelsea))], addresses, store)
    assert len(features) == 11
    for peek in net.peeks(chelsea, addresses):
        assert features[peek.address].dtype == np.float32
        expected = peek.activations.mean((2, 3))
        np.testing.assert_allclose(features[peek.address], expected, rtol=1e-3, atol=1e-6)


def test_flat_tensors_are_their_own_means(net: Network, chelsea: Path, path: Path) -> None:
    """The features of tensors without a grid, or with a grid of one cell, are the tensors themselves."""
    with ResultStore(path) as store:
        features = extract(net, [(chelsea, pixel_hash(chelsea))], ["pool_3", "pool_3/_reshape"], store)
    np.testing.assert_array_equal(features["pool_3"], features["pool_3/_reshape"])
    assert features["pool_3"].shape == (1, 2048)


def test_batches_of_eight_in_order(net: Network, photos: Photos, path: Path, runs: list[int]) -> None:
    """Each row has the features of its photo, in any batch."""
    with ResultStore(path) as store:
        together = extract(net, photos, CHEAP, store)
    assert runs == [8, 8, 5]
    for place in (0, 7, 8, 20):
        with ResultStore(path.with_name(f"alone-{place}")) as store:
            alone = extract(net, [photos[place]], CHEAP, store)
        for address in CHEAP:
            np.testing.assert_allclose(together[address][place], alone[address][0], rtol=1e-3, atol=1e-6)


def test_a_photo_is_computed_once(net: Network, photos: Photos, path: Path, runs: list[int]) -> None:
    """After moving files, reordering, adding photos or using another name of the tensor, only new features are computed."""
    with ResultStore(path) as store:
        first = extract(net, photos[:8], CHEAP, store)
        moved = [(file.with_name("gone.png"), pixels) for file, pixels in reversed(photos[:8])]
        again = extract(net, [*moved, photos[8]], ["conv", "Conv2d_2a_3x3"], store)
    assert runs == [8, 1]
    np.testing.assert_array_equal(again["conv"][:8], first["conv"][::-1])
    np.testing.assert_array_equal(again["Conv2d_2a_3x3"][:8], first["conv_1"][::-1])


def test_a_tensor_is_computed_once(net: Network, photos: Photos, path: Path, runs: list[int]) -> None:
    """If a second tensor is requested, it is computed for all photos, and the stored tensor is not computed again."""
    with ResultStore(path) as store:
        extract(net, photos[:4], ["conv"], store)
        both = extract(net, photos[:6], CHEAP, store)
        assert runs == [4, 4, 2]
        assert store.stats().features == 12
    with ResultStore(path.with_name("other")) as store:
        assert_same(extract(net, photos[:6], CHEAP, store), both)


def test_the_same_pixels_twice(net: Network, photos: Photos, path: Path, runs: list[int]) -> None:
    """A photo that occurs twice is computed once and has two rows."""
    with ResultStore(path) as store:
        features = extract(net, [photos[0], photos[1], photos[0]], CHEAP, store)
    assert runs == [2]
    np.testing.assert_array_equal(features["conv"][0], features["conv"][2])


def test_progress(net: Network, photos: Photos, path: Path) -> None:
    """Progress counts photos with stored features at once, and its last report counts all photos."""
    reports: list[tuple[int, int]] = []
    with ResultStore(path) as store:
        extract(net, photos[:5], CHEAP, store)
        extract(net, photos, CHEAP, store, lambda *numbers: reports.append(numbers))
    assert reports == [(5, 21), (13, 21), (21, 21)]


def test_two_names_of_one_tensor(net: Network, photos: Photos, path: Path) -> None:
    """If a tensor is requested under two names, the result contains both names."""
    with ResultStore(path) as store:
        features = extract(net, photos[:2], ["conv_1", "Conv2d_2a_3x3"], store)
    np.testing.assert_array_equal(features["conv_1"], features["Conv2d_2a_3x3"])


def test_stored_features_are_the_extracted_ones(net: Network, photos: Photos, path: Path, runs: list[int]) -> None:
    """After ``store_features``, ``extract`` reads all features from the store."""
    with ResultStore(path) as store:
        store_features(net, photos[:9], CHEAP, store)
        features = extract(net, photos[:9], CHEAP, store)
    assert runs == [8, 1]
    with ResultStore(path.with_name("other")) as store:
        assert_same(extract(net, photos[:9], CHEAP, store), features)


def test_no_photos(net: Network, path: Path) -> None:
    """Without photos, the result is an empty array of the right width."""
    with ResultStore(path) as store:
        assert extract(net, [], ["conv"], store)["conv"].shape == (0, 32)


def test_a_photo_that_cannot_be_decoded(net: Network, photos: Photos, path: Path, runs: list[int]) -> None:
    """A photo that cannot be decoded raises an error with its name, and the batches before that photo are stored."""
    photos[10][0].write_bytes(photos[10][0].read_bytes()[:60])
    with ResultStore(path) as store:
        with pytest.raises(PhotoError, match=r"0010\.png"):
            extract(net, photos, CHEAP, store)
        assert store.stats().features == 16
        extract(net, photos[:8], CHEAP, store)
    assert runs == [8]


def test_a_photo_that_changed(net: Network, photos: Photos, path: Path) -> None:
    """If a photo changed after it was hashed, an error is raised and no features are stored."""
    photos[1][0].write_bytes(photos[0][0].read_bytes())
    with ResultStore(path) as store:
        with pytest.raises(PhotoError, match="changed"):
            extract(net, photos[:2], CHEAP, store)
        assert store.stats().features == 0


@pytest.mark.parametrize(
    ("address", "error"), [("conv[3]", ChannelError), ("Mul", AddressError), ("conv_9", UnknownAddress)]
)
def test_addresses_that_have_no_features(net: Network, path: Path, address: str, error: type[Exception]) -> None:
    """Only whole tensors of the network have features, and everything else is refused."""
    with ResultStore(path) as store, pytest.raises(error):
        extract(net, [], [address], store)


def test_killed_while_it_computes(photos: Photos, path: Path, tmp_path: Path) -> None:
    """After kill -9 the next run resumes, and returns the same bytes."""
    folder = photos[0][0].parent
    expected = extract_folder(folder, tmp_path / "whole.sqlite")
    moments = random.Random(4)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", RUN, folder, path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline()  # the process has read the stored features and is about to start the network
        time.sleep(moments.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
    assert_same(extract_folder(folder, path), expected)


def test_two_processes_compute_the_same(photos: Photos, path: Path) -> None:
    """Processes that share a store return the same bits."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.starmap(extract_folder, [(photos[0][0].parent, path)] * 2)
    assert_same(first, second)


def test_memory_does_not_grow_with_the_photos(net: Network, tmp_path: Path) -> None:
    """With 180 more photos, far fewer than 180 more inputs are in memory; the number depends on the timing of threads."""
    photos = make_photos(tmp_path / "photos", 240)
    peaks = []
    for count in (60, 240):
        with ResultStore(tmp_path / f"{count}.sqlite") as store:
            tracemalloc.start()
            store_features(net, photos[:count], ["conv"], store)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    one_input = 299 * 299 * 3 * 4
    assert peaks[1] - peaks[0] < 40 * one_input
