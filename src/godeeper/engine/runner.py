"""Carries out plans: finds or builds the graph, opens a session, keeps the last few open."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..blueprint.sites import sites
from ..version import __version__
from ..weights.file import WeightsFile
from .cache import GraphCache, cache_folder
from .onnxruntime import Session
from .plan import Key, Plan, name, result_names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPEN_SESSIONS = 4
GRAPH_RECIPE = 1  # goes up when the same plan and weights give another graph


class Runner:
    """Runs plans with one set of weights."""

    def __init__(
        self, weights: WeightsFile, cache: GraphCache | None = None, *, open_sessions: int = OPEN_SESSIONS
    ) -> None:
        """``open_sessions``: how many plans stay ready to run, each with its numbers in memory."""
        self.weights = weights
        self.cache = cache or GraphCache(cache_folder() / "graphs")
        self.open_sessions = open_sessions
        self.sessions: OrderedDict[Plan, Session] = OrderedDict()

    def run(self, plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[Key, NDArray[np.float32]]:
        """Every fetched value by its key, (B, C, H, W) or (B, C) float32."""
        if not plan.fetched:
            return {}
        every = sites(plan.network)
        given = {name(every, key): value for key, value in feeds.items() if key in plan.fed}
        return dict(zip(plan.fetched, self.session(plan).run(given), strict=True))

    def is_ready(self, plan: Plan) -> bool:
        """Whether the graph is built: in an open session, or in the cache."""
        return plan in self.sessions or self.cache.path(self.cache_key(plan)).exists()

    def close(self) -> None:
        """Let go of the open sessions; the next run opens its own."""
        self.sessions.clear()

    def session(self, plan: Plan) -> Session:
        """The session for ``plan``, opened at most once while it is in use."""
        if plan not in self.sessions:
            many = plan.pooled  # means are wanted of whole folders, grids of one photo
            self.sessions[plan] = Session(self.graph(plan), result_names(plan), keeps_memory=many)
            while len(self.sessions) > self.open_sessions:
                self.sessions.popitem(last=False)
        self.sessions.move_to_end(plan)
        return self.sessions[plan]

    def graph(self, plan: Plan) -> bytes:
        """The serialised graph, from the cache or built anew."""
        key = self.cache_key(plan)
        graph = self.cache.load(key)
        if graph is None:
            from .graph import build  # imports onnx, which only a first look needs

            with self.weights.numbers() as numbers:
                numbers.check()
                graph = build(plan, numbers)
            self.cache.store(key, graph)
        return graph

    def cache_key(self, plan: Plan) -> str:
        """Names a graph by all that determines it; the weights' hash covers their dialect."""
        every = sites(plan.network)
        parts = [
            __version__,
            GRAPH_RECIPE,
            self.weights.sha256,
            [name(every, key) for key in plan.fed],
            result_names(plan),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
