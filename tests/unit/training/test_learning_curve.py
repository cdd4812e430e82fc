"""The learning curve rises with the number of photos, and its forecast has a realistic interval."""

from __future__ import annotations

import numpy as np

from godeeper.training.head import select
from godeeper.training.learning_curve import CurvePoint, count_right, forecast, learning_curve
from godeeper.training.metrics import proportion
from godeeper.training.selection import components_by_module, join
from godeeper.training.targets import Targets

from .examples import make_features


def test_curve() -> None:
    """The curve has four points with increasing numbers of photos, each tested on all photos; the last is better than the first."""
    labels, groups = np.arange(240, dtype=np.int64) % 6, np.arange(240)
    features = make_features(labels, 2.5)
    selection = select(features, Targets(labels, groups, 0))
    coordinates = join(components_by_module(features, selection.chosen, seed=0))
    curve = learning_curve(count_right(coordinates, Targets(labels, groups, 0), selection.strength))
    assert [point.photos for point in curve] == [60, 96, 156, 192] or [p.photos for p in curve] == [48, 96, 144, 192]
    assert (curve[-1].accuracy.value or 0) > (curve[0].accuracy.value or 1)
    assert {point.accuracy.n for point in curve} == {240}


def test_forecast_holds_a_power_law() -> None:
    """If the error is 2 / sqrt(photos), the forecast for four times as many photos contains the true value."""
    curve = [CurvePoint(n, proportion(round(4000 * (1 - 2 / n**0.5)), 4000)) for n in (100, 200, 300, 400)]
    found = forecast(curve, 1600)
    assert found is not None
    assert found.low < 1 - 2 / 40 < found.high
    assert found.low < found.value < found.high


def test_fewer_photos_are_less_certain() -> None:
    """A curve that was measured on fewer photos gives a wider forecast interval."""
    widths = []
    for tested in (50, 5000):
        curve = [CurvePoint(n, proportion(tested * (0.6 + n / 2000), tested)) for n in (100, 200, 300, 400)]
        found = forecast(curve, 800)
        assert found is not None
        widths.append(found.high - found.low)
    assert widths[0] > 2 * widths[1]


def test_near_duplicates_are_less_certain() -> None:
    """If four near-duplicates count as one photo, the same curve has wider intervals and a wider forecast interval."""
    counts = np.array([(n, round(200 * (0.6 + n / 2000)), 200) for n in (100, 200, 300, 400)])
    plain, grouped = (learning_curve(counts, worth) for worth in (1.0, 0.25))
    assert [point.accuracy.value for point in plain] == [point.accuracy.value for point in grouped]
    for one, other in zip(plain, grouped, strict=True):
        assert other.accuracy.low < one.accuracy.low < one.accuracy.high < other.accuracy.high
    wide, narrow = forecast(plain, 800, worth=0.25), forecast(plain, 800)
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_two_sizes_are_not_a_curve() -> None:
    """Two different numbers of photos give no forecast."""
    assert forecast([CurvePoint(n, proportion(8, 10)) for n in (5, 5, 8, 8)], 20) is None
