"""Check that contributions sum to a filter's value, and that the greatest contributors have the greatest effect.

    python -m bench.studies.contributions [--photo examples/chelsea.jpg] [--weights bundled] [--cells 50] [--depth 1] [--off] [--peak]

Takes random filters and cells of each convolution (with ``--peak``, the cell where the filter's value is greatest), and
prints the greatest error of bias + Σ terms, relative to the sum of the terms' magnitudes. With ``--off``, the
engine also computes each value, in one batch, with the five greatest contributors set to zero and with five random ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from godeeper import load
from godeeper.blueprint.address import stages
from godeeper.blueprint.sites import Site, sites
from godeeper.engine.plan import NETWORK_INPUT, Key, output, plan
from godeeper.filters.contributions.levels import Back, Level
from godeeper.network import Network
from godeeper.photos.decode import decode

SWITCHED_OFF = 5


@dataclass(frozen=True)
class Case:
    """One filter at one cell.

    ``error``: the error of the sum, relative to the magnitudes of the terms. ``off_error``: the greatest difference
    between the measured change and the sum of the terms that were switched off, relative to the same magnitudes.
    ``magnitude``, ``positive`` and ``random``: how far the value moves, in magnitude, when five terms are removed: the five
    greatest in magnitude (which may partly cancel), the five greatest positive, or five random ones.
    """

    address: str
    error: float
    off_error: float = 0.0
    magnitude: float = 0.0
    positive: float = 0.0
    random: float = 0.0


def cases(
    network: Network, photo: Any, cells: int, depth: int = 1, seed: int = 0, *, off: bool = False, peak: bool = False
) -> Iterator[Case]:
    """Yield a case for each of ``cells`` random cells of every convolution; every tensor is computed once."""
    all_sites = sites(network.blueprint)
    random = np.random.default_rng(seed)
    values, before_relu = everything(network, photo)
    with network.weights.parameters() as parameters:
        parameters.kernel = lru_cache(maxsize=8)(parameters.kernel)  # type: ignore[method-assign]  # read once, not per cell
        back = Back(all_sites, values, parameters)
        for site in all_sites:
            if site.kind != "conv":
                continue
            for _ in range(cells):
                channel, row, column = (int(random.integers(side)) for side in site.shape)
                if peak:
                    row, column = divmod(int(before_relu[site.index][channel].argmax()), site.shape[2])
                level = back.start(site, channel, (row, column))
                for _ in range(depth - 1):
                    level = back.next(level)
                terms, value = terms_of(level, values), float(before_relu[site.index][channel, row, column])
                error = abs(level.bias + terms.sum() - value) / magnitude(terms)
                if not off:
                    yield Case(f"{site.address}[{channel}]", error)
                    continue
                yield switched_off(network, site, (channel, row, column), values[site.inputs[0]], terms, error, random)


def everything(network: Network, photo: Any) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Return two mappings from a site's index: to its output (C, H, W), and to a convolution's values before the ReLU."""
    all_sites = sites(network.blueprint)
    convolutions = {site.index: Key(site.index, stages(site)[1]) for site in all_sites if site.kind == "conv"}
    outputs = {site.index: output(site) for site in all_sites if site.kind in ("conv", "pool", "norm", "concat")}
    planes = network.preprocess(decode(photo))
    run = network.engine.run(
        plan(network.blueprint, [*outputs.values(), *convolutions.values()]), {NETWORK_INPUT: planes}
    )
    values = {index: run[key][0] for index, key in outputs.items()} | {NETWORK_INPUT.site: planes[0]}
    return values, {index: run[key][0] for index, key in convolutions.items()}


def terms_of(level: Level, values: dict[int, np.ndarray]) -> np.ndarray:
    """The terms of all tensors that are read, concatenated; empty if the ReLUs of all filters in between return zero."""
    terms = [patch.of(values[index]).sum(axis=(1, 2)) for index, patch in level.reads.items()]
    return np.concatenate([np.zeros(0), *terms])


def magnitude(terms: np.ndarray) -> float:
    """The sum of the magnitudes, or 1 if all terms are zero."""
    return float(np.abs(terms).sum()) or 1.0


def switched_off(
    network: Network,
    site: Site,
    cell: tuple[int, int, int],
    read: np.ndarray,
    terms: np.ndarray,
    error: float,
    random: np.random.Generator,
) -> Case:
    """Compute the value in the engine without the greatest contributors, and without random ones."""
    source, key = output(sites(network.blueprint)[site.inputs[0]]), Key(site.index, stages(site)[1])
    count = min(SWITCHED_OFF, len(terms) - 1)
    chosen = [
        np.argsort(-np.abs(terms), kind="stable")[:count],
        np.argsort(-terms, kind="stable")[: min(count, int((terms > 0).sum()))],
        random.choice(len(terms), count, replace=False),
    ]
    batch = np.stack([read] * (1 + len(chosen)))
    for inputs, numbers in zip(batch[1:], chosen, strict=True):
        inputs[numbers] = 0
    whole, *without = network.engine.run(plan(network.blueprint, [key], [source]), {source: batch})[key][
        :, *cell
    ].tolist()
    changes = [whole - value for value in without]
    errors = [abs(change - terms[numbers].sum()) for change, numbers in zip(changes, chosen, strict=True)]
    return Case(f"{site.address}[{cell[0]}]", error, max(errors) / magnitude(terms), *map(abs, changes))


def share_greater(found: Sequence[Case], which: str) -> float:
    """The share of the cases in which the greatest contributors change the value more than random ones."""
    return float(np.mean([getattr(case, which) > case.random for case in found]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", default="examples/chelsea.jpg")
    parser.add_argument("--weights", default="bundled")
    parser.add_argument("--cells", type=int, default=50, help="random cells of each convolution (default: 50)")
    parser.add_argument("--depth", type=int, default=1)
    parser.add_argument("--off", action="store_true", help="also switch contributors off (depth 1)")
    parser.add_argument("--peak", action="store_true", help="take the cell where the filter's value is greatest")
    options = parser.parse_args()
    network = load(weights=options.weights, engine="onnxruntime")
    off = options.off and options.depth == 1
    found = list(cases(network, options.photo, options.cells, options.depth, off=off, peak=options.peak))
    worst = max(found, key=lambda case: case.error)
    print(f"{len(found)} cells: greatest error {worst.error:.2g}, relative to the magnitudes ({worst.address})")
    if off:
        print(f"switched off: greatest error {max(case.off_error for case in found):.2g}")
        for which, text in (
            ("magnitude", "of the greatest magnitude"),
            ("positive", "with the greatest positive values"),
        ):
            print(
                f"the {SWITCHED_OFF} terms {text} change the value more than random terms in {share_greater(found, which):.1%} of the cases"
            )


if __name__ == "__main__":
    main()
