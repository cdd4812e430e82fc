"""The record of a peek, its picture and its files."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from godeeper.errors import OptionError, OutputError, UnknownName
from godeeper.network import Network
from godeeper.peek.layout import PAPER
from godeeper.peek.peek import Peek, save_npz
from godeeper.peek.picture import CROSS, View, draw, heading_lines, png


@pytest.fixture(scope="module")
def peek(net: Network, chelsea: Path) -> Peek:
    """The blog's third tensor, which has a dead filter for this photo."""
    return net.peek(chelsea, "mixed_4/tower_1/conv_4")


def with_values(peek: Peek, values: np.ndarray) -> Peek:
    return replace(peek, activations=values.astype(np.float32))


def test_statistics(peek: Peek) -> None:
    """Minimum, maximum, mean and share above zero are correct for each filter."""
    values = peek.activations[0]
    np.testing.assert_array_equal(peek.minimum, values.min(axis=(1, 2)))
    np.testing.assert_array_equal(peek.maximum, values.max(axis=(1, 2)))
    np.testing.assert_allclose(peek.mean, values.mean(axis=(1, 2), dtype=np.float64), rtol=1e-9)
    np.testing.assert_allclose(peek.active, (values > 0).mean(axis=(1, 2)))


def test_dead_filters(peek: Peek) -> None:
    """Filters that are zero in every cell are listed by number."""
    expected = tuple(np.flatnonzero((peek.activations[0] == 0).all(axis=(1, 2))).tolist())
    assert peek.dead == expected
    assert 131 in peek.dead
    assert set(peek.dead) <= set(peek.constant)


def test_only_rectified_tensors_have_dead_filters(net: Network, chelsea: Path, peek: Peek) -> None:
    """Before the ReLU no filter counts as dead; in a slice, dead filters have their numbers in the whole tensor."""
    raw, part = net.peeks(chelsea, ["mixed_4/tower_1/conv_4/Conv2D", "mixed_4/tower_1/conv_4[130:133]"])
    assert raw.dead == ()
    assert part.dead == (131,)


def test_record_is_json(peek: Peek) -> None:
    """The record has the documented fields, and is unchanged after a round trip through JSON."""
    record = json.loads(json.dumps(peek.record("x.png", "shared")))
    assert record["address"] == "mixed_4/tower_1/conv_4"
    assert record["names"] == {
        "tf2015": "mixed_4/tower_1/conv_4",
        "slim": "Mixed_6b/Branch_2/Conv2d_0e_1x7",
        "torchvision": "Mixed_6b.branch7x7dbl_5",
        "keras": "activation_38",
    }
    assert (record["stage"], record["shape"], record["receptive_field"]) == ("relu", [1, 192, 17, 17], [351, 351])
    assert (record["scale"], record["png"], len(record["filters"])) == ("shared", "x.png", 192)
    assert record["maximum"] == pytest.approx(float(peek.activations.max()))
    assert record["macs_share"] == pytest.approx(0.511, abs=0.001)


def test_bare_picture_is_the_mosaic(net: Network, chelsea: Path) -> None:
    """The blog's picture has only the mosaic's pixels: 140 wide, 280 high."""
    peek = net.peek(chelsea, "mixed/tower_2/conv")
    image = peek.picture(scale="blog")
    assert image.size == (140, 280)
    np.testing.assert_array_equal(np.asarray(image)[..., 0], peek.mosaic("blog").pixels)


@pytest.mark.parametrize(("zoom", "gutter", "numbers"), [(1, 0, False), (3, 0, False), (2, 5, False), (4, 1, True)])
def test_native_pixels_times_a_whole_number(peek: Peek, zoom: int, gutter: int, numbers: bool) -> None:  # noqa: FBT001
    """Every value is drawn as a square of one colour, and no gutter or number covers it."""
    view = View(zoom=zoom, gutter=gutter, numbers=numbers, frame=False)
    picture = np.asarray(draw(peek, view))[..., 0]
    mosaic = peek.mosaic()
    strip = picture.shape[0] // mosaic.rows - 17 * zoom - gutter if numbers else 0
    strip = 11 if numbers else 0
    for number in (0, 5, 131, 191):
        row, column = divmod(number, mosaic.columns)
        top, left = row * (17 * zoom + gutter + strip) + strip, column * (17 * zoom + gutter)
        tile = picture[top : top + 17 * zoom, left : left + 17 * zoom]
        expected = mosaic.pixels[row * 17 : row * 17 + 17, column * 17 : column * 17 + 17]
        np.testing.assert_array_equal(tile, expected.repeat(zoom, axis=0).repeat(zoom, axis=1))


def test_empty_cells_are_paper(peek: Peek) -> None:
    """A cell without a filter has the background's colour."""
    part = with_values(peek, np.ones((1, 192, 2, 2)))
    eleven = replace(part, activations=part.activations[:, :11], tensor=replace(part.tensor, channels=tuple(range(11))))
    picture = np.asarray(draw(eleven, View(rows=3, zoom=1, gutter=0, frame=False)))
    assert (picture[-2:, -2:] == PAPER).all()


def test_constant_tiles_are_crossed_out(peek: Peek) -> None:
    """Constant tiles are crossed out, so that they differ from dark tiles."""
    framed = np.asarray(draw(peek, View(zoom=2)))
    assert (framed == CROSS).all(axis=2).sum() > 20


