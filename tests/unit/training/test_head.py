"""The head: the informative module is chosen, unusual folders can be trained on, and results are reproducible."""

from __future__ import annotations

import numpy as np
import pytest

from godeeper.errors import OptionError
from godeeper.training.head import fit, held_out_logits, nested_logits, select
from godeeper.training.metrics import softmax
from godeeper.training.targets import Targets

from .examples import Ints, make_features


def count(*photos: int) -> Ints:
    """Return the labels of a data set whose classes have these numbers of photos."""
    return np.repeat(np.arange(len(photos), dtype=np.int64), photos)


def test_the_clearest_module_is_chosen() -> None:
    """The module with the least noisy features scores best by itself and is chosen first."""
    labels = np.arange(200, dtype=np.int64) % 4
    features = make_features(labels, 3.0)
    found = select(features, Targets(labels, np.arange(200), 0))
    clearest = list(features)[1]
    assert found.chosen[0] == clearest
    assert max(found.scores, key=lambda address: found.scores[address][0]) == clearest


def test_modules_that_know_different_things_are_joined() -> None:
    """If one module separates some classes and another module the rest, both are chosen."""
    labels = np.arange(400, dtype=np.int64) % 4
    random = np.random.default_rng(0)
    bits = np.stack([labels % 2, labels // 2], 1) * 4.0
    features = {
        name: (bits[:, [column]] + random.standard_normal((400, 6))).astype(np.float32)
        for column, name in enumerate(["left", "right"])
    }
    assert set(select(features, Targets(labels, np.arange(400), 0)).chosen) == {"left", "right"}


@pytest.mark.parametrize(
    "labels",
    [count(5, 5), count(5, 5, 5), count(1, 1), count(3, 1), count(200, 2), count(30, 30, 1), count(2, 2)],
    ids=["two", "three", "single", "one-single", "unbalanced", "lonely", "pairs"],
)
def test_few_or_unbalanced_photos_train(labels: Ints) -> None:
    """Probabilities are finite with five photos or one photo per class, and for class sizes in a ratio of 100 to 1."""
    features = make_features(labels, 5.0, width=300)
    names = [f"class {number}" for number in range(int(labels.max()) + 1)]
    head, _ = fit(features, Targets(labels, np.arange(len(labels)), 0), names)
    probabilities = head.probabilities(features)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (probabilities.argmax(1) == labels).mean() > 0.9


def test_a_class_of_one_group_is_learned_and_never_held_out() -> None:
    """A class that is a single burst is learned, and its photos have no out-of-fold prediction."""
    labels = count(20, 20, 6)
    groups = np.minimum(np.arange(46), 40)
    features = make_features(labels, 5.0)
    head, selection = fit(features, Targets(labels, groups, 0), "abc")
    assert (head.probabilities(features).argmax(1)[labels == 2] == 2).all()
    assert np.isnan(held_out_logits(features, Targets(labels, groups, 0), selection)[labels == 2]).all()


def test_constant_features_do_not_matter() -> None:
    """A filter whose feature was constant in the training photos has no influence on predictions."""
    labels = np.arange(60, dtype=np.int64) % 3
    features = make_features(labels)
    for values in features.values():
        values[:, :4] = [0, 1, 1e-9, 1e6]
    head, _ = fit(features, Targets(labels, np.arange(60), 0), "abc")
    changed = {address: values.copy() for address, values in features.items()}
    for values in changed.values():
        values[:, :4] += 5
    np.testing.assert_array_equal(head.logits(changed), head.logits(features))
    dead = {address: np.ones_like(values) for address, values in features.items()}
    assert np.isfinite(fit(dead, Targets(labels, np.arange(60), 0), "abc")[0].probabilities(dead)).all()


def test_the_same_seed_gives_the_same_bits() -> None:
    """Two fits with the same seed agree bit for bit, even if the second fit gets the module selection of the first."""
    labels = np.arange(90, dtype=np.int64) % 3
    features = make_features(labels, width=400)
    first, selection = fit(features, Targets(labels, np.arange(90), 7), "abc")
    second, _ = fit(features, Targets(labels, np.arange(90), 7), "abc", selection=selection)
    np.testing.assert_array_equal(first.coefficients, second.coefficients)
    assert (first.temperature, first.threshold) == (second.temperature, second.threshold)
    assert select(features, Targets(labels, np.arange(90), 7)) == selection


def test_the_threshold_keeps_what_it_says() -> None:
    """At least 95 % of held-out photos pass the threshold, but not many more."""
    labels = np.arange(300, dtype=np.int64) % 5
    features = make_features(labels, 5.0)
    head, selection = fit(features, Targets(labels, np.arange(300), 0), "abcde")
    sure = softmax(held_out_logits(features, Targets(labels, np.arange(300), 0), selection) / head.temperature).max(1)
    assert head.threshold is not None
    assert 0.95 <= (sure >= head.threshold).mean() < 0.97


def test_nested_predictions_are_unbiased() -> None:
    """If features are independent of the classes, choosing among eleven modules does not raise the nested accuracy."""
    random = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.int64) % 2
    right = 0
    for _ in range(4):
        features = {str(module): random.standard_normal((60, 20)).astype(np.float32) for module in range(11)}
        right += (nested_logits(features, Targets(labels, np.arange(60), 0), "ab")[0].argmax(1) == labels).sum()
    assert 0.4 < right / 240 < 0.6


@pytest.mark.parametrize(("labels", "classes"), [([0, 0], "a"), ([0, 0], "ab")])
def test_what_cannot_be_learned_is_an_error(labels: list[int], classes: str) -> None:
    """A single class, and a class without photos, give a one-line error."""
    with pytest.raises(OptionError, match="expected at least"):
        fit({"x": np.ones((2, 3), np.float32)}, Targets(np.array(labels), np.arange(2), 0), list(classes))
