"""The evidence for a class has the same sum by module, by filter and by pixel, and is located on the object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples.collage import both as collage
from examples.collage import write_crops
from PIL import Image
from tests.unit.classifier.handmade import CLASSES, classifier

from godeeper.classifier.classifier import Classifier
from godeeper.errors import OptionError, PhotoError, UnknownName
from godeeper.explain.evidence import TOLERANCE, Evidence, evidence, from_activations
from godeeper.explain.spread import shares
from godeeper.network import Network
from godeeper.photos.decode import decode
from godeeper.retraining import retrain

ADDRESSES = ("mixed/join", "mixed_8/join")
SIZES = [(451, 300), (1, 1), (7, 3), (1200, 40)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A classifier of cats and flowers, trained on a few photos."""
    folder = tmp_path_factory.mktemp("album")
    write_crops(folder)
    return retrain(folder, features=ADDRESSES)


@pytest.fixture(scope="module")
def both(trained: Classifier) -> Evidence:
    """The evidence in a photo that is half cat and half flower."""
    return evidence(trained, collage())


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, chelsea: Path) -> list[Any]:
    """The demonstration photo, the same rotated by 90 degrees, and noise."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    return [chelsea, Image.open(chelsea).rotate(90, expand=True), noise]


def totals(found: Evidence) -> np.ndarray:
    """Return (classes,): the sum of each class's evidence."""
    return np.array([found.total(number) for number in range(len(found.classes))])


@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_it_adds_up_to_the_logits(photos: list[Any], fit: str) -> None:
    """For a random head, the sum of each class's evidence equals the classifier's logit within the stated tolerance."""
    made = classifier(preprocessing={"fit": fit})
    for photo in photos:
        found = evidence(made, photo)
        assert np.abs(totals(found) - found.logits).max() <= TOLERANCE * (1 + found.magnitude)
        np.testing.assert_allclose(found.probabilities, made.predict_proba([photo])[0], atol=1e-5)
        assert found.verdict == made.verdict(photo)


