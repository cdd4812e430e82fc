"""Posters: every filter is shown once, as in the mosaic; the pyramid is complete; only posters are replaced."""

from __future__ import annotations

import json
import math
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.blueprint.sites import sites
from godeeper.cli.main import main
from godeeper.engine.plan import NETWORK_INPUT, key_of, plan
from godeeper.errors import OutputError, UnknownName
from godeeper.network import Network
from godeeper.poster.layout import ASPECT, SIDE, lay_out_poster
from godeeper.poster.poster import MEMBERS, Poster, is_poster
from godeeper.poster.pyramid import Pyramid, halved, level_sizes


@pytest.fixture(scope="module")
def poster(net: Network, chelsea: Path, tmp_path_factory: pytest.TempPathFactory) -> Poster:
    """The poster of the demonstration photo."""
    return net.poster(chelsea, tmp_path_factory.mktemp("posters") / "poster")


@pytest.fixture(scope="module")
def picture(poster: Poster) -> np.ndarray:
    """The largest level of the poster's pyramid, as one array (H, W)."""
    levels = level_sizes(poster.width, poster.height)
    return joined(poster.folder / "poster_files", len(levels) - 1, levels[-1])


def joined(folder: Path, level: int, size: tuple[int, int]) -> np.ndarray:
    """Return a level of a pyramid as one array (H, W)."""
    picture = np.zeros(size[::-1], np.uint8)
    for top in range(0, size[1], SIDE):
        for left in range(0, size[0], SIDE):
            tile = np.asarray(Image.open(folder / str(level) / f"{left // SIDE}_{top // SIDE}.png"))
            picture[top : top + SIDE, left : left + SIDE] = tile
    return picture


