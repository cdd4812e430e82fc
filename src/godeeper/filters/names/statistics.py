"""The exact, one-sided tests for names: hypergeometric, Mann-Whitney and sign test; without SciPy.

All p-values are exact tail probabilities.  With a dozen top photos and a correction for 18,000 filters, the normal
approximation would be used far in the tail, where it is invalid.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb, exp, lgamma
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@lru_cache(maxsize=65536)
def hypergeometric_tail(found: int, drawn: int, marked: int, photos: int) -> float:
    """The probability of ``found`` or more marked photos among ``drawn`` of ``photos``, of which ``marked`` are marked.

    >>> round(hypergeometric_tail(3, 3, 5, 10), 6)  # 5/10 · 4/9 · 3/8
    0.083333
    """
    if found <= max(0, drawn + marked - photos):
        return 1.0
    total = 0.0
    for count in range(found, min(drawn, marked) + 1):
        term = exp(log_comb(marked, count) + log_comb(photos - marked, drawn - count) - log_comb(photos, drawn))
        total += term
        if count * photos > drawn * marked and term < total * 1e-15:  # beyond the mode, the terms decrease
            break
    return min(1.0, total)


def log_comb(n: int, k: int) -> float:
    """The logarithm of the binomial coefficient."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def superiority(own: ArrayLike, reference: ArrayLike) -> float:
    """The probability that a value of ``own`` exceeds one of ``reference``; ties count half (Vargha and Delaney's A)."""
    own, ranked = np.asarray(own, np.float64), np.sort(np.asarray(reference, np.float64))
    below = np.searchsorted(ranked, own, "left") + np.searchsorted(ranked, own, "right")
    return float(below.mean() / (2 * len(ranked)))


def greater(own: ArrayLike, reference: ArrayLike) -> float:
    """The one-sided p-value of the exact Mann-Whitney test that ``own`` tends to be greater; ties count against this.

    Mann and Whitney, Annals of Mathematical Statistics 18(1), 1947.

    >>> greater([4, 5], [1, 2, 3])  # one of the 10 ways to place two among five
    0.1
    """
    own, ranked = np.asarray(own, np.float64), np.sort(np.asarray(reference, np.float64))
    shortfall = len(own) * len(ranked) - int(np.searchsorted(ranked, own, "left").sum())
    ways = cumulative_ways(len(own), len(ranked))
    return ways[shortfall] / ways[-1]


@lru_cache(maxsize=64)
def cumulative_ways(n: int, m: int) -> tuple[int, ...]:
    """Entry U is the number of arrangements of n and m values with a Mann-Whitney statistic of at most U.

    The numbers for each U are the coefficients of the Gaussian binomial, Π (1 - q^(m+i)) / (1 - q^i) for i = 1 … n.
    """
    length = n * m + 1
    counts = np.zeros(length, object)
    counts[0] = 1
    for i in range(1, n + 1):
        if m + i < length:
            counts[m + i :] = counts[m + i :] - counts[: -(m + i)]
        for start in range(i):
            counts[start::i] = np.add.accumulate(counts[start::i])
    ways: tuple[int, ...] = tuple(np.add.accumulate(counts).tolist())
    return ways


def sign_tail(successes: int, trials: int) -> float:
    """The one-sided p-value of the sign test: the probability of ``successes`` or more in ``trials`` fair coin tosses.

    >>> sign_tail(5, 5)
    0.03125
    """
    ways = sum(comb(trials, count) for count in range(successes, trials + 1))
    return float(ways / 2**trials)
