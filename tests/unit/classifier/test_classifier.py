"""Classifiers: what they return, and that they follow scikit-learn's conventions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.classifier.handmade import ADDRESSES, CLASSES, classifier

from godeeper.classifier.classifier import Classifier, pooled
from godeeper.errors import ClassifierError, OptionError, PhotoError
from godeeper.network import Network
from godeeper.photos.decode import PhotoSource, decode


@pytest.fixture(scope="module")
def made() -> Classifier:
    """A classifier with a head of random numbers."""
    return classifier()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, chelsea: Path) -> list[Path]:
    """The demonstration photo, that photo rotated by 90 degrees, and noise."""
    folder = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.open(chelsea).rotate(90, expand=True).save(folder / "side.png")
    Image.fromarray(noise).save(folder / "noise.png")
    return [chelsea, folder / "side.png", folder / "noise.png"]


def test_features_are_spatial_means(net: Network, chelsea: Path) -> None:
    """A module's features are the spatial means of its channels."""
    got = pooled(net, [decode(chelsea)] * 2, ADDRESSES)
    for address in ADDRESSES:
        expected = net.peek(chelsea, address).activations.mean((2, 3))
        np.testing.assert_allclose(got[address], np.repeat(expected, 2, 0), rtol=1e-4, atol=1e-5)


def test_probabilities(made: Classifier, photos: list[Path], net: Network) -> None:
    """Each row is the head's probabilities for a photo's features, and sums to one."""
    got = made.predict_proba(photos)
    expected = made.head.probabilities(pooled(net, [decode(photo) for photo in photos], ADDRESSES))
    np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-12)
    assert got.shape == (3, len(CLASSES))


def test_predictions_are_names(made: Classifier, photos: list[Path]) -> None:
    """Predictions are class names, byte for byte as in ``classes_``."""
    assert tuple(made.classes_) == CLASSES
    np.testing.assert_array_equal(made.predict(photos), made.classes_[made.predict_proba(photos).argmax(axis=1)])


def test_every_kind_of_photo(made: Classifier, chelsea: Path) -> None:
    """A path, bytes, an image and an array of the same photo give the same result."""
    image = Image.open(chelsea).convert("RGB")
    kinds: list[PhotoSource] = [str(chelsea), chelsea.read_bytes(), image, np.asarray(image)]
    rows = made.predict_proba(kinds)
    np.testing.assert_allclose(rows, np.repeat(rows[:1], 4, 0), atol=1e-6)


def test_more_photos_than_a_batch(made: Classifier, chelsea: Path) -> None:
    """The results of several batches are joined in order."""
    assert made.predict_proba(np.array([str(chelsea)] * 9)[:, None]).shape == (9, len(CLASSES))
    assert made.predict_proba([]).shape == (0, len(CLASSES))
    assert made.predict([]).shape == (0,)


@pytest.mark.parametrize("one", ["chelsea.jpg", Path("chelsea.jpg"), b"\xff", np.zeros((9, 9, 3), np.uint8), 3])
def test_one_photo_is_not_several(made: Classifier, one: object) -> None:
    """A single photo where several are expected is refused, not iterated over."""
    with pytest.raises(OptionError, match="expected several photos"):
        made.predict_proba(one)  # type: ignore[arg-type]  # the test passes a wrong type on purpose


def test_the_threshold_makes_none_of_these(photos: list[Path]) -> None:
    """Below the threshold the verdict is None, and the likeliest class is unchanged."""
    strict = classifier(threshold=1.0)
    assert strict.verdict(photos[0]) is None
    assert strict.predict(photos)[0] in CLASSES
    assert classifier(threshold=0.0).verdict(photos[0]) == strict.predict(photos)[0]


def test_score(made: Classifier, photos: list[Path]) -> None:
    """The score is the share of correct predictions."""
    right = list(made.predict(photos))
    assert made.score(photos, right) == 1
    assert made.score(photos, [*right[:2], "nothing"]) == pytest.approx(2 / 3)
    with pytest.raises(OptionError, match="one label per photo"):
        made.score(photos, right[:2])


def test_judging_goes_on_after_a_bad_photo(made: Classifier, photos: list[Path], tmp_path: Path) -> None:
    """An unreadable photo has an error at its position, and the other photos have probabilities."""
    (tmp_path / "bad.jpg").write_bytes(b"hello")
    first, bad, last = made.judge([photos[0], tmp_path / "bad.jpg", photos[2]])
    assert "not a photo" in str(bad.error)
    assert (bad.verdict, bad.probabilities) == (None, {})
    np.testing.assert_allclose(list(first.probabilities.values()), made.predict_proba(photos)[0], atol=1e-6)
    np.testing.assert_allclose(list(last.probabilities.values()), made.predict_proba(photos)[2], atol=1e-6)
    with pytest.raises(PhotoError):
        made.predict([tmp_path / "bad.jpg"])


def test_other_weights_are_refused(made: Classifier, chelsea: Path) -> None:
    """If the installed weights differ from those that the classifier was trained with, the error names both."""
    other = replace(made, weights_sha256="0123456789abcdef" * 4)
    with pytest.raises(ClassifierError, match=rf"0123456789abcdef….*{made.weights_sha256[:16]}…"):
        other.predict([chelsea])


def test_scikit_learn_takes_it_for_a_classifier(made: Classifier, photos: list[Path]) -> None:
    """scikit-learn's tools for prediction work with a classifier."""
    base = pytest.importorskip("sklearn.base")
    metrics = pytest.importorskip("sklearn.metrics")
    labels = made.predict(photos)
    assert base.is_classifier(made)
    assert metrics.get_scorer("accuracy")(made, photos, labels) == 1
    loss = metrics.get_scorer("neg_log_loss")(made, [photos[0]] * len(CLASSES), list(CLASSES))
    np.testing.assert_allclose(loss, np.log(made.predict_proba(photos[:1])).mean(), atol=1e-5)
    assert made.get_params()["weights"] == "bundled"
