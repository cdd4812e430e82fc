"""The exact statistical tests agree with SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from godeeper.filters.names.statistics import greater, hypergeometric_tail, sign_tail, superiority


@pytest.mark.parametrize(("n", "m", "shift"), [(1, 1, 0.0), (3, 4, 0.5), (12, 5, 0.0), (12, 256, 1.5), (6, 256, 3.0)])
def test_mann_whitney(n: int, m: int, shift: float) -> None:
    """P-value and effect size of the Mann-Whitney test equal those of SciPy's exact test."""
    random = np.random.default_rng(n * m)
    own, others = random.normal(size=n) + shift, random.normal(size=m)
    expected = stats.mannwhitneyu(own, others, alternative="greater", method="exact")
    np.testing.assert_allclose(greater(own, others), expected.pvalue, rtol=1e-12)
    np.testing.assert_allclose(superiority(own, others), expected.statistic / (n * m), rtol=1e-12)


def test_ties_count_against() -> None:
    """Equal values are never significant."""
    assert greater([1.0] * 12, [1.0] * 256) == 1
    assert superiority([1.0] * 12, [1.0] * 256) == 0.5


@pytest.mark.parametrize(
    ("found", "drawn", "marked", "photos"),
    [(0, 12, 10, 100), (3, 12, 10, 100), (12, 12, 12, 100), (900, 1200, 1500, 3000), (5, 9, 6, 10), (0, 0, 5, 10)],
)
def test_hypergeometric(found: int, drawn: int, marked: int, photos: int) -> None:
    """The p-value of the hypergeometric test equals SciPy's."""
    expected = stats.hypergeom.sf(found - 1, photos, marked, drawn)
    np.testing.assert_allclose(hypergeometric_tail(found, drawn, marked, photos), expected, rtol=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(0, 12), (10, 12), (12, 12), (3, 5)])
def test_sign(successes: int, trials: int) -> None:
    """The p-value of the sign test equals that of SciPy's binomial test."""
    expected = stats.binomtest(successes, trials, 0.5, "greater").pvalue
    np.testing.assert_allclose(sign_tail(successes, trials), expected, rtol=1e-12)
