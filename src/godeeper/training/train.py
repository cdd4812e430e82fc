"""Training from a folder of class folders to a classifier with its report.

doctor → split → features → head → report, in this order; but a photo that the doctor has to decode is shown to the
network at once, so that no photo is decoded twice.  Which precision that network is of is settled before, on a sample
(see ``precision``).  What is slow, the features, is kept as it is made, so that a run that was stopped goes on where it was.
"""

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
    """A head, and what heads that had not seen them say of the photos ``tested``.

    ``logits`` and ``calibrated``: (M, classes), before and after the temperature.
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
    """Train and test in the way that ``held_out`` says, and measure what passes of classes left out."""
    trained = train_many(data, held_out) if held_out.by == TEST_SET else train_few(data, held_out)
    unknown = measure_unknown(data, trained.trained, trained.selection, MOST[held_out.by])
    rate = unknown.false_accept_rate if unknown else None
    return replace(trained, head=replace(trained.head, false_accept_rate=rate), unknown=unknown)


def train_many(data: Dataset, held_out: HoldOut) -> Trained:
    """Train on what is no test photo; the test set is never looked at before."""
    is_test = np.array([held_out.sets[photo.pixels_sha256] == "test" for photo in data.photos])
    trained, tested = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    head, selection = data.fit(trained)
    logits, calibrated = head.logits(data.of(tested)), head.calibrated(data.of(tested))
    return Trained(head, selection, None, trained, tested, logits, calibrated, held_out)


def train_few(data: Dataset, held_out: HoldOut) -> Trained:
    """Train on everything; test by repeating all of it, choices included, without some photos in turn."""
    every = np.arange(len(data.labels))
    head, selection = data.fit(every)
    raw, calibrated = data.remember_array(
        "nested",
        every,
        lambda: np.stack(nested_logits(data.features, data.labels, data.groups, data.checkup.classes, data.seed)),
    )
    tested = np.flatnonzero(~np.isnan(raw).any(axis=1))
    return Trained(head, selection, None, every, tested, raw[tested], calibrated[tested], held_out)
