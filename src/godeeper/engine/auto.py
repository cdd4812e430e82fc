"""The engine that is chosen by the work: what was fastest for it where it was measured, and is installed.

ONNX Runtime for one photo, and in single precision, where the two were as fast.  For folders in 8 bits OpenVINO, where
it is there.  docs/decisions/0012 has the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..weights.file import WeightsFile
from .identity import Identity
from .onnxruntime import OnnxRuntimeEngine
from .plan import Key, Plan
from .quantization import QuantizationRanges

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .openvino import OpenVinoEngine


class AutoEngine:
    """Runs a plan with the engine that suits it."""

    def __init__(self, weights: WeightsFile, calibration: QuantizationRanges | None = None) -> None:
        self.weights = weights
        self.calibration = calibration
        self.for_one = OnnxRuntimeEngine(weights, calibration=calibration)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, or one in another process, makes engines of its own."""
        return AutoEngine, (self.weights, self.calibration)

    @cached_property
    def for_many(self) -> OnnxRuntimeEngine | OpenVinoEngine:
        """What runs pooled plans."""
        if self.calibration is None or find_spec("openvino") is None:
            return self.for_one
        from .openvino import OpenVinoEngine

        return OpenVinoEngine(self.weights, calibration=self.calibration)

    def run(self, plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[Key, NDArray[np.float32]]:
        """Every fetched value by its key, (B, C, H, W) or (B, C) float32."""
        return self.chosen(pooled=plan.pooled).run(plan, feeds)

    def identity(self, *, pooled: bool) -> Identity:
        """Who computes."""
        return self.chosen(pooled=pooled).identity(pooled=pooled)

    def is_ready(self, plan: Plan) -> bool:
        """Whether ``plan`` can be run without building or compiling anything first."""
        return self.chosen(pooled=plan.pooled).is_ready(plan)

    def chosen(self, *, pooled: bool) -> OnnxRuntimeEngine | OpenVinoEngine:
        """What runs plans that are pooled, or those that are not."""
        return self.for_many if pooled else self.for_one

    def close(self) -> None:
        """Let go of what either engine holds."""
        self.for_one.close()
        if "for_many" in self.__dict__:
            self.for_many.close()