def block(picture: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Return one tensor's pixels."""
    _, height, width = tensor["shape"]
    bottom, right = tensor["top"] + tensor["rows"] * height, tensor["left"] + tensor["columns"] * width
    return picture[tensor["top"] : bottom, tensor["left"] : right]


def test_every_tensor_is_its_mosaic(poster: Poster, picture: np.ndarray, net: Network, chelsea: Path) -> None:
    """Each filter's pixels equal those of the mosaic bit for bit, although the poster is computed in parts."""
    tensors = {tensor["address"]: tensor for tensor in poster.record["tensors"]}
    for peek in net.peeks(chelsea, list(tensors)):
        tensor = tensors[peek.address]
        mosaic = peek.mosaic(rows=tensor["rows"])
        assert (mosaic.rows, mosaic.columns) == (tensor["rows"], tensor["columns"])
        there = ~np.isnan(mosaic.values)
        np.testing.assert_array_equal(block(picture, tensor)[there], mosaic.pixels[there], err_msg=peek.address)
        assert tensor["high"] == pytest.approx(float(peek.maximum.max()), rel=1e-4)


def test_every_site_is_there_once(poster: Poster, net: Network) -> None:
    """Every viewable site from the network's input on is included, in program order."""
    expected = [
        site.address for site in sites(net.blueprint)[NETWORK_INPUT.site :] if site.kind not in ("dense", "softmax")
    ]
    assert [tensor["address"] for tensor in poster.record["tensors"]] == expected
    for tensor in poster.record["tensors"]:
        count, rows, columns = tensor["shape"][0], tensor["rows"], tensor["columns"]
        assert 0 <= rows * columns - count < columns


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_blocks_do_not_overlap(name: str) -> None:
    """In every network, no block overlaps another or leaves the poster; the poster's aspect ratio is about that of paper."""
    layout = lay_out_poster(network_parts(name))
    assert layout.height / layout.width == pytest.approx(ASPECT, rel=0.2)
    assert layout.width % SIDE == 0
    boxes = [(b.left, b.top, b.left + b.size[1], b.top + b.size[0]) for b in layout.blocks]
    assert all(
        left >= 0 and top >= 0 and right <= layout.width and bottom <= layout.height
        for left, top, right, bottom in boxes
    )
    for one, other in combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_each_part_follows_from_the_one_before(name: str) -> None:
    """In every network, all tensors of a part can be computed from the last tensor of the previous part."""
    start = NETWORK_INPUT
    for tensors in network_parts(name).values():
        keys = [key_of(tensor) for tensor in tensors]
        assert set(plan(BLUEPRINTS[name], keys, (start,)).fetched) == set(keys)
        start = keys[-1]


def network_parts(name: str) -> Any:
    """Return title -> tensors, for each part of a network's poster."""
    from godeeper.blueprint.address import Tensor
    from godeeper.blueprint.parts import parts
    from godeeper.engine.plan import output

    every = parts(BLUEPRINTS[name])
    return {
        title: [Tensor(site, output(site).stage) for site in part] for title, part in every.items() if title != "photo"
    }


def test_empty_cells_have_the_background_colour(poster: Poster, picture: np.ndarray) -> None:
    """The space around the blocks and the unused cells of a block's last row have the background's colour."""
    outside = np.ones(picture.shape, bool)
    for tensor in poster.record["tensors"]:
        block(outside, tensor)[...] = False
    assert set(np.unique(picture[outside])) == {30}


def test_the_page_holds_the_record(poster: Poster) -> None:
    """The page contains the poster's record and no outside address, so it needs only the tiles."""
    text = poster.page.read_text()
    inside = re.search(r'<script id="record" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert inside is not None
    assert json.loads(inside[1]) == json.loads((poster.folder / "poster.json").read_text()) == poster.record
    assert not re.findall(r"https?://", text)
    assert "@@" not in text


def test_a_name_cannot_break_the_page(tmp_path: Path, net: Network, chelsea: Path) -> None:
    """A photo whose name is HTML is shown as text."""
    from godeeper.photos.decode import decode

    photo = decode(chelsea.read_bytes(), name="</script><b>@@DATA@@")
    text = net.poster(photo, tmp_path / "poster").page.read_text()
    assert text.count("</script>") == 2
    assert "<b>" not in text


def test_the_dzi(poster: Poster) -> None:
    """The Deep Zoom description states size, tile size and format, and exactly the tiles that it describes exist."""
    text = (poster.folder / "poster.dzi").read_text()
    assert f'Width="{poster.width}" Height="{poster.height}"' in text
    assert f'TileSize="{SIDE}" Overlap="0"' in text or f'Overlap="0" TileSize="{SIDE}"' in text
    expected = {
        f"{level}/{column}_{row}.png"
        for level, (width, height) in enumerate(level_sizes(poster.width, poster.height))
        for column in range(math.ceil(width / SIDE))
        for row in range(math.ceil(height / SIDE))
    }
    files = poster.folder / "poster_files"
    assert {str(path.relative_to(files)) for path in files.rglob("*.png")} == expected
    assert poster.tiles == len(expected)


@pytest.mark.parametrize("size", [(1, 1), (256, 256), (257, 3), (700, 1021), (5, 600)])
def test_each_level_is_half_of_the_next(tmp_path: Path, size: tuple[int, int]) -> None:
    """For any size, with rows added in strips, each level is the next larger level averaged over 2 x 2 pixels."""
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    with Pyramid(tmp_path / "files", width, height) as pyramid:
        for start in range(0, height, 77):
            pyramid.add(pixels[start : start + 77])
    levels = level_sizes(width, height)
    assert levels[0] == (1, 1)
    expected = pixels
    for number in range(len(levels) - 1, -1, -1):
        np.testing.assert_array_equal(joined(tmp_path / "files", number, levels[number]), expected)
        expected = halved(expected)


def test_halving() -> None:
    """Halving a picture replaces up to four pixels by their mean, with halves rounded up."""
    pixels = np.array([[0, 1, 9], [1, 0, 9], [254, 255, 7]], np.uint8)
    np.testing.assert_array_equal(halved(pixels), [[1, 9], [255, 7]])


def test_signed_is_in_colour(tmp_path: Path, net: Network, chelsea: Path) -> None:
    """On the signed scale, tiles have the colour map as a palette, and the space around the blocks has the colour of zero."""
    poster = net.poster(chelsea, tmp_path / "poster", scale="signed")
    tile = Image.open(poster.folder / "poster_files" / "13" / "0_0.png")
    assert tile.mode == "P"
    assert tile.convert("RGB").getpixel((0, 0)) == pytest.approx((0, 0, 0), abs=3)
    assert all(tensor["low"] == -tensor["high"] for tensor in poster.record["tensors"])


def test_each_filter_on_its_own_scale(tmp_path: Path, net: Network, chelsea: Path) -> None:
    """With the scale ``filter``, the record has both ends of every filter's scale."""
    poster = net.poster(chelsea, tmp_path / "poster", scale="filter")
    tensor = next(each for each in poster.record["tensors"] if each["address"] == "mixed/tower_2/conv")
    peek = net.peek(chelsea, "mixed/tower_2/conv")
    np.testing.assert_allclose(tensor["high"], peek.maximum, rtol=1e-4)
    np.testing.assert_allclose(tensor["low"], peek.minimum, rtol=1e-4)
    picture = joined(poster.folder / "poster_files", 13, (poster.width, poster.height))
    np.testing.assert_array_equal(block(picture, tensor), peek.mosaic("filter", tensor["rows"]).pixels)


def test_another_folder_is_left_alone(tmp_path: Path, net: Network, chelsea: Path) -> None:
    """A folder that is not a poster is not replaced, and nothing is left next to it."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="is not a poster"):
        net.poster(chelsea, tmp_path / "mine")
    with pytest.raises(OutputError, match="is not a poster"):
        net.poster(chelsea, tmp_path / "mine" / "letter.txt")
    with pytest.raises(UnknownName, match="scale"):
        net.poster(chelsea, tmp_path / "new", scale="blue")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_poster_is_replaced_whole(
    tmp_path: Path, net: Network, chelsea: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new poster replaces the old poster, which stays if the new one fails; other files in the folder always stay."""
    folder = tmp_path / "poster"
    folder.mkdir()
    net.poster(chelsea, folder)
    (folder / "mine.txt").write_text("dear")
    (folder / "poster_files" / "old").touch()
    net.poster(chelsea, folder)
    assert is_poster(folder)
    assert not (folder / "poster_files" / "old").exists()
    assert (folder / "mine.txt").read_text() == "dear"
    (folder / "poster_files" / "old").touch()
    monkeypatch.setattr("godeeper.poster.poster.page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        net.poster(chelsea, folder)
    assert (folder / "poster_files" / "old").exists()
    assert sorted(path.name for path in folder.iterdir()) == sorted([*MEMBERS, "mine.txt"])
    assert [path.name for path in tmp_path.iterdir()] == ["poster"]


def test_the_command(tmp_path: Path, chelsea: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the page's path, or the record with ``--json``; an invalid folder gives one line and exit code 2."""
    folder = tmp_path / "poster"
    assert main(["poster", str(chelsea), "--out", str(folder), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["page"] == str(folder / "index.html")
    assert document["photo"] == "chelsea.jpg"
    assert len(document["tensors"]) == 125
    assert main(["poster", str(chelsea), "--out", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
