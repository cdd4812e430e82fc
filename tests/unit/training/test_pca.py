"""The principal components of a module, computed from blocks of rows."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from godeeper.features.table import ROWS_AT_ONCE, FeatureTable, blocks
from godeeper.training.logistic import cross_validate, cross_validated_logits
from godeeper.training.pca import Floats, PrincipalComponents, principal_components
from godeeper.training.selection import ComponentsByModule

MOST = 24


def made_up(count: int, width: int) -> Floats:
    """Return features (count, width) with decreasing spread; the last feature is constant."""
    values = np.random.default_rng(0).standard_normal((count, width)) * 0.9 ** np.arange(width) + 3
    values[:, -1] = 0.5
    return values.astype(np.float16).astype(np.float32)


def standardised(values: Floats, basis: PrincipalComponents) -> np.ndarray:
    """Return the features in double precision, standardised in the same way as for the principal components."""
    answer: np.ndarray = (values.astype(np.float64) - basis.mean) / basis.scale
    return answer


@pytest.mark.parametrize(("count", "width"), [(15, 60), (700, 20), (2 * ROWS_AT_ONCE + 7, 60)])
def test_directions_are_those_of_the_greatest_spread(count: int, width: int) -> None:
    """The components explain as much of the variance as the singular vectors that NumPy computes from all rows."""
    values = made_up(count, width)
    basis = principal_components(partial(blocks, {"x": values}, "x"), MOST, 0)
    standard = standardised(values, basis)
    best = np.square(np.linalg.svd(standard, compute_uv=False)[:MOST]).sum()
    np.testing.assert_allclose(basis.components @ basis.components.T, np.eye(len(basis.components)), atol=1e-5)
    np.testing.assert_allclose(np.square(basis.coordinates, dtype=np.float64).sum(), best, rtol=2e-3)
    np.testing.assert_allclose(basis.coordinates, standard @ basis.components.T, atol=1e-5)
    np.testing.assert_allclose(basis.lengths, np.square(standard).sum(1), rtol=1e-4)


def test_the_disk_gives_the_same_bits() -> None:
    """Half-precision features on disk and the same numbers in memory have the same principal components."""
    values = made_up(ROWS_AT_ONCE + 7, 60)
    tables = FeatureTable({"x": 60}, len(values))
    tables.writable()["x"][:] = values
    found = [principal_components(partial(blocks, features, "x"), MOST, 0) for features in (tables, {"x": values})]
    np.testing.assert_array_equal(found[0].coordinates, found[1].coordinates)
    np.testing.assert_array_equal(found[0].components, found[1].components)
    tables.close()


class Counted(dict[str, Floats]):
    """Features by module, which count how often a module is read."""

    looked = 0

    def __getitem__(self, address: str) -> Floats:
        self.looked += 1
        return super().__getitem__(address)


def test_bases_are_computed_once() -> None:
    """A second request for the same modules does not read the features."""
    features = Counted(x=made_up(60, 20), y=made_up(60, 30))
    bases = ComponentsByModule(features, seed=0)
    first, looked = bases.of(("x",)), features.looked
    assert bases.of(("x",)) is first
    assert features.looked == looked > 0
    assert [len(basis.mean) for basis in bases.of(("y", "x"))] == [30, 20]


def test_several_repeats_equal_single_ones() -> None:
    """Several repeats of cross-validation give the same results whether they are computed together or one by one."""
    coordinates = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)
    labels = np.arange(60, dtype=np.int64) % 3
    deals = [np.arange(60, dtype=np.int64) % 5, np.arange(60, dtype=np.int64) // 12]
    together = cross_validate(coordinates, labels, deals, [1.0])
    for found, folds in zip(together, deals, strict=True):
        np.testing.assert_array_equal(found, cross_validated_logits(coordinates, labels, folds, [1.0]))
