"""Build an index as ``godeeper index`` does, but with random maps instead of the maps of an engine.

    python -m bench.studies.memory_inside FILE.index FOLDER

``memory.py`` runs it as a child process.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from godeeper import load
from godeeper.blueprint.sites import sites
from godeeper.engine.identity import Identity
from godeeper.engine.plan import NETWORK_INPUT, Key, Plan
from godeeper.engine.quantization import QuantizationRanges
from godeeper.filters.index_folder import index_folder
from godeeper.weights.file import WeightsFile

SIDE = 3  # side of a map, in cells


class RandomEngine:
    """An engine whose values are random maps (B, C, SIDE, SIDE)."""

    def __init__(self, weights: WeightsFile) -> None:
        self.weights = weights
        self.calibration: QuantizationRanges | None = None
        self.chance = np.random.default_rng(0)

    def run(self, plan: Plan, feeds: Mapping[Key, np.ndarray]) -> dict[Key, np.ndarray]:
        """Random values for all fetched tensors."""
        photos = len(feeds[NETWORK_INPUT])
        channels = [sites(plan.blueprint)[key.site].shape[0] for key in plan.fetched]
        shapes = [(photos, each, SIDE, SIDE) for each in channels]
        return {key: self.chance.random(shape, np.float32) for key, shape in zip(plan.fetched, shapes, strict=True)}

    def identity(self) -> Identity:
        """A unique identity, so that these values never mix with a network's in the store."""
        return Identity("random")

    def is_ready(self, plan: Plan) -> bool:  # noqa: ARG002 (the result is the same for all plans)
        """Return True."""
        return True

    def close(self) -> None:
        """Do nothing."""


def main() -> None:
    path, folder = sys.argv[1:]
    network = load()
    network.engine = RandomEngine(network.weights)
    index_folder(network, folder, Path(path))


if __name__ == "__main__":
    main()
