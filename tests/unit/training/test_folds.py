"""Cross-validation folds: groups are not split, and every class is in the training set of every fold."""

from __future__ import annotations

import numpy as np

from godeeper.training.folds import ALWAYS, assign_folds, held_out_folds


def test_groups_stay_whole() -> None:
    """All photos of a group of near-duplicates are in the same fold."""
    random = np.random.default_rng(0)
    groups = random.integers(0, 40, 200)
    folds = assign_folds(groups % 3, groups, seed=1)
    for group in np.unique(groups):
        assert len(set(folds[groups == group].tolist())) == 1


def test_classes_are_spread_evenly() -> None:
    """The folds' numbers of photos of a class differ by at most one."""
    labels = np.arange(103) % 4
    folds = assign_folds(labels, np.arange(103), seed=0)
    for label in range(4):
        counts = np.bincount(folds[labels == label], minlength=5)
        assert np.ptp(counts) <= 1


def test_every_class_is_left_to_learn_from() -> None:
    """The training set of every fold contains all classes; a class with a single group is never held out."""
    labels = np.array([0] * 10 + [1] * 10 + [2] * 6)
    groups = np.array([*range(20), *[20] * 6])
    folds = assign_folds(labels, groups, seed=0)
    assert (folds[labels == 2] == ALWAYS).all()
    for fold in held_out_folds(folds):
        assert set(labels[folds != fold].tolist()) == {0, 1, 2}
