"""The features of one module, standardised, in the coordinates of their leading principal components.

A regularised linear classifier learns from a few hundred directions nearly all that it learns from 2,048,
and many times as fast; with fewer photos than ``most`` nothing at all is left out.  Labels play no part here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .folds import Ints

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Blocks = Callable[[], Iterator[Floats]]

LEAST_SPREAD = 0.1  # of the module's root mean square: a filter that hardly ever fires must not outshout the others
SPARE = 16  # directions computed beyond those kept: they make the kept ones exact (Halko et al., 2011, section 4)
ROUNDS = 2


@dataclass(frozen=True)
class PrincipalComponents:
    """``(x - mean) / scale`` has a mean squared length of one; ``components`` turn it into ``coordinates``.

    ``mean``, ``scale``: (C,).  ``components``: (k, C), orthonormal rows.  ``coordinates``: (N, k), those of the photos.
    ``lengths``: (N,), the squared lengths of the standardised photos, directions that were left out included.
    """

    mean: Floats
    scale: Floats
    components: Floats = field(repr=False)
    coordinates: Floats = field(repr=False)
    lengths: Floats = field(repr=False)


def principal_components(blocks: Blocks, most: int, seed: int) -> PrincipalComponents:
    """The basis of a module with at most ``most`` directions, the greatest spread first.

    Args:
        blocks: called for each pass over the photos, gives their features (N, C) some rows at a time, always the same;
            no more of them than that is ever in memory.
        most: directions.
        seed: of the start of the search for them.
    """
    count, mean, spread = moments(blocks)
    typical = float(np.sqrt(np.mean(spread**2)))
    constant = spread <= 1e-6 * np.abs(mean) + 1e-12
    scale = np.maximum(spread, LEAST_SPREAD * typical) * np.sqrt(len(mean))
    scale[constant] = 1.0
    shift, factor = mean.astype(np.float32), (1 / scale).astype(np.float32)
    factor[constant] = 0.0  # so that no direction leans on it

    def standard() -> Iterator[Floats]:
        for block in blocks():
            centred: Floats = block - shift
            centred *= factor
            yield centred

    components = leading_directions(standard, (count, len(mean)), most, seed)
    coordinates, lengths = [], []
    for block in standard():
        coordinates.append(block @ components.T)
        lengths.append(np.einsum("nc,nc->n", block, block))
    return PrincipalComponents(
        shift, scale.astype(np.float32), components, np.concatenate(coordinates), np.concatenate(lengths)
    )


def moments(blocks: Blocks) -> tuple[int, Doubles, Doubles]:
    """N, and the means (C,) and standard deviations (C,) of (N, C) in double precision."""
    sums, count = 0.0, 0
    for block in blocks():
        sums, count = sums + block.sum(0, dtype=np.float64), count + len(block)
    mean: Doubles = np.asarray(sums) / count
    squares = sum(((block - mean) ** 2).sum(0) for block in blocks())
    return count, mean, np.sqrt(squares / count)


def leading_directions(blocks: Blocks, shape: tuple[int, int], most: int, seed: int) -> Floats:
    """(k, C): the right singular vectors of (N, C) with the greatest singular values, by subspace iteration if many."""
    wanted = min(most, *shape)
    if min(shape) <= most + SPARE:
        return np.ascontiguousarray(right_singular(blocks())[:wanted])
    chance = np.random.default_rng(seed)
    rows = orthonormal(block.T @ chance.standard_normal((len(block), most + SPARE), np.float32) for block in blocks())
    for _ in range(ROUNDS):
        rows = orthonormal(block.T @ (block @ rows) for block in blocks())
    turn = right_singular(block @ rows for block in blocks())
    return np.ascontiguousarray((rows @ turn.T).T[:wanted])


def orthonormal(parts: Iterable[Floats]) -> Floats:
    """(C, k): orthonormal columns that span those of the parts' sum."""
    total = functools.reduce(np.add, parts)
    found: Floats = np.linalg.qr(total)[0]
    return found


def right_singular(blocks: Iterable[Floats]) -> Floats:
    """(min(N, C), C): the right singular vectors of (N, C), those of the greatest values first."""
    found: Floats = np.linalg.svd(functools.reduce(compress, blocks), full_matrices=False)[2]
    return found


def compress(above: Floats, block: Floats) -> Floats:
    """Rows with the singular values and right singular vectors of both, no more of them than columns."""
    both = np.concatenate([above, block])
    return both if len(both) <= both.shape[1] else np.asarray(np.linalg.qr(both, mode="r"))


def balance(labels: Ints) -> NDArray[np.float64]:
    """(N,) weights with which every class counts the same; their mean is one."""
    counts = np.bincount(labels)
    weights: NDArray[np.float64] = len(labels) / ((counts > 0).sum() * counts[labels])
    return weights