def test_png_carries_its_provenance(peek: Peek) -> None:
    """The text chunks of the PNG state the tensor, the photo, the weights and the scale."""
    image = Image.open(io.BytesIO(png(peek, View(scale="filter"))))
    text = image.text  # type: ignore[attr-defined]
    assert text["godeeper:address"] == peek.address
    assert text["godeeper:photo-sha256"] == peek.photo_sha256
    assert text["godeeper:weights-sha256"] == peek.weights_sha256
    assert text["godeeper:scale"] == "filter"
    assert "is not comparable" in text["godeeper:legend"]
    assert text["godeeper:dead"] == ",".join(map(str, peek.dead))
    assert text["Software"].startswith("godeeper ")


def test_png_is_deterministic(peek: Peek) -> None:
    """The same peek gives the same bytes."""
    assert png(peek, View()) == png(peek, View())


@pytest.mark.parametrize("scale", ["shared", "filter", "percentile", "signed"])
@pytest.mark.parametrize("colour", [None, "viridis", "magma", "blue-red"])
def test_every_scale_in_every_colour(peek: Peek, scale: str, colour: str | None) -> None:
    """Every combination can be drawn, and is wide enough for its legend."""
    assert draw(peek, View(scale=scale, colour=colour)).width >= 640


def test_a_tensor_of_one_cell(net: Network, chelsea: Path) -> None:
    """The global average is drawn as 2,048 tiles of one pixel; single cells are not reported as constant."""
    peek = net.peek(chelsea, "pool_3")
    assert peek.shape == (1, 2048, 1, 1)
    assert peek.constant == peek.dead
    assert draw(peek, View()).width >= 640


def test_non_latin_photo_names(peek: Peek) -> None:
    """A photo's name that the font cannot draw is replaced by a hash in the picture, and is complete in the text chunks."""
    named = replace(peek, origin=replace(peek.origin, photo="кошка.jpg"))
    assert Image.open(io.BytesIO(png(named, View()))).text["godeeper:photo"] == "кошка.jpg"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"zoom": 0}, "zoom 0"),
        ({"gutter": -1}, "gutter -1"),
        ({"numbers": True, "zoom": 1}, "too small to number"),
        ({"zoom": 10_000}, "pixels: expected at most"),
        ({"rows": 0}, "0 rows"),
    ],
)
def test_invalid_views(peek: Peek, options: dict[str, Any], reason: str) -> None:
    """An invalid option raises an error that states the possible values."""
    with pytest.raises(OptionError, match=reason):
        peek.picture(**options)


def test_unknown_colour(peek: Peek, tmp_path: Path) -> None:
    """An unknown colour map is refused before anything is written."""
    with pytest.raises(UnknownName):
        peek.save(tmp_path / "x.png", colour="jet")
    assert list(tmp_path.iterdir()) == []


def test_save(peek: Peek, tmp_path: Path) -> None:
    """``save`` returns the path that it wrote."""
    path = peek.save(tmp_path / "new" / "x.png", scale="blog")
    with Image.open(path) as image:
        assert image.size == (408, 136)
    with pytest.raises(OutputError, match="cannot write"):
        peek.save(path / "below" / "x.png")


def test_npz(peek: Peek, tmp_path: Path) -> None:
    """The values are read back bit for bit, without pickle."""
    peek.save_npz(tmp_path / "one.npz")
    save_npz([peek, replace(peek, tensor=replace(peek.tensor, stage="batchnorm"))], tmp_path / "two.npz")
    with np.load(tmp_path / "two.npz", allow_pickle=False) as stored:
        assert set(stored) == {peek.address, f"{peek.address}/batchnorm", "provenance"}
        np.testing.assert_array_equal(stored[peek.address], peek.activations)
        assert json.loads(str(stored["provenance"]))[peek.address]["godeeper:photo"] == "chelsea.jpg"


def test_notebook(peek: Peek) -> None:
    """A notebook shows the picture."""
    assert peek._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ((3, 7, 8), "mixed/join[3,7:9]"),
        (tuple(range(255, -1, -1)), "mixed/join, all 256 channels in another order"),
        (tuple(range(0, 256, 2)), "mixed/join, 128 of 256 channels"),
    ],
    ids=len,
)
def test_a_heading_has_no_list_of_channels_that_fills_it(
    net: Network, channels: tuple[int, ...], expected: str
) -> None:
    """A heading lists a few channels by number, and states only the number of many."""
    from dataclasses import replace

    from godeeper.peek.picture import heading_address

    [tensor] = net.tensors("mixed/join")
    assert heading_address(replace(tensor, channels=channels)) == expected


def test_the_heading_says_what_a_name_can_be_mistaken_for(net: Network, chelsea: Path) -> None:
    """The pictures of ``Mixed_7b`` and ``mixed_7`` say that these are two modules; other tensors have no such line."""
    nine, seven, first = net.peeks(chelsea, ["Mixed_7b", "mixed_7/conv", "conv"])
    texts = [[line.text for line in heading_lines(peek)] for peek in (nine, seven, first)]
    assert "Mixed_7b (slim, torchvision) is mixed_9 (tf2015), not mixed_7 or mixed7" in texts[0]
    assert any(text.startswith("mixed_7 (tf2015) is Mixed_6e (slim, torchvision), not Mixed_7a") for text in texts[1])
    assert not any(", not " in text for text in texts[2])