def test_it_adds_up_for_a_trained_classifier(trained: Classifier, both: Evidence) -> None:
    """The sums of the evidence equal the logits, and give the probabilities that the classifier states."""
    assert np.abs(totals(both) - both.logits).max() <= TOLERANCE * (1 + both.magnitude)
    odds = np.exp(totals(both) / (both.temperature * both.strangeness))
    np.testing.assert_allclose(odds / odds.sum(), trained.predict_proba([collage()])[0], atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("filter", ["antialias", "tf2015"])
def test_spreading_keeps_the_sum(chelsea: Path, size: tuple[int, int], fit: str, filter: str) -> None:
    """For a photo of any size, the evidence per pixel and the constant add up to the total."""
    made = classifier(preprocessing={"fit": fit, "filter": filter}, addresses=("mixed_9/join", "mixed_2/join"))
    found = evidence(made, chelsea)
    spread = found.over_photo(1, size)
    assert spread.shape == (size[1], size[0])
    assert spread.sum() + found.constant[1] == pytest.approx(found.total(1), abs=1e-9)
    if fit == "crop" and size == (451, 300):
        left = int(found.placement.used.left)
        assert left == 75
        assert not spread[:, :left].any()
        assert not spread[:, 375:].any()


def test_modules_and_filters_add_up(both: Evidence) -> None:
    """The evidence has the same sum by module, by filter and by pixel."""
    for label in both.classes:
        constant = both.constant[both.number(label)]
        assert sum(both.by_module(label).values()) + constant == pytest.approx(both.total(label), abs=1e-9)
        spread = [both.over_photo(label, (60, 40), address=address) for address in ADDRESSES]
        np.testing.assert_allclose(sum(spread), both.over_photo(label, (60, 40)), atol=1e-12)
        speaking, silencing = both.by_filter(label, top=10_000)
        every = sum(voice.value for voice in [*speaking, *silencing])
        assert every + constant == pytest.approx(both.total(label), abs=1e-9)
        assert sum(voice.share for voice in speaking) == pytest.approx(1)
        assert sum(voice.share for voice in silencing) == pytest.approx(1)


def test_the_strongest_filters(both: Evidence) -> None:
    """Filters for and against a class are sorted by strength, and each has its own evidence."""
    speaking, silencing = both.by_filter("cat", top=3)
    assert [len(speaking), len(silencing)] == [3, 3]
    assert [voice.value for voice in speaking] == sorted((voice.value for voice in speaking), reverse=True)
    assert max(voice.value for voice in silencing) < 0 < min(voice.value for voice in speaking)
    (part,) = [part for part in both.parts if part.address == speaking[0].address]
    assert speaking[0].value == part.filters[both.number("cat"), speaking[0].filter]
    assert speaking[0].value >= max(part.filters[both.number("cat")].max() for part in both.parts)


def test_filters_of_a_join_lead_to_where_they_come_from(net: Network, both: Evidence) -> None:
    """For a filter of a join, the record names the original filter, whose mean in a peek equals the feature."""
    (voice, *_), _ = both.by_filter("cat")
    (part,) = [part for part in both.parts if part.address == voice.address]
    assert not voice.origin.startswith(voice.address)
    there = net.peek(collage(), voice.origin)
    assert there.mean[0] == pytest.approx(part.features[voice.filter], rel=1e-3)


def test_it_saves_itself(both: Evidence, tmp_path: Path) -> None:
    """Without a class name, the saved picture and the picture in a notebook show the likeliest class."""
    for label in (None, "cat"):
        with Image.open(both.save(tmp_path / "picture.png", label)) as image:
            assert dict(image.info)["godeeper:evidence"] == (label or both.classes[both.ranking[0]])
            assert image.size == both.picture(label).size
    assert both._repr_png_().startswith(b"\x89PNG")


def test_one_class_over_another(both: Evidence) -> None:
    """The evidence for one class over another is the difference of the evidence for both, and adds up to that of the logits."""
    np.testing.assert_allclose(
        both.over_photo("cat", (60, 40), against="flower"),
        both.over_photo("cat", (60, 40)) - both.over_photo("flower", (60, 40)),
        atol=1e-12,
    )
    difference = both.logits[both.number("cat")] - both.logits[both.number("flower")]
    assert both.total("cat", against="flower") == pytest.approx(difference, abs=TOLERANCE * (1 + both.magnitude) * 2)


def test_evidence_lies_where_the_thing_is(both: Evidence) -> None:
    """In a photo of a cat and a flower, the cat's half has evidence for cat and the flower's half for flower."""
    left, right = np.s_[:, :240], np.s_[:, 240:]
    for address in ADDRESSES:
        cat, flower = (both.over_photo(label, (480, 480), address=address) for label in ("cat", "flower"))
        assert cat[left].sum() > 0 > cat[right].sum()
        assert flower[right].sum() > 0 > flower[left].sum()


def test_a_tensor_without_a_grid(chelsea: Path) -> None:
    """The evidence of a tensor without a grid is one number, spread over the whole photo."""
    found = evidence(classifier(addresses=("pool_3", "pool_3/_reshape")), chelsea)
    assert [part.grids.shape[1:] for part in found.parts] == [(1, 1), (1, 1)]
    assert np.abs(totals(found) - found.logits).max() <= TOLERANCE * (1 + found.magnitude)
    assert np.ptp(found.over_photo(0, (30, 20))) == pytest.approx(0, abs=1e-12)


def test_activations_at_hand(chelsea: Path) -> None:
    """Activations that the caller has already computed give the same evidence as the photo."""
    made = classifier()
    peeks = made.network.peeks(chelsea, made.head.addresses)
    again = from_activations(made, decode(chelsea), {peek.address: peek.activations for peek in peeks})
    np.testing.assert_allclose(totals(again), totals(evidence(made, chelsea)), atol=1e-5)


def test_the_record_is_json(both: Evidence) -> None:
    """The record is unchanged after a round trip through JSON, and its numbers add up."""
    record = json.loads(json.dumps(both.record("cat", top=2)))
    assert (record["class"], record["over"]) == ("cat", None)
    grids = sum(np.sum(module["grid"]) for module in record["modules"])
    assert grids + record["constant"] == pytest.approx(record["total"])
    assert [module["receptive_field"] for module in record["modules"]] == [list(p.field_size) for p in both.parts]
    assert len(record["filters"]["for"]) == len(record["filters"]["against"]) == 2
    assert both.record("cat", against="flower")["over"] == "flower"


@pytest.mark.parametrize("label", ["dog", 2, -1])
def test_an_unknown_class(both: Evidence, label: str | int) -> None:
    """The error for an unknown class lists the known classes."""
    with pytest.raises(UnknownName, match="cat, flower"):
        both.total(label)


def test_invalid_requests(both: Evidence, tmp_path: Path) -> None:
    """A picture without pixels and a missing photo are refused."""
    with pytest.raises(OptionError, match="at least one pixel"):
        both.over_photo("cat", (0, 3))
    with pytest.raises(PhotoError, match="no such file"):
        evidence(classifier(), tmp_path / "gone.jpg")


def test_classes_by_name_or_number(chelsea: Path) -> None:
    """A class's name and its number mean the same."""
    found = evidence(classifier(), chelsea)
    assert [found.total(number) for number in range(4)] == [found.total(name) for name in CLASSES]


def test_shares_of_cells() -> None:
    """A cell's evidence is distributed over the pixels that the cell overlaps; pixels at the border get the part beyond it."""
    np.testing.assert_allclose(shares(2, (0, 4), (0, 4), 4, 1), [[0.5, 0], [0.5, 0], [0, 0.5], [0, 0.5]])
    np.testing.assert_allclose(shares(2, (1, 5), (0, 6), 3, 0.5), [[0.5, 0], [0.5, 0.5], [0, 0.5]])
    np.testing.assert_allclose(shares(2, (-2, 4), (0, 4), 4, 1).sum(axis=0), 1)
    np.testing.assert_allclose(shares(3, (-4, 2), (0, 2), 2, 1), [[1, 1, 0.5], [0, 0, 0.5]])
