"""Estimators over photos: scikit-learn's tools accept them, and the features of each photo are computed only once."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import RocCurveDisplay
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

import godeeper
from godeeper import PhotoClassifier, PhotoFeatures
from godeeper.classifier.classifier import Classifier
from godeeper.errors import OptionError, PhotoError, UnknownAddress, UnknownName
from godeeper.features.pipeline import ComputedBatch, Forward, InputBatch

FIRST, SECOND = "mixed/tower_2/conv", "mixed/tower_1/conv_2"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """Twelve photos each of stripes and of checks, with noise."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    paths, labels = [], []
    for number in range(12):
        for label in ("stripes", "checks"):
            y, x = np.mgrid[:64, :80] // (4 + number % 3)
            pattern = (x % 2) if label == "stripes" else (x + y) % 2
            pixels = np.clip(pattern[..., None] * 150 + random.integers(0, 90, (64, 80, 3)), 0, 255).astype(np.uint8)
            path = folder / f"{label}{number}.png"
            Image.fromarray(pixels).save(path)
            paths.append(str(path))
            labels.append(label)
    return paths, labels


@pytest.fixture(scope="module")
def fitted(data: tuple[list[str], list[str]]) -> PhotoClassifier:
    """An estimator fitted on all these photos."""
    return PhotoClassifier(FIRST).fit(*data)


@pytest.fixture
def loaded(fitted: PhotoClassifier, tmp_path: Path) -> Classifier:
    """The estimator's classifier, saved and loaded."""
    fitted.classifier_.save(tmp_path / "x.godeeper")
    return Classifier.load(tmp_path / "x.godeeper")


@pytest.mark.parametrize(
    "form",
    [list, np.array, lambda paths: np.array(paths)[:, None], lambda paths: [Path(path) for path in paths],
     lambda paths: [np.asarray(Image.open(path)) for path in paths], lambda paths: np.stack([np.asarray(Image.open(path)) for path in paths])],
    ids=["list", "array", "column", "paths", "images", "one array of images"],
)  # fmt: skip
def test_forms_of_x(fitted: PhotoClassifier, data: tuple[list[str], list[str]], form: Callable[[Any], Any]) -> None:
    """Lists, arrays, a column, paths and images give the same result."""
    paths = data[0][:4]
    np.testing.assert_allclose(fitted.predict_proba(form(paths)), fitted.predict_proba(paths), atol=1e-6)
    assert PhotoFeatures(FIRST).fit(form(paths)).transform(form(paths)).shape == (4, 32)


def test_a_data_frame(fitted: PhotoClassifier, data: tuple[list[str], list[str]]) -> None:
    """A data frame's column is used, not its column names."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"photo": data[0]})
    for column in (frame, frame["photo"]):
        np.testing.assert_array_equal(fitted.predict(column), fitted.predict(data[0]))
    with pytest.raises(OptionError, match="expected several photos"):
        fitted.predict(pandas.DataFrame({"photo": data[0], "size": 1}))


@pytest.mark.parametrize("wrong", ["a.jpg", np.zeros((3, 2)), np.array([["a", "b"]]), 3, np.zeros((9, 9, 3), np.uint8)])
def test_input_that_is_not_several_photos(fitted: PhotoClassifier, wrong: Any) -> None:
    """A single photo, a table of numbers and two columns are refused with a one-line error."""
    for ask in (
        fitted.predict,
        lambda each: PhotoFeatures(FIRST).fit(each),
        lambda each: PhotoClassifier(FIRST).fit(each, ["a"]),
    ):
        with pytest.raises(OptionError, match="expected several photos"):
            ask(wrong)


def test_it_learns(fitted: PhotoClassifier, data: tuple[list[str], list[str]]) -> None:
    """Scores, probabilities and labels follow scikit-learn's conventions, and are close to those of the saved classifier."""
    paths, labels = data
    assert fitted.score(paths, labels) == 1
    assert list(fitted.classes_) == ["checks", "stripes"]
    np.testing.assert_allclose(fitted.predict_proba(paths).sum(1), 1)
    np.testing.assert_allclose(fitted.predict_proba(paths), fitted.classifier_.predict_proba(paths), atol=1e-3)
    assert fitted.predict_proba([]).shape == (0, 2)
    check_is_fitted(fitted)
    assert is_classifier(fitted)


@pytest.mark.parametrize("kind", [int, bool, str, np.int8])
def test_labels_keep_their_type(data: tuple[list[str], list[str]], kind: Callable[[Any], Any]) -> None:
    """Numeric labels are returned as numbers; the classifier inside the estimator stores them as text."""
    y = np.array([kind(label == "stripes") for label in data[1]])
    made = PhotoClassifier(FIRST).fit(data[0], y)
    assert made.classes_.dtype == y.dtype
    np.testing.assert_array_equal(made.predict(data[0]), y)
    assert made.classifier_.head.classes == tuple(map(str, np.unique(y).tolist()))


