"""The OpenVINO engine: the same graphs, compiled for this processor and kept compiled.

Of one photo the answer is wanted soon, of a folder's many: pooled plans run several pieces of a batch at once, each on
cores of its own.  Single precision means single precision, also where the processor would rather compute in 16 bits.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ..disk_cache import DiskCache, graph_cache
from ..errors import MissingExtra
from ..lru import LruCache
from ..weights.file import WeightsFile
from .forks import outlive, unusable
from .graph_cache import GraphCache, graph_key_name
from .identity import Identity
from .plan import Key, Plan, result_names
from .quantization import QuantizationRanges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

OPEN_MODELS = 4
LARGEST_PIECE = 8  # photos that one request takes
TELEMETRY = "openvino_telemetry"
ONE, MANY = "LATENCY", "THROUGHPUT"


class OpenVinoEngine:
    """Runs plans with one set of weights; with a calibration, in 8 bits."""

    def __init__(
        self, weights: WeightsFile, cache: DiskCache | None = None, *, calibration: QuantizationRanges | None = None
    ) -> None:
        """Raises ``MissingExtra``."""
        self.weights = weights
        self.calibration = calibration
        self.graphs = GraphCache(weights, calibration, cache or graph_cache())
        self.openvino = imported()
        self.core = usable_core()
        self.models = LruCache[Plan, Any](max_entries=OPEN_MODELS)
        self.turn = Lock()  # a model's requests serve one caller at a time

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, or one in another process, loads models of its own."""
        return partial(OpenVinoEngine, self.weights, self.graphs.cache, calibration=self.calibration), ()

    def run(self, plan: Plan, feeds: Mapping[Key, Floats]) -> dict[Key, Floats]:
        """Every fetched value by its key, (B, C, H, W) or (B, C) float32."""
        if not plan.fetched:
            return {}
        usable_core()
        given = {name: np.ascontiguousarray(value, np.float32) for name, value in graph_key_name(plan, feeds).items()}
        with self.turn:
            return dict(zip(plan.fetched, self.answers(self.model(plan), given, result_names(plan)), strict=True))

    def answers(self, queue: Any, given: Mapping[str, Floats], results: list[str]) -> list[Floats]:
        """The results for a batch, in order; its pieces are computed side by side."""
        photos = len(next(iter(given.values())))
        size = min(LARGEST_PIECE, -(-photos // len(queue)))
        pieces: dict[int, list[Floats]] = {}

        def keep(request: Any, start: int) -> None:
            pieces[start] = [request.get_tensor(result).data.copy() for result in results]

        queue.set_callback(keep)
        for start in range(0, photos, size):
            queue.start_async(
                {name: value[start : start + size] for name, value in given.items()}, start, share_inputs=True
            )
        queue.wait_all()
        ordered = [pieces[start] for start in sorted(pieces)]
        return ordered[0] if len(ordered) == 1 else [np.concatenate(parts) for parts in zip(*ordered, strict=True)]

    def identity(self) -> Identity:
        """Engine and precision, which outputs and caches record."""
        return Identity("openvino", self.calibration.sha256 if self.calibration else "")

    def is_ready(self, plan: Plan) -> bool:
        """Whether the model is compiled: loaded, or in the cache."""
        return plan in self.models or self.graphs.cache.path(self.compiled_key(plan)).exists()

    def close(self) -> None:
        """Let go of the compiled models; the next run loads its own."""
        self.models.clear()

    def model(self, plan: Plan) -> Any:
        """The requests of the compiled model for ``plan``, loaded at most once while it is in use."""
        queue = self.models.get(plan)
        if queue is None:
            compiled = self.compiled(plan)
            requests = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") if plan.pooled else 1
            queue = self.openvino.AsyncInferQueue(compiled, requests)
            for threaded in (compiled, queue):
                outlive(threaded)
            self.models.put(plan, queue)
            self.models.evict()
        return queue

    def compiled(self, plan: Plan) -> Any:
        """The compiled model, from the cache or made from the graph."""
        settings, key = settings_for(plan), self.compiled_key(plan)
        stored = self.graphs.cache.load(key)
        if stored is not None:
            try:
                return self.core.import_model(io.BytesIO(stored), "CPU", settings)
            except RuntimeError:  # not for this processor after all: then as if there were none
                pass
        compiled = self.core.compile_model(self.core.read_model(self.graphs.graph(plan)), "CPU", settings)
        self.graphs.cache.store(key, bytes(compiled.export_model().getvalue()))
        return compiled

    def compiled_key(self, plan: Plan) -> str:
        """What the compiled model is stored under."""
        return self.graphs.key(plan, *self.made_for(), *settings_for(plan).values())

    def made_for(self) -> tuple[str, ...]:
        """What a compiled model depends on, apart from the graph."""
        properties = ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES", "RANGE_FOR_STREAMS")
        return self.openvino.get_version(), *(str(self.core.get_property("CPU", each)) for each in properties)


def settings_for(plan: Plan) -> dict[str, str]:
    """How a plan is to be computed, in OpenVINO's words."""
    return {"PERFORMANCE_HINT": MANY if plan.pooled else ONE, "INFERENCE_PRECISION_HINT": "f32"}


def usable_core() -> Any:
    """The core; raises ``OptionError`` in a process that was forked after it was made."""
    core, process = shared_core()
    if process != os.getpid():
        raise unusable("openvino")
    return core


@cache
def shared_core() -> tuple[Any, int]:
    """The core, and the process it was made in.  All engines share it.

    A core installs an alternate signal stack for the calling thread.  Destroying two cores in the order of their
    creation leaves the thread with a stack that is freed, and Ctrl-C then ends in a segmentation fault.
    """
    return imported().Core(), os.getpid()


def imported() -> Any:
    """The package openvino, its telemetry off: at its import it would write an identifier into the user's folder, and
    look for a host to send it to.  Its own modules do without ``openvino_telemetry`` where that is not installed.

    Raises:
        MissingExtra: it is not installed.
    """
    absent = TELEMETRY not in sys.modules
    if absent:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # as Python notes a module that cannot be imported
    try:
        return import_module("openvino")
    except ImportError:
        raise MissingExtra("openvino") from None
    finally:
        if absent:
            sys.modules.pop(TELEMETRY, None)
