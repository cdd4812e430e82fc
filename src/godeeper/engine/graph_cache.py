"""Builds and caches the ONNX graphs of plans, for the engines that read ONNX."""

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

GRAPH_RECIPE = 3  # increase it when the same plan, weights and ranges give another graph


@dataclass(frozen=True)
class GraphCache:
    """The graphs for one set of weights, in int8 if there are quantization ranges."""

    weights: WeightsFile
    calibration: QuantizationRanges | None = None
    cache: DiskCache = field(default_factory=graph_cache)

    def graph(self, plan: Plan) -> bytes:
        """The serialised graph of ``plan``, from the cache or newly built."""
        return self.cache.load_or_build(self.key(plan), lambda: self.built(plan))

    def built(self, plan: Plan) -> bytes:
        """The serialised graph of ``plan``, newly built."""
        from .onnx_graph import build  # imports onnx, which only this step needs

        with self.weights.parameters() as parameters:
            parameters.check()
            return build(plan, parameters, self.calibration.maxima if self.calibration else None)

    def find(self, plan: Plan) -> Path | bytes:
        """The file with the graph of ``plan``, built if necessary; the serialised graph if the cache cannot store it."""
        path = self.cache.find(self.key(plan))
        if path is not None:
            return path
        graph = self.graph(plan)
        return self.cache.find(self.key(plan)) or graph

    def is_built(self, plan: Plan) -> bool:
        """Whether the graph of ``plan`` is in the cache."""
        return self.cache.path(self.key(plan)).exists()

    def key(self, plan: Plan, *compiled_by: str) -> str:
        """The cache key of a graph: a hash of everything that determines it, including the dialect of the weights.

        ``compiled_by``: everything else that determines a compiled model, for an engine that caches compiled models.
        """
        all_sites = sites(plan.blueprint)
        parts = [
            __version__,
            GRAPH_RECIPE,
            self.weights.sha256,
            [name(all_sites, key) for key in plan.fed],
            result_names(plan),
            self.calibration.sha256 if self.calibration else None,
            *compiled_by,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def graph_inputs(plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Name of a graph input -> its value; other values in ``feeds`` are left out."""
    all_sites = sites(plan.blueprint)
    return {name(all_sites, key): value for key, value in feeds.items() if key in plan.fed}
