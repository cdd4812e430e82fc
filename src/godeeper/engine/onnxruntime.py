"""The default engine: ONNX Runtime on the CPU."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .forks import outlive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FATAL_ONLY = 4  # errors are raised, too
TELEMETRY_OFF = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")
"""Environment variables that ONNX Runtime's releases read when they are imported."""


class Session:
    """A built graph, ready to run."""

    def __init__(
        self, graph: Path | bytes, fetched: Sequence[str], threads: int = 0, *, many_photos: bool = False
    ) -> None:
        """``graph``: its file, which takes less memory than its bytes; raises ``FileNotFoundError`` where that is gone.

        ``threads``: 0 lets ONNX Runtime take one a core.  ``many_photos``: what makes runs faster is done first.
        """
        onnxruntime = imported()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL_ONLY
        options.enable_cpu_mem_arena = many_photos  # if there is only this run, it would only raise the peak
        if not many_photos:  # and numbers in blocks, as the processor takes them, would be a copy of all of them
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads would burn a core
        options.intra_op_num_threads = threads
        self.fetched = list(fetched)
        try:
            self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except onnxruntime.capi.onnxruntime_pybind11_state.NoSuchFile as error:
            raise FileNotFoundError(str(error)) from None
        outlive(self.session)

    def run(self, feeds: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The fetched values, in order, each (B, C, H, W) or (B, C) float32."""
        values: list[NDArray[np.float32]] = self.session.run(self.fetched, dict(feeds))
        return values


def imported() -> Any:
    """The package onnxruntime, its telemetry off: at its import it would write an identifier into the user's cache folder.

    A user who sets one of its variables is not overruled.
    """
    for name in TELEMETRY_OFF:
        os.environ.setdefault(name, "1")
    import onnxruntime

    onnxruntime.set_default_logger_severity(FATAL_ONLY)
    if os.environ[TELEMETRY_OFF[0]] == "1":
        onnxruntime.disable_telemetry_events()
    return onnxruntime
