"""Resuming from a stored prefix gives the same values, starts as late as possible, and never uses another photo's values."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import godeeper
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.blueprint.sites import sites
from godeeper.blueprint.topology import prefix_ends, single_tensor_sites
from godeeper.cli.main import main
from godeeper.disk_cache import DiskCache
from godeeper.engine.identity import Identity
from godeeper.engine.plan import Key, Plan, name
from godeeper.engine.prefix_cache import PrefixCache
from godeeper.network import Network
from godeeper.photos.decode import decode

SEEN = "mixed_4/tower_1/conv_4"
OTHER = "mixed_5/conv"


class Watched:
    """An engine that records where its runs started and what they fetched."""

    def __init__(self, net: Network, built: tuple[str, ...] = ()) -> None:
        self.inner = net.engine
        self.weights = net.weights
        self.calibration = net.engine.calibration
        self.built = built
        self.runs: list[tuple[list[str], list[str]]] = []

    def run(self, plan: Plan, feeds: Mapping[Key, np.ndarray]) -> dict[Key, np.ndarray]:
        self.runs.append(self.ends(plan))
        return self.inner.run(plan, feeds)

    def ends(self, plan: Plan) -> tuple[list[str], list[str]]:
        all_sites = sites(plan.blueprint)
        return [name(all_sites, key) for key in plan.fed], [name(all_sites, key) for key in plan.fetched]

    def identity(self) -> Identity:
        return self.inner.identity()

    def is_ready(self, plan: Plan) -> bool:
        return self.ends(plan)[0][0] in self.built

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path, ending="trunk")


def watched(net: Network, cache: DiskCache | None = None, built: tuple[str, ...] = ()) -> tuple[Network, Watched]:
    """Return a network with a recording engine, in the state of a new process."""
    engine = Watched(net, built)
    network = Network(engine, net.preprocess)
    network.prefix_cache.cache = cache
    return network, engine


@pytest.mark.parametrize("architecture", BLUEPRINTS)
def test_everything_follows_from_a_cut(architecture: str) -> None:
    """No site after a cut reads a site before that cut; every network has cuts, and prefixes are stored at three of them."""
    network = BLUEPRINTS[architecture]
    all_sites = sites(network)
    for cut in single_tensor_sites(network):
        assert all(source >= cut.index for site in all_sites[cut.index + 1 :] for source in site.inputs)
    joins = [site for site in all_sites if site.kind == "concat" and site.place.step is None]
    assert set(joins) <= set(single_tensor_sites(network))
    assert len(set(prefix_ends(network)) & set(single_tensor_sites(network))) == 3


def test_a_second_look_resumes(net: Network, chelsea: Path) -> None:
    """A second peek at a photo starts from the latest stored prefix, and gives the same values."""
    network, engine = watched(net)
    network.peek(chelsea, SEEN)
    got = network.peek(chelsea.read_bytes(), OTHER).activations
    assert engine.runs == [(["Mul"], [SEEN, "pool_1", "mixed_3/join"]), (["mixed_3/join"], [OTHER])]
    np.testing.assert_array_equal(got, net.run(OTHER, {"DecodeJpeg": decode(chelsea).pixels}).transpose(0, 3, 1, 2))


def test_a_second_process_resumes(net: Network, chelsea: Path, cache: DiskCache) -> None:
    """A second process resumes from the disk, and stores the prefixes that it computes."""
    expected = net.run(SEEN, {"DecodeJpeg": decode(chelsea).pixels}).transpose(0, 3, 1, 2)
    watched(net, cache)[0].peek(chelsea, "mixed/conv")
    network, engine = watched(net, cache)
    np.testing.assert_array_equal(network.peek(chelsea, SEEN).activations, expected)
    assert engine.runs == [(["pool_1"], [SEEN, "mixed_3/join"])]
    network, engine = watched(net, cache)
    np.testing.assert_array_equal(network.peek(chelsea, SEEN).activations, expected)
    assert engine.runs == [(["mixed_3/join"], [SEEN])]


def test_a_trunk_itself(net: Network, chelsea: Path) -> None:
    """A stored tensor is not computed again.  Its raw stage is computed, because that comes before the stored value."""
    network, engine = watched(net)
    first, again = (network.peek(chelsea, "mixed_3/join").activations for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert engine.runs[1] == (["mixed_3/join"], [])


@pytest.mark.parametrize("address", ["conv_4/Conv2D", "conv_2"])
def test_before_the_trunk(net: Network, chelsea: Path, address: str) -> None:
    """A tensor before the first stored prefix is computed from the photo, and nothing is stored."""
    network, engine = watched(net)
    network.peek(chelsea, SEEN)
    network.peek(chelsea, address)
    assert engine.runs[1] == (["Mul"], [address])


def test_no_graph_is_built_to_resume(net: Network, chelsea: Path) -> None:
    """If only the graph of the whole network is built, that graph is run, because building a shorter graph takes longer."""
    network, engine = watched(net, built=("Mul",))
    network.peek(chelsea, SEEN)
    network.peek(chelsea, SEEN)
    assert [start for start, _ in engine.runs] == [["Mul"], ["Mul"]]


def test_another_photo(net: Network, chelsea: Path, cache: DiskCache) -> None:
    """A peek at another photo, or with other preprocessing, does not resume."""
    network, engine = watched(net, cache)
    network.peek(chelsea, SEEN)
    network.peek(ImageOps.mirror(Image.open(chelsea)), SEEN)
    other, _ = watched(godeeper.load(fit="crop"), cache)
    other.peek(chelsea, SEEN)
    assert [start for start, _ in engine.runs] == [["Mul"], ["Mul"]]
    assert len(cache.sizes()) == 6


def test_a_damaged_entry_is_not_used(net: Network, chelsea: Path, cache: DiskCache) -> None:
    """A value that is truncated or changed on disk is computed again."""
    network, _ = watched(net, cache)
    expected = network.peek(chelsea, SEEN).activations
    for number, (_, path) in enumerate(cache.entries()):
        entry = bytearray(path.read_bytes())
        entry[-1] ^= 1
        path.write_bytes(entry if number else entry[:100])
    network, engine = watched(net, cache)
    np.testing.assert_array_equal(network.peek(chelsea, SEEN).activations, expected)
    assert engine.runs[0][0] == ["Mul"]


def test_a_cache_that_cannot_be_written(net: Network, chelsea: Path, tmp_path: Path) -> None:
    """A peek succeeds even if nothing can be cached."""
    (tmp_path / "file").touch()
    network, _ = watched(net, DiskCache(tmp_path / "file", ending="trunk"))
    assert network.peek(chelsea, "mixed/conv").shape == (1, 64, 35, 35)


def test_only_the_last_photo_is_in_memory(net: Network, chelsea: Path) -> None:
    """Prefixes of earlier photos are released, and closing releases the last."""
    network, _ = watched(net)
    network.peek(chelsea, SEEN)
    network.peek(np.zeros((9, 9, 3), np.uint8), SEEN)
    assert len(network.prefix_cache.last[1]) == 2
    network.close()
    assert network.prefix_cache.last[1] == {}


def test_threads_do_not_mix_photos(net: Network, chelsea: Path) -> None:
    """Concurrent peeks at different photos each return the values of their own photo."""
    photos = [Image.open(chelsea).rotate(90 * turns, expand=True) for turns in range(4)]
    expected = [net.run(OTHER, {"DecodeJpeg": np.asarray(photo)}) for photo in photos]
    network, _ = watched(net)

    def look(number: int) -> None:
        for address in (SEEN, OTHER):
            activations = network.peek(photos[number % 4], address).activations
        np.testing.assert_allclose(activations.transpose(0, 2, 3, 1), expected[number % 4], rtol=1e-4, atol=1e-4)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(12)))


def test_the_command_keeps_trunks(chelsea: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that resumes from the prefixes of an earlier command draws the same picture as without them."""
    pictures = []
    for number, addresses in enumerate((["mixed/conv"], [OTHER], [OTHER])):
        monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / ("shared" if number < 2 else "fresh")))
        assert main(["peek", str(chelsea), *addresses, "--out", str(tmp_path / str(number))]) == 0
        pictures.append(next((tmp_path / str(number)).iterdir()).read_bytes())
    assert len(list((tmp_path / "shared" / "trunks").glob("*.trunk"))) == 2
    assert pictures[1] == pictures[2]


def test_python_writes_nothing(net: Network) -> None:
    """Within one process the prefixes stay in memory, so a loop over a folder writes nothing to disk."""
    assert PrefixCache(net.engine).cache is None
    assert net.prefix_cache.cache is None
