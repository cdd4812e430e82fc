"""The ONNX graph of a plan, from the cache or built again: what engines that read ONNX share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..blueprint.sites import sites
from ..disk_cache import DiskCache, graph_cache
from ..version import __version__
from ..weights.file import WeightsFile
from .plan import Key, Plan, name, result_names
from .quantization import QuantizationRanges

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRAPH_RECIPE = 3  # goes up when the same plan, weights and calibration give another graph


@dataclass(frozen=True)
class GraphCache:
    """Graphs of one set of weights; with a calibration, in 8 bits."""

    weights: WeightsFile
    calibration: QuantizationRanges | None = None
    cache: DiskCache = field(default_factory=graph_cache)

    def graph(self, plan: Plan) -> bytes:
        """The serialised graph of ``plan``, from the cache or built again."""
        key = self.key(plan)
        graph = self.cache.load(key)
        if graph is None:
            from .onnx_graph import build  # imports onnx, which only a first look needs

            with self.weights.parameters() as numbers:
                numbers.check()
                graph = build(plan, numbers, self.calibration.maxima if self.calibration else None)
            self.cache.store(key, graph)
        return graph

    def find(self, plan: Plan) -> Path | bytes:
        """The file of ``graph``'s answer, built if need be; the answer itself where no file can be kept."""
        found = self.cache.find(self.key(plan))
        if found is not None:
            return found
        graph = self.graph(plan)
        return self.cache.find(self.key(plan)) or graph

    def is_built(self, plan: Plan) -> bool:
        """Whether the graph of ``plan`` is in the cache."""
        return self.cache.path(self.key(plan)).exists()

    def key(self, plan: Plan, *compiled_by: str) -> str:
        """Names a graph by all that determines it; the weights' hash covers their dialect.

        ``compiled_by``: what determines the form that an engine has compiled it to.
        """
        every = sites(plan.network)
        parts = [
            __version__,
            GRAPH_RECIPE,
            self.weights.sha256,
            [name(every, key) for key in plan.fed],
            result_names(plan),
            self.calibration.sha256 if self.calibration else None,
            *compiled_by,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def graph_key_name(plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Feeds under the names of the graph's inputs, only those it has."""
    every = sites(plan.network)
    return {name(every, key): value for key, value in feeds.items() if key in plan.fed}
