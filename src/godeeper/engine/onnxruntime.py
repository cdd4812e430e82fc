"""The default engine: ONNX Runtime on the CPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..cores import core_limit
from ..disk_cache import DiskCache, graph_cache
from ..lru import LruCache
from ..weights.file import WeightsFile
from .forks import outlive
from .graph_cache import GraphCache, graph_inputs
from .identity import Identity
from .plan import Key, Plan, result_names
from .quantization import QuantizationRanges

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FATAL_ONLY = 4  # log level; errors are raised as exceptions and need no log line
TELEMETRY_OFF = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")
"""Environment variables that turn off telemetry; releases of ONNX Runtime read them when they are imported."""


class Session:
    """A graph that is loaded and ready to run."""

    def __init__(
        self, graph: Path | bytes, fetched: Sequence[str], threads: int = 0, *, many_photos: bool = False
    ) -> None:
        """Load a graph; raises ``FileNotFoundError`` if its file does not exist.

        ``graph``: the graph's file, which takes less memory, or its bytes.  ``threads``: 0 means one per core.
        ``many_photos``: optimise for throughput, at the cost of start-up time and memory.
        """
        onnxruntime = imported()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL_ONLY
        options.enable_cpu_mem_arena = many_photos  # for a single run, the arena would only raise peak memory
        if not many_photos:  # the full level would copy all weights into blocked layouts
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads would busy-wait
        options.intra_op_num_threads = threads
        self.fetched = list(fetched)
        try:
            self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except onnxruntime.capi.onnxruntime_pybind11_state.NoSuchFile as error:
            raise FileNotFoundError(str(error)) from None
        outlive(self.session)

    def run(self, feeds: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The fetched values in order, each (B, C, H, W) or (B, C) float32."""
        values: list[NDArray[np.float32]] = self.session.run(self.fetched, dict(feeds))
        return values


def imported() -> Any:
    """The module onnxruntime, imported with telemetry off.

    With telemetry on, the import writes an identifier to the cache folder.  Environment variables that the user has set
    stay as they are.
    """
    for name in TELEMETRY_OFF:
        os.environ.setdefault(name, "1")
    import onnxruntime

    onnxruntime.set_default_logger_severity(FATAL_ONLY)
    if os.environ[TELEMETRY_OFF[0]] == "1":
        onnxruntime.disable_telemetry_events()
    return onnxruntime


OPEN_SESSIONS = 4
AnyPlan = TypeVar("AnyPlan", bound=Hashable)


class SessionCache(Generic[AnyPlan]):
    """The open sessions of an engine, by plan.  Threads may share it, and a forked process starts with none; see ``forks``."""

    def __init__(self, most: int = OPEN_SESSIONS) -> None:
        """``most``: the maximum number of open sessions; each keeps its weights in memory."""
        self.most = most
        self.start()

    def start(self) -> None:
        """Start without sessions in this process."""
        self.sessions = LruCache[AnyPlan, Session](max_entries=self.most)
        self.lock = Lock()  # so that threads that need the same session open it once
        self.process = os.getpid()

    def session(self, plan: AnyPlan, open_session: Callable[[AnyPlan], Session]) -> Session:
        """The session of ``plan``, opened if necessary; the least recently used sessions are closed."""
        if self.process != os.getpid():
            self.start()
        with self.lock:
            session = self.sessions.get(plan)
            if session is None:
                session = open_session(plan)
                self.sessions.put(plan, session)
                self.sessions.evict()
        return session

    def __contains__(self, plan: object) -> bool:
        return plan in self.sessions

    def __len__(self) -> int:
        return len(self.sessions)

    def clear(self) -> None:
        """Close all sessions."""
        self.sessions.clear()


class OnnxRuntimeEngine:
    """Runs plans with one set of weights, in int8 if there are quantization ranges."""

    def __init__(
        self,
        weights: WeightsFile,
        cache: DiskCache | None = None,
        *,
        calibration: QuantizationRanges | None = None,
        open_sessions: int = OPEN_SESSIONS,
    ) -> None:
        """``open_sessions``: the maximum number of open sessions; each keeps its weights in memory."""
        self.weights = weights
        self.calibration = calibration
        self.graphs = GraphCache(weights, calibration, cache or graph_cache())
        self.open_sessions = open_sessions
        self.sessions = SessionCache[Plan](open_sessions)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy or an unpickled engine opens new sessions."""
        restore = partial(
            OnnxRuntimeEngine,
            self.weights,
            self.graphs.cache,
            calibration=self.calibration,
            open_sessions=self.open_sessions,
        )
        return restore, ()

    def run(self, plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[Key, NDArray[np.float32]]:
        """Key -> fetched value, (B, C, H, W) or (B, C) float32."""
        if not plan.fetched:
            return {}
        many = plan.many_photos or max(map(len, feeds.values()), default=1) > 1
        session = self.session(replace(plan, many_photos=many))
        return dict(zip(plan.fetched, session.run(graph_inputs(plan, feeds)), strict=True))

    def identity(self) -> Identity:
        """The identity of the engine, which outputs and cache keys contain."""
        return Identity("onnxruntime", self.calibration.sha256 if self.calibration else "")

    def is_ready(self, plan: Plan) -> bool:
        """Whether the graph has been built: it is in an open session or in the cache."""
        return plan in self.sessions or self.graphs.is_built(plan)

    def close(self) -> None:
        """Close all sessions; the next run opens a new one."""
        self.sessions.clear()

    def session(self, plan: Plan) -> Session:
        """The session of ``plan``, opened if necessary; the least recently used sessions are closed.

        A plan for many photos has a separate session, because the values of the two sessions differ in the last bits.
        """
        return self.sessions.session(plan, self.open)

    def open(self, plan: Plan) -> Session:
        """Open a session of ``plan``, from memory if another process removes the cached file meanwhile."""
        settings = partial(Session, threads=core_limit(), many_photos=plan.many_photos)
        try:
            return settings(self.graphs.find(plan), result_names(plan))
        except FileNotFoundError:
            return settings(self.graphs.graph(plan), result_names(plan))
