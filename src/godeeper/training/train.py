"""Trains a head on a dataset and tests it: on a test set, or by nested cross-validation of the whole procedure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .dataset import Dataset
from .folds import Ints
from .head import Head, Selection, nested_logits
from .split import TEST_SET, HoldOut
from .unknown_classes import MOST, UnknownClasses, measure_unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray


MODULES = "mixed*/join"


@dataclass(frozen=True)
class Trained:
    """A trained head, and logits of tested photos from heads that were not trained on them.

    ``trained``: (N,) the rows of the training photos.  ``tested``: (M,) the rows of the tested photos.  ``logits`` and
    ``calibrated``: (M, classes), before and after the temperature.
    """

    head: Head
    selection: Selection
    unknown: UnknownClasses | None
    trained: Ints
    tested: Ints
    logits: NDArray[np.floating[Any]]
    calibrated: NDArray[np.floating[Any]]
    held_out: HoldOut


def train(data: Dataset, held_out: HoldOut) -> Trained:
    """Train a head, test it as ``held_out`` states, and measure how many photos of unknown classes reach the threshold."""
    trained = with_test_set(data, held_out) if held_out.by == TEST_SET else with_cross_validation(data, held_out)
    unknown = measure_unknown(data, trained.trained, trained.selection, MOST[held_out.by])
    rate = unknown.false_accept_rate if unknown else None
    return replace(trained, head=replace(trained.head, false_accept_rate=rate), unknown=unknown)


def with_test_set(data: Dataset, held_out: HoldOut) -> Trained:
    """Train on all photos outside the test set, and test on the test set, which affects no choice."""
    is_test = np.array([held_out.sets[photo.pixels_sha256] == "test" for photo in data.photos])
    trained, tested = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    head, selection = data.fit(trained)
    logits, calibrated = head.logits(data.of(tested)), head.calibrated(data.of(tested))
    return Trained(head, selection, None, trained, tested, logits, calibrated, held_out)


def with_cross_validation(data: Dataset, held_out: HoldOut) -> Trained:
    """Train on all photos, and test by nested cross-validation, which repeats all choices in each fold."""
    rows = np.arange(len(data.labels))
    head, selection = data.fit(rows)
    raw, calibrated = data.cache_array(
        "nested",
        rows,
        lambda: np.stack(nested_logits(data.features, data.targets, data.checkup.classes)),
    )
    tested = np.flatnonzero(~np.isnan(raw).any(axis=1))
    return Trained(head, selection, None, rows, tested, raw[tested], calibrated[tested], held_out)