@pytest.mark.parametrize(
    ("y", "reason"),
    [(None, "requires y"), (["a"] * 24, "1 class"), (["a", "b"], "inconsistent"), (np.linspace(0, 1, 24), "continuous"),
     (np.zeros((24, 2)), "1d array"), (np.array([None, *["a", "b"] * 11, "a"], dtype=object), "y.0. is missing"),
     (np.array([*["a", "b"] * 11, "a", np.nan], dtype=object), "y.23. is missing"), (np.array(["1", 1] * 12, dtype=object), "several types")],
)  # fmt: skip
def test_invalid_labels(data: tuple[list[str], list[str]], y: Any, reason: str) -> None:
    """Missing, too few, continuous or two-column labels, and labels of a single class, raise scikit-learn's errors."""
    with pytest.raises(ValueError, match=reason):
        PhotoClassifier(FIRST).fit(data[0], y)


def test_no_photos() -> None:
    """With no photos and no labels, the error is about the labels."""
    with pytest.raises(ValueError, match="y holds 0 classes"):
        PhotoClassifier(FIRST).fit([], [])


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"features": []}, OptionError), ({"features": [3]}, OptionError), ({"features": 3}, OptionError),
        ({"features": "mixed_99/join"}, UnknownAddress), ({"seed": 1.5}, OptionError), ({"seed": -1}, OptionError),
        ({"strength": 0}, OptionError), ({"strength": float("nan")}, OptionError), ({"weights": "nothing"}, UnknownName),
        ({"engine": "abacus"}, UnknownName), ({"precision": "int4"}, UnknownName),
    ],
)  # fmt: skip
def test_parameters_are_checked_by_fit(
    data: tuple[list[str], list[str]], parameters: Any, error: type[Exception]
) -> None:
    """Parameters are checked by ``fit`` and not by the constructor, as scikit-learn requires; each error is one line."""
    made = PhotoClassifier(**parameters)
    with pytest.raises(error) as caught:
        made.fit(*data)
    assert "\n" not in str(caught.value)


def test_before_it_is_fitted(data: tuple[list[str], list[str]]) -> None:
    """An unfitted estimator raises scikit-learn's NotFittedError."""
    for ask in (PhotoClassifier().predict, PhotoFeatures().transform):
        with pytest.raises(NotFittedError):
            ask(data[0])
    with pytest.raises(NotFittedError):
        PhotoFeatures().get_feature_names_out()


