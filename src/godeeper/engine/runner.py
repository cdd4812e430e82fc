"""Carries out plans with ONNX Runtime: opens a session for a plan's graph, keeps the last few open."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..disk_cache import GraphCache, graph_cache
from ..weights.file import WeightsFile
from .graph_cache import Graphs, named
from .identity import Identity
from .onnxruntime import Session
from .plan import Key, Plan, result_names
from .quantization import Calibration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPEN_SESSIONS = 4


class Runner:
    """Runs plans with one set of weights; with a calibration, in 8 bits."""

    def __init__(
        self,
        weights: WeightsFile,
        cache: GraphCache | None = None,
        *,
        calibration: Calibration | None = None,
        open_sessions: int = OPEN_SESSIONS,
    ) -> None:
        """``open_sessions``: how many plans stay ready to run, each with its numbers in memory."""
        self.weights = weights
        self.calibration = calibration
        self.graphs = Graphs(weights, calibration, cache or graph_cache())
        self.open_sessions = open_sessions
        self.sessions: OrderedDict[Plan, Session] = OrderedDict()
        self.process = os.getpid()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, or one in another process, opens sessions of its own."""
        made = partial(
            Runner, self.weights, self.graphs.cache, calibration=self.calibration, open_sessions=self.open_sessions
        )
        return made, ()

    def run(self, plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[Key, NDArray[np.float32]]:
        """Every fetched value by its key, (B, C, H, W) or (B, C) float32."""
        if not plan.fetched:
            return {}
        many = plan.pooled or max(map(len, feeds.values()), default=1) > 1  # means are wanted of whole folders
        return dict(zip(plan.fetched, self.session(plan, many_photos=many).run(named(plan, feeds)), strict=True))

    def identity(self, *, pooled: bool) -> Identity:  # noqa: ARG002 (the same for both)
        """Who computes."""
        return Identity("onnxruntime", self.calibration.sha256 if self.calibration else "")

    def is_ready(self, plan: Plan) -> bool:
        """Whether the graph is built: in an open session, or in the cache."""
        return plan in self.sessions or self.graphs.is_built(plan)

    def close(self) -> None:
        """Let go of the open sessions; the next run opens its own."""
        self.sessions.clear()

    def session(self, plan: Plan, *, many_photos: bool = False) -> Session:
        """The session for ``plan``, opened at most once while it is in use."""
        self.leave_inherited()
        if plan not in self.sessions:
            self.sessions[plan] = self.open(plan, many_photos=many_photos)
            while len(self.sessions) > self.open_sessions:
                self.sessions.popitem(last=False)
        self.sessions.move_to_end(plan)
        return self.sessions[plan]

    def leave_inherited(self) -> None:
        """In a forked process, begin with no session; see ``forks``."""
        if self.process != os.getpid():
            self.sessions, self.process = OrderedDict(), os.getpid()

    def open(self, plan: Plan, *, many_photos: bool) -> Session:
        """A session for ``plan``; where another process clears the cache meanwhile, without a file."""
        try:
            return Session(self.graphs.find(plan), result_names(plan), many_photos=many_photos)
        except FileNotFoundError:
            return Session(self.graphs.graph(plan), result_names(plan), many_photos=many_photos)
