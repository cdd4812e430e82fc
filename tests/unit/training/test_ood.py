"""Distances from the photos that a head was trained on, and their effect on probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from godeeper.training.head import Head, fit, points_of
from godeeper.training.ood import TrainingPoints, fit_ellipsoid
from godeeper.training.selection import components_by_module
from godeeper.training.targets import Targets

from .examples import make_features

LABELS = np.arange(300, dtype=np.int64) % 5
GROUPS = np.arange(300)


def made_head(seed: int = 0) -> tuple[Head, dict[str, np.ndarray]]:
    features = make_features(LABELS, 5.0, seed=seed)
    return fit(features, Targets(LABELS, GROUPS, 0), "abcde")[0], features


def test_distances_are_those_of_the_inverse_covariance() -> None:
    """The distances equal Mahalanobis distances computed with NumPy, for three wide directions and one width for all others."""
    chance = np.random.default_rng(0)
    coordinates = np.zeros((400, 12), np.float32)
    coordinates[:, :3] = chance.normal(size=(400, 3)) @ chance.normal(size=(3, 3)) * 5
    lengths = np.square(coordinates).sum(1) + np.float32(9 * 0.2)  # nine directions outside the coordinates
    covariance = coordinates.astype(np.float64).T @ coordinates / 400
    inverse = np.linalg.inv(covariance + np.eye(12) * 9 * 0.2 / 6)  # half of the twelve directions have their own width
    expected = np.einsum("nk,kl,nl->n", coordinates, inverse, coordinates, dtype=np.float64) + 6
    np.testing.assert_allclose(
        fit_ellipsoid(TrainingPoints(coordinates, lengths, 12)).distances(TrainingPoints(coordinates, lengths, 12)),
        expected,
        rtol=1e-4,
    )


def test_the_head_measures_as_the_fit_does() -> None:
    """The head, which uses standardised features, measures the same distances as the fit, which uses coordinates."""
    head, features = made_head()
    assert head.ood_model is not None
    bases = components_by_module(features, head.addresses, 0)
    distances = fit_ellipsoid(points_of(bases)).distances(points_of(bases))
    standard = head.standard(features)
    directions, reach = head.ood_model.directions, head.ood_model.reach
    found = reach * np.square(standard).sum(1) - np.square(standard @ directions.T).sum(1)
    np.testing.assert_allclose(found / found.mean(), distances / distances.mean(), rtol=1e-3)


def test_known_photos_keep_their_probabilities() -> None:
    """At least nine in ten new photos of the same kind keep their probabilities."""
    head, _ = made_head()
    assert head.ood_model is not None
    features = make_features(LABELS, 5.0, seed=0)
    strange = head.ood_model.strangeness(head.standard(features))
    assert (strange == 1).mean() >= 0.9


def test_distant_photos_get_lower_probabilities() -> None:
    """Photos ten times as far from the mean of the training photos are refused; without the OOD model, most are accepted."""
    head, features = made_head()
    assert head.threshold is not None
    far = {address: values.mean(0) + 10 * (values - values.mean(0)) for address, values in features.items()}
    blind = replace(head, ood_model=None)
    assert (blind.probabilities(far).max(1) >= head.threshold).mean() > 0.9
    assert (head.probabilities(far).max(1) >= head.threshold).mean() < 0.1


def test_the_likeliest_class_stays() -> None:
    """The OOD model changes probabilities, but never the likeliest class."""
    head, features = made_head()
    np.testing.assert_array_equal(head.probabilities(features).argmax(1), head.logits(features).argmax(1))
