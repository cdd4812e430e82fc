"""The OpenVINO engine: compiles the ONNX graphs for this processor and caches the compiled models.

Pooled plans usually run on folders, so their models are optimised for throughput: several parts of a batch run in
parallel, each on its own cores.  Other models are optimised for latency.  fp32 is always single precision, even on
processors for which OpenVINO's default is 16 bits.
"""

from __future__ import annotations

import atexit
import io
import os
import sys
import time
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import finalize

import numpy as np

from ..disk_cache import DiskCache, graph_cache
from ..errors import MissingExtra
from ..lru import LruCache
from ..weights.file import WeightsFile
from .forks import outlive, unusable
from .graph_cache import GraphCache, graph_inputs
from .identity import Identity
from .plan import Key, Plan, result_names
from .quantization import QuantizationRanges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

OPEN_MODELS = 4
LARGEST_PART = 8  # photos per request
TELEMETRY = "openvino_telemetry"
ONE, MANY = "LATENCY", "THROUGHPUT"
SETTLING = 0.1  # seconds
DESTROYED: list[float] = []  # when a model was last destroyed, by the monotonic clock


class OpenVinoEngine:
    """Runs plans with one set of weights, in int8 if there are quantization ranges."""

    def __init__(
        self, weights: WeightsFile, cache: DiskCache | None = None, *, calibration: QuantizationRanges | None = None
    ) -> None:
        """Load OpenVINO; raises ``MissingExtra`` if it is not installed."""
        self.weights = weights
        self.calibration = calibration
        self.graphs = GraphCache(weights, calibration, cache or graph_cache())
        self.openvino = imported()
        self.core = usable_core()
        self.models = LruCache[Plan, Any](max_entries=OPEN_MODELS)
        self.lock = Lock()  # only one thread at a time may use an AsyncInferQueue

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy or an unpickled engine loads its models again."""
        return partial(OpenVinoEngine, self.weights, self.graphs.cache, calibration=self.calibration), ()

    def run(self, plan: Plan, feeds: Mapping[Key, Floats]) -> dict[Key, Floats]:
        """Key -> fetched value, (B, C, H, W) or (B, C) float32."""
        if not plan.fetched:
            return {}
        usable_core()
        inputs = {name: np.ascontiguousarray(value, np.float32) for name, value in graph_inputs(plan, feeds).items()}
        with self.lock:
            return dict(zip(plan.fetched, self.infer(self.model(plan), inputs, result_names(plan)), strict=True))

    def infer(self, queue: Any, inputs: Mapping[str, Floats], results: list[str]) -> list[Floats]:
        """The results for a batch in the order of ``results``; parts of the batch are computed in parallel."""
        photos = len(next(iter(inputs.values())))
        size = min(LARGEST_PART, -(-photos // len(queue)))
        parts: dict[int, list[Floats]] = {}

        def keep(request: Any, start: int) -> None:
            parts[start] = [request.get_tensor(result).data.copy() for result in results]

        queue.set_callback(keep)
        for start in range(0, photos, size):
            queue.start_async(
                {name: value[start : start + size] for name, value in inputs.items()}, start, share_inputs=True
            )
        queue.wait_all()
        ordered = [parts[start] for start in sorted(parts)]
        return ordered[0] if len(ordered) == 1 else [np.concatenate(values) for values in zip(*ordered, strict=True)]

    def identity(self) -> Identity:
        """The identity of the engine, which outputs and cache keys contain."""
        return Identity("openvino", self.calibration.sha256 if self.calibration else "")

    def is_ready(self, plan: Plan) -> bool:
        """Whether the model has been compiled: it is loaded or in the cache."""
        return plan in self.models or self.graphs.cache.path(self.compiled_key(plan)).exists()

    def close(self) -> None:
        """Drop all compiled models; the next run loads its model again."""
        self.models.clear()

    def model(self, plan: Plan) -> Any:
        """The request queue of the compiled model of ``plan``, loaded if necessary."""
        queue = self.models.get(plan)
        if queue is None:
            compiled = self.compiled(plan)
            requests = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") if plan.pooled else 1
            queue = self.openvino.AsyncInferQueue(compiled, requests)
            for threaded in (compiled, queue):
                outlive(threaded)
            finalize(queue, note_destroyed).atexit = False
            self.models.put(plan, queue)
            self.models.evict()
        return queue

    def compiled(self, plan: Plan) -> Any:
        """The compiled model of ``plan``, from the cache or newly compiled."""
        settings, key = settings_for(plan), self.compiled_key(plan)
        stored = self.graphs.cache.load(key)
        if stored is not None:
            try:
                return self.core.import_model(io.BytesIO(stored), "CPU", settings)
            except RuntimeError:  # compiled for another processor; compile it again
                pass
        compiled = self.core.compile_model(self.core.read_model(self.graphs.graph(plan)), "CPU", settings)
        self.graphs.cache.store(key, bytes(compiled.export_model().getvalue()))
        return compiled

    def compiled_key(self, plan: Plan) -> str:
        """The cache key of the compiled model."""
        return self.graphs.key(plan, *self.platform(), *settings_for(plan).values())

    def platform(self) -> tuple[str, ...]:
        """The version and processor that a compiled model depends on."""
        properties = ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES", "RANGE_FOR_STREAMS")
        return self.openvino.get_version(), *(str(self.core.get_property("CPU", each)) for each in properties)


def note_destroyed() -> None:
    """Record when a compiled model was destroyed, so that the process waits before it ends."""
    if not DESTROYED:
        atexit.register(wait_for_threads)
    DESTROYED[:] = [time.monotonic()]


def wait_for_threads() -> None:
    """Wait until ``SETTLING`` seconds have passed since a model was destroyed.

    A process that ends sooner can abort in a thread of OpenVINO; on a busy machine, a third of such processes did.
    """
    time.sleep(max(0.0, DESTROYED[0] + SETTLING - time.monotonic()))


def settings_for(plan: Plan) -> dict[str, str]:
    """The OpenVINO settings to compile the model of ``plan``."""
    return {"PERFORMANCE_HINT": MANY if plan.pooled else ONE, "INFERENCE_PRECISION_HINT": "f32"}


def usable_core() -> Any:
    """The shared core; raises ``OptionError`` in a process that was forked after the core was created."""
    core, process = shared_core()
    if process != os.getpid():
        raise unusable("openvino")
    return core


@cache
def shared_core() -> tuple[Any, int]:
    """The core that all engines share, and the process that created it.

    There must be only one: a core installs an alternate signal stack (sigaltstack) for the calling thread.  If two cores
    are destroyed in creation order, the thread keeps a signal stack that has been freed, and SIGINT then crashes.
    """
    return imported().Core(), os.getpid()


def imported() -> Any:
    """The module openvino, imported with telemetry off; raises ``MissingExtra`` if it is not installed.

    With telemetry on, the import writes an identifier into the user's folder and looks up the host to send it to.
    OpenVINO works without the module ``openvino_telemetry``, so the import of that module is made to fail.
    """
    absent = TELEMETRY not in sys.modules
    if absent:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # makes Python raise ImportError for this module
    try:
        return import_module("openvino")
    except ImportError:
        raise MissingExtra("openvino") from None
    finally:
        if absent:
            sys.modules.pop(TELEMETRY, None)
