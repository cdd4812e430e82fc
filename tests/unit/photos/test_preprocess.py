"""Preprocessing, from photos to a network's input."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from godeeper.errors import FeedError, OptionError
from godeeper.photos.decode import decode
from godeeper.photos.fitting import Filter, Fit
from godeeper.photos.input_steps import PhotoSteps
from godeeper.photos.preprocess import Preprocess, resize_tf2015, to_pixels, to_planes


def photo_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def test_squash_is_pillows_bilinear() -> None:
    """The default shrinks the whole photo with antialiasing, and scales to -1 … 1."""
    pixels = photo_of(300, 451)
    expected = np.asarray(Image.fromarray(pixels).resize((299, 299), Image.Resampling.BILINEAR), np.float32)
    got = Preprocess()(decode(pixels))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected.transpose(2, 0, 1)[None] / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize("filter", ["antialias", "tf2015"])
@pytest.mark.parametrize(("height", "width"), [(300, 451), (451, 300), (299, 299)])
def test_crop_takes_the_central_square(filter: Filter, height: int, width: int) -> None:
    """``crop`` gives the same input as ``squash`` for the photo's central square."""
    pixels = photo_of(height, width)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = decode(pixels[top : top + side, left : left + side])
    cropped = Preprocess(fit="crop", filter=filter)(decode(pixels))
    np.testing.assert_array_equal(cropped, Preprocess(fit="squash", filter=filter)(square))


def test_tf2015_by_hand() -> None:
    """As in TensorFlow 1 (align_corners=False, half_pixel_centers=False), output pixel x reads source position x · 2 / 4."""
    row = np.array([[[0], [100]]], np.uint8).repeat(3, axis=2)
    np.testing.assert_array_equal(resize_tf2015(row, 4)[0, :, 0], [0, 50, 100, 100])


def test_2015_scaling_is_exact() -> None:
    """(x - 128) / 128 ranges from -1 to 0.9921875."""
    ends = np.array([[[0, 128, 255]]], np.uint8)
    got = Preprocess(subtract=128, divide=128, filter="tf2015")(decode(ends))
    np.testing.assert_array_equal(got[0, :, 0, 0], np.array([-1, 0, 0.9921875], np.float32))


def test_summary() -> None:
    """The summary contains all settings."""
    assert Preprocess().summary == "squash to 299 x 299, antialias filter, (x - 127.5) / 127.5"


@pytest.mark.parametrize("options", [{"fit": "stretch"}, {"filter": "lanczos"}])
def test_unknown_choices(options: dict[str, str]) -> None:
    """An unknown choice is an error that lists the known ones."""
    with pytest.raises(OptionError, match="expected one of"):
        Preprocess(**options)  # type: ignore[arg-type]


def test_axes() -> None:
    """Converting to planes and back changes nothing."""
    values = np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3)
    np.testing.assert_array_equal(to_pixels(to_planes(values)), values)


@pytest.mark.parametrize("filter", ["antialias", "tf2015"])
@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_every_step_resumes(filter: Filter, fit: Fit) -> None:
    """Feeding the value of any step between the file and the network gives the same input of the network."""
    preprocess = Preprocess(filter=filter, fit=fit)
    photo = decode(photo_of(310, 400))
    start = PhotoSteps(preprocess, "decode", photo)
    for kind in ("cast", "expand", "resize", "subtract", "multiply"):
        resumed = PhotoSteps(preprocess, kind, start.value(kind))
        np.testing.assert_array_equal(resumed.value("multiply"), start.value("multiply"))
    np.testing.assert_array_equal(to_planes(start.value("multiply")), preprocess(photo))


def test_steps_before_the_fed_one() -> None:
    """Fetching a step before the fed step is refused."""
    steps = PhotoSteps(Preprocess(), "multiply", np.zeros((1, 299, 299, 3)))
    with pytest.raises(FeedError, match="feed an earlier step"):
        steps.value("resize")


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("cast", (1, 4, 4, 3)),
        ("expand", (4, 4, 3)),
        ("resize", (1, 3, 299, 299)),
        ("multiply", (1, 299, 299)),
        ("subtract", (0, 299, 299, 3)),
    ],
)
def test_wrong_shapes(kind: str, shape: tuple[int, ...]) -> None:
    """An array that does not fit the step is refused with the expected shape."""
    with pytest.raises(FeedError, match="channels last"):
        PhotoSteps(Preprocess(), kind, np.zeros(shape))


def test_fractions_need_the_2015_filter() -> None:
    """The antialiasing filter accepts integers only, and the 2015 filter accepts any numbers."""
    halves = np.full((8, 8, 3), 0.5, np.float32)
    with pytest.raises(FeedError, match="whole numbers"):
        PhotoSteps(Preprocess(), "cast", halves).value("resize")
    assert (PhotoSteps(Preprocess(filter="tf2015"), "cast", halves).value("resize") == 0.5).all()
