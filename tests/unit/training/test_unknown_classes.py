"""The rate at which photos of unknown classes pass is measured with heads that are trained without some classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.unit.training.test_split import made_up

from godeeper.features.store import ResultStore
from godeeper.features.table import TableRows
from godeeper.training.dataset import Dataset
from godeeper.training.head import Selection, fit, select
from godeeper.training.split import CROSS_VALIDATION
from godeeper.training.targets import Targets
from godeeper.training.unknown_classes import MOST, TOGETHER, auroc, leave_classes_out, left_out, measure_unknown

from .examples import make_features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .examples import Ints


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResultStore]:
    with ResultStore(tmp_path / "store.sqlite") as opened:
        yield opened


def made(labels: Ints, distance: float, store: ResultStore) -> tuple[Dataset, Selection]:
    """Return a data set with artificial features, and the selected modules."""
    names = [f"class {number:02}" for number in range(int(labels.max()) + 1)]
    numbers = iter(range(len(labels)))
    checkup = made_up({name: [next(numbers) for _ in range(int((labels == n).sum()))] for n, name in enumerate(names)})
    data = Dataset(checkup, make_features(labels, distance), None, 0, store)
    return data, select(data.features, data.targets)


def test_it_is_a_training_without_the_class(store: ResultStore) -> None:
    """The measured rate equals that of heads trained on a folder without the class."""
    labels = np.repeat(np.arange(4, dtype=np.int64), 40)
    data, selection = made(labels, 2.5, store)
    found = measure_unknown(data, np.arange(160), selection)
    assert found is not None
    rates = []
    for stranger in range(4):
        seen, unseen = np.flatnonzero(labels != stranger), np.flatnonzero(labels == stranger)
        others = np.unique(labels[seen], return_inverse=True)[1]
        head, _ = fit(TableRows(data.features, seen), Targets(others, seen), "abc", selection)
        assert head.threshold is not None
        rates.append((head.probabilities(TableRows(data.features, unseen)).max(1) >= head.threshold).mean())
    assert found.false_accept_rate == pytest.approx(np.mean(rates))
    assert found.classes == ("class 00", "class 01", "class 02", "class 03")


def test_the_class_has_no_part_in_it(store: ResultStore) -> None:
    """The photos of a left-out class do not change the results for the other classes by a single bit."""
    labels = np.repeat(np.arange(4, dtype=np.int64), 20)
    data, selection = made(labels, 2.5, store)
    first = leave_classes_out(data, np.arange(80), selection, [2])
    for values in data.features.values():
        values[labels == 2] = 1e4 * np.random.default_rng(1).random(values[labels == 2].shape)
    second = leave_classes_out(data, np.arange(80), selection, [2])
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.known, second.known)
    assert first.threshold == second.threshold


def test_classes_left_out_together_have_no_part_in_it(store: ResultStore) -> None:
    """If one head is trained without two classes, each of these classes is measured separately with that head."""
    labels = np.repeat(np.arange(10, dtype=np.int64), 12)
    data, selection = made(labels, 2.5, store)
    found = leave_classes_out(data, np.arange(120), selection, [0, 9])
    seen = np.flatnonzero((labels > 0) & (labels < 9))
    head, _ = fit(TableRows(data.features, seen), Targets(labels[seen] - 1, seen), "bcdefghi", selection)
    assert found is not None
    assert found.threshold == head.threshold
    for sure, stranger in zip(found.unknown, (0, 9), strict=True):
        alone = TableRows(data.features, np.flatnonzero(labels == stranger))
        np.testing.assert_array_equal(sure, head.probabilities(alone).max(1))


@pytest.mark.parametrize(
    ("classes", "most", "trainings"),
    [(3, 6, 3), (7, 2, 2), (9, 6, 3), (7, 6, 6), (13, 2, 1), (20, 6, 2), (40, 6, 1)],
)
def test_how_many_trainings_it_takes(classes: int, most: int, trainings: int) -> None:
    """Each class is left out of one head; a head leaves out at most a quarter of all classes, but at least one."""
    parts = left_out(classes, most)
    assert len(parts) == trainings
    assert len({one for part in parts for one in part}) == sum(map(len, parts)) == min(classes, most)
    assert max(map(len, parts)) <= max(1, classes // TOGETHER)


def test_classes_far_apart_are_refused(store: ResultStore) -> None:
    """If classes are far apart, photos of unknown classes pass less often than if classes are similar, and the AUROC is greater."""
    labels = np.repeat(np.arange(5, dtype=np.int64), 40)
    near, far = (measure_unknown(*with_rows(made(labels, distance, store))) for distance in (1.0, 12.0))
    assert near is not None
    assert far is not None
    assert far.false_accept_rate < near.false_accept_rate
    assert far.auroc > max(near.auroc, 0.9)


def with_rows(made: tuple[Dataset, Selection]) -> tuple[Dataset, Ints, Selection]:
    data, selection = made
    return data, np.arange(len(data.labels)), selection


def test_two_classes_have_no_unknown(store: ResultStore) -> None:
    """With two classes, no rate is measured or reported."""
    assert measure_unknown(*with_rows(made(np.repeat(np.arange(2, dtype=np.int64), 20), 3.0, store))) is None


def test_of_many_classes_some_are_left_out(store: ResultStore) -> None:
    """With many classes, only some evenly spread classes are left out, so the cost does not grow with the number of classes."""
    found = measure_unknown(*with_rows(made(np.repeat(np.arange(20, dtype=np.int64), 6), 4.0, store)))
    assert found is not None
    assert len(found.classes) == MOST[CROSS_VALIDATION]
    assert found.classes[0] == "class 00"
    assert found.classes[-1] == "class 19"


@pytest.mark.parametrize(
    ("known", "unknown", "area"),
    [([2, 3], [0, 1], 1.0), ([0, 1], [2, 3], 0.0), ([1, 1], [1, 1], 0.5), ([1, 3], [2], 0.5)],
)
def test_auroc(known: list[float], unknown: list[float], area: float) -> None:
    """AUROC is the share of pairs of a known and an unknown photo in the right order, with ties counted half."""
    assert auroc(np.array(known, float), np.array(unknown, float)) == area
