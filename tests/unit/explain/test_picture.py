"""The picture of evidence: its colours represent the numbers, and its text describes them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.classifier.handmade import classifier

from godeeper.explain.evidence import Evidence, evidence
from godeeper.explain.picture import (
    COLOUR,
    PALEST,
    UNSEEN,
    Question,
    colour_limit,
    density,
    dim_unseen,
    draw,
    field_text,
    overlay,
    png,
    tint,
)
from godeeper.peek.colour import table


@pytest.fixture(scope="module")
def found(chelsea: Path) -> Evidence:
    """The evidence in the demonstration photo for a random head."""
    return evidence(classifier(threshold=0.999), chelsea)


def test_the_scale_is_symmetric() -> None:
    """Zero has the middle colour, the limits have the end colours, and the levels between are linear."""
    colours = table(COLOUR)
    values = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0, 9.0]])
    np.testing.assert_array_equal(tint(values, 2.0)[0], colours[[0, 64, 128, 191, 255, 255]])
    assert np.ptp(colours[127:129], axis=1).max() <= 8
    np.testing.assert_array_equal(tint(np.zeros((1, 2)), 0.0)[0], colours[[128, 128]])


def test_colours_are_the_numbers(found: Evidence) -> None:
    """The density can be recovered from the tint of the photo."""
    size = (300, 200)
    question = Question(0)
    over = overlay(found, question, size)
    values = density(found, question, size)
    assert over.limit == np.abs(values).max() == colour_limit(found, question, size)
    assert f"{over.limit:.3g}" in over.legend
    grey = np.asarray(found.photo.image.resize(size, Image.Resampling.LANCZOS).convert("L"), float)
    pale = PALEST + grey * (255 - PALEST) / 255
    read = np.asarray(over.image, float) / pale[:, :, None] * 255
    for row, column in [np.unravel_index(each(values), values.shape) for each in (np.argmax, np.argmin)]:
        level = round(127.5 + 127.5 * values[row, column] / over.limit)
        np.testing.assert_allclose(read[row, column], table(COLOUR)[level], atol=3)


def test_density_is_logits_a_hundredth_of_the_area(found: Evidence) -> None:
    """The density is in logits per hundredth of the area: its mean times 100 is the evidence, at any size."""
    for size in ((300, 200), (31, 77)):
        total = found.total(2) - found.constant[2]
        assert 100 * density(found, Question(2), size).mean() == pytest.approx(total, abs=1e-9)


def test_pixels_outside_the_crop_are_dark(chelsea: Path) -> None:
    """With ``crop`` the sides of a wide photo are darkened, and the middle is not."""
    found = evidence(classifier(preprocessing={"fit": "crop"}), chelsea)
    image = found.photo.image
    dimmed = np.asarray(dim_unseen(image, found), float)
    pixels = np.asarray(image, float)
    np.testing.assert_array_equal(dimmed[:, 75:375], pixels[:, 75:375])
    np.testing.assert_allclose(dimmed[:, :75], pixels[:, :75] * UNSEEN, atol=0.51)


def test_provenance(found: Evidence) -> None:
    """The PNG states the class, the photo and the sum of the evidence."""
    with Image.open(io.BytesIO(png(found, Question(0, against=1)))) as image:
        notes = dict(image.info)
    assert (notes["godeeper:evidence"], notes["godeeper:over"]) == (found.classes[0], found.classes[1])
    assert notes["godeeper:photo-sha256"] == found.photo.sha256
    assert notes["godeeper:weights-sha256"] == found.weights_sha256
    assert f"{found.total(0, 1):.3f}" in notes["godeeper:sum"]


@pytest.mark.parametrize("size", [(2000, 3), (3, 900), (1, 1), (60, 60)])
def test_odd_photos(size: tuple[int, int]) -> None:
    """Photos of any shape are drawn with all their text."""
    odd = evidence(classifier(), Image.new("RGB", size, (90, 120, 60)))
    image = draw(odd, Question(3))
    assert image.width >= 1040
    assert image.height < 2000


def test_how_far_a_cell_sees(chelsea: Path) -> None:
    """The receptive field is stated in pixels, or as the whole photo if even a corner cell sees all of it."""
    found = evidence(classifier(addresses=("mixed/join", "mixed_5/join", "mixed_10/join")), chelsea)
    said = [field_text(part, found) for part in found.parts]
    assert said == ["each sees 63 x 63 pixels", "each sees 543 x 543 pixels", "each sees the whole photo"]
