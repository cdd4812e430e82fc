"""Cross-validation folds that keep near-duplicates together (stratified group k-fold)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
BoolMask = NDArray[np.bool_]

FOLDS = 5
ALWAYS = -1  # the fold of photos that are never held out


def assign_folds(labels: Ints, groups: Ints, seed: int, count: int = FOLDS) -> Ints:
    """Assign a fold from 0 to ``count - 1`` to each photo; groups stay whole, and classes are spread evenly.

    Every class keeps training photos, whichever fold is held out.  If a whole class would be in a single fold, for example
    because it has only one group, its groups get the fold ``ALWAYS`` and are never held out.

    Args:
        labels: (N,) the class of each photo, from 0.
        groups: (N,) photos with the same number are near-duplicates.
        seed: the seed for the random order of groups of the same size.
        count: the number of folds.

    Returns:
        (N,) int64.
    """
    group = np.unique(groups, return_inverse=True)[1].reshape(-1)
    members = np.zeros((group.max() + 1, labels.max() + 1), np.int64)  # (groups, classes)
    np.add.at(members, (group, labels), 1)
    filled = np.zeros((count, members.shape[1]), np.int64)
    fold = np.zeros(len(members), np.int64)
    shuffled = np.random.default_rng(seed).permutation(len(members))
    for number in shuffled[np.argsort(-members.sum(1)[shuffled], kind="stable")]:
        main = members[number].argmax()
        fold[number] = np.lexsort((filled.sum(1), filled[:, main]))[0]
        filled[fold[number]] += members[number]
    lonely = (filled > 0).sum(0) < 2
    fold[members[:, lonely].any(1)] = ALWAYS
    return fold[group]


def held_out_folds(folds: Ints) -> list[int]:
    """The folds that hold photos, in ascending order."""
    return sorted(set(folds[folds != ALWAYS].tolist()))
