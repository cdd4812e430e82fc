"""Classes that can be recognised by the edges of their photos."""

from __future__ import annotations

import numpy as np
import pytest

from godeeper.training.background_bias import BiasedClass, background_biases, remarks
from godeeper.training.targets import Targets

NAMES = ("on red", "anywhere", "elsewhere")


def made_edges(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the colours of the photos' edges: red for the first class, random for all other classes."""
    chance = np.random.default_rng(seed)
    edges = np.concatenate([chance.uniform(0, 255, (len(labels), 3)), chance.uniform(0, 60, (len(labels), 3))], 1)
    red = np.array([200, 30, 40, 2, 2, 2]) + chance.normal(0, 3, (len(labels), 6))
    return np.where((labels == 0)[:, None], red, edges).astype(np.float32)


@pytest.mark.parametrize("count", [60, 3000])
def test_a_background_of_one_colour_is_reported(count: int) -> None:
    """A class whose photos all have red edges is reported, with few and with many photos, and no other class is."""
    labels = np.arange(count) % 3
    found = background_biases(made_edges(labels), Targets(labels, np.arange(count)), NAMES)
    assert [each.label for each in found] == ["on red"]
    assert found[0].photos == count // 3
    (line,) = remarks(found)
    assert "class 'on red'" in line


def test_many_backgrounds_are_one_line() -> None:
    """One remark names the first classes and counts the others; without such classes, there is no remark."""
    (line,) = remarks([BiasedClass(f"class {number}", 12, 12, 0) for number in range(168)])
    assert "and 165 more" in line
    assert remarks([]) == ()


def test_near_duplicates_do_not_classify_each_other() -> None:
    """If each photo has a copy and backgrounds are random, no class is reported, because copies are left out."""
    labels = np.repeat(np.arange(40) % 2, 2)
    edges = np.repeat(made_edges(np.ones(40, np.int64)), 2, axis=0)
    assert background_biases(edges, Targets(labels, np.repeat(np.arange(40), 2)), NAMES[1:]) == ()


def test_for_few_photos_nothing_is_reported() -> None:
    """Nine photos with red edges may be due to chance, so nothing is reported."""
    labels = np.arange(27) % 3
    assert background_biases(made_edges(labels), Targets(labels, np.arange(27)), NAMES) == ()