def test_a_photo_that_cannot_be_read(
    fitted: PhotoClassifier, data: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    """The error for an unreadable photo names that photo."""
    (tmp_path / "bad.jpg").write_bytes(b"hello")
    for ask in (fitted.predict, PhotoFeatures(FIRST).fit(data[0]).transform):
        with pytest.raises(PhotoError, match=r"bad\.jpg"):
            ask([data[0][0], str(tmp_path / "bad.jpg")])
        with pytest.raises(PhotoError, match=r"gone\.jpg"):
            ask([str(tmp_path / "gone.jpg")])


def test_each_photo_is_computed_once(data: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A search over regularisation strengths fits many times, but the network runs only once per photo."""
    computed: list[int] = []
    forward = Forward.__call__

    def counting(self: Forward, batch: InputBatch) -> ComputedBatch:
        computed.append(len(batch.inputs))
        return forward(self, batch)

    monkeypatch.setattr(Forward, "__call__", counting)
    search = GridSearchCV(PhotoClassifier(SECOND), {"strength": [1.0, 100.0]}, cv=3).fit(*data)
    assert search.best_score_ > 0.8
    assert sum(computed) == 24
    assert search.predict(data[0]).shape == (24,)
    assert sum(computed) == 24


def test_the_tools_of_scikit_learn(data: tuple[list[str], list[str]]) -> None:
    """clone, cross-validation, searches over features, pipelines and voting work."""
    paths, labels = np.array(data[0]), np.array(data[1])
    assert cross_val_score(PhotoClassifier(FIRST), paths, labels, cv=3).mean() > 0.8
    assert cross_val_predict(PhotoClassifier(FIRST), paths[:, None], labels, cv=3, method="predict_proba").shape == (
        24,
        2,
    )
    search = GridSearchCV(PhotoClassifier(), {"features": [FIRST, [FIRST, SECOND]]}, cv=2).fit(paths, labels)
    assert search.best_estimator_.selection_.chosen
    pipeline = make_pipeline(PhotoFeatures(FIRST), LogisticRegression())
    assert cross_val_score(pipeline, paths, labels, cv=3).mean() > 0.8
    grid = GridSearchCV(pipeline, {"photofeatures__features": [FIRST, SECOND], "logisticregression__C": [1, 10]}, cv=2)
    assert grid.fit(paths, labels).score(paths, labels) > 0.8
    vote = VotingClassifier([("first", PhotoClassifier(FIRST)), ("second", pipeline)], voting="soft")
    assert vote.fit(paths, labels).score(paths, labels) > 0.8


def test_processes(data: tuple[list[str], list[str]]) -> None:
    """Two loky processes give the same result as one."""
    alone = cross_val_score(PhotoClassifier(FIRST), *data, cv=2)
    np.testing.assert_array_equal(cross_val_score(PhotoClassifier(FIRST), *data, cv=2, n_jobs=2), alone)


@pytest.mark.parametrize(
    "made", [PhotoClassifier(FIRST, seed=3), PhotoFeatures([FIRST, SECOND])], ids=["classifier", "features"]
)
def test_cloned_and_pickled(made: Any, data: tuple[list[str], list[str]]) -> None:
    """An estimator can be cloned and pickled before fitting and after predicting."""
    assert clone(made).get_params() == made.get_params()
    ask = "predict_proba" if isinstance(made, PhotoClassifier) else "transform"
    warm = pickle.loads(pickle.dumps(clone(made))).fit(*data)  # noqa: S301 (our own bytes)
    expected = getattr(warm, ask)(data[0])
    np.testing.assert_array_equal(getattr(pickle.loads(pickle.dumps(warm)), ask)(data[0]), expected)  # noqa: S301 (our own bytes)
    assert not hasattr(clone(warm), "classes_")


def test_names_of_features(data: tuple[list[str], list[str]]) -> None:
    """Each feature column has a name, in data frames too."""
    made = PhotoFeatures([FIRST, SECOND]).fit(data[0])
    names = made.get_feature_names_out()
    assert (names[0], names[32], len(names)) == (f"{FIRST}[0]", f"{SECOND}[0]", 128)
    assert made.transform(data[0][:2]).shape == (2, 128)
    pandas = pytest.importorskip("pandas")
    frame = made.set_output(transform="pandas").transform(data[0][:2])
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(names)


def test_the_default_features(data: tuple[list[str], list[str]], net: godeeper.Network) -> None:
    """The default features are those recommended for the weights."""
    made = PhotoFeatures().fit(data[0])
    assert made.widths_ == {"mixed_4/join": 768}
    expected = net.peek(data[0][0], "mixed_4/join").activations.mean((2, 3))
    np.testing.assert_allclose(made.transform(data[0][:1]), expected, rtol=1e-3, atol=1e-3)


API = [
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_mixin_order",
]
"""scikit-learn's checks that also apply to estimators of photos; its other checks need tables of numbers."""


@pytest.mark.parametrize("check", API)
@pytest.mark.parametrize("made", [PhotoClassifier(), PhotoFeatures()], ids=["classifier", "features"])
def test_checks_of_scikit_learn(made: Any, check: str) -> None:
    """The estimator passes scikit-learn's checks, except those for tables of numbers."""
    getattr(estimator_checks, check)(type(made).__name__, made)


def test_a_loaded_classifier(loaded: Classifier, data: tuple[list[str], list[str]]) -> None:
    """A classifier from ``retrain`` or ``load`` works where a fitted estimator is expected."""
    paths, labels = data
    check_is_fitted(loaded)
    np.testing.assert_array_equal(make_pipeline(loaded).predict(paths), labels)
    calibrated = CalibratedClassifierCV(FrozenEstimator(loaded)).fit(paths, labels)
    assert calibrated.score(paths, labels) == 1
    pytest.importorskip("matplotlib").use("agg")
    assert RocCurveDisplay.from_estimator(loaded, paths, labels).roc_auc == 1


def test_a_classifier_is_cloned_to_an_estimator(loaded: Classifier, data: tuple[list[str], list[str]]) -> None:
    """Cloning a classifier gives an unfitted estimator with the same features."""
    copy = clone(loaded)
    assert isinstance(copy, PhotoClassifier)
    assert (copy.features, copy.weights, copy.precision) == ([FIRST], "bundled", "fp32")
    assert cross_val_score(loaded, *data, cv=3).mean() > 0.8
    assert GridSearchCV(loaded, {"strength": [1.0, 10.0]}, cv=2).fit(*data).best_score_ > 0.8


def test_a_classifier_is_fitted_again(loaded: Classifier, data: tuple[list[str], list[str]]) -> None:
    """``fit`` works in place: a pipeline predicts with the new fit, and the old report is gone."""
    swapped = ["checks" if label == "stripes" else "stripes" for label in data[1]]
    loaded.report_record = {"test_photos": ["a.jpg"]}
    pipeline = make_pipeline(loaded).fit(data[0], swapped)
    np.testing.assert_array_equal(pipeline.predict(data[0]), swapped)
    assert loaded.test_photos == []
    assert loaded.fit(*data) is loaded
    assert loaded.score(*data) == 1
