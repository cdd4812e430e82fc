"""Creates engines by name; each is imported only when it is used.

``auto`` is the engine that was measured to be fastest (docs/decisions/0012): OpenVINO for batches in int8 if it is
installed, and ONNX Runtime for everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from ..errors import OptionError, UnknownName
from ..weights.file import WeightsFile
from .identity import PRECISIONS, Identity
from .plan import Key, Plan
from .quantization import QuantizationRanges, calibration_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

ENGINES = {
    "auto": ("onnxruntime", "OnnxRuntimeEngine"),
    "onnxruntime": ("onnxruntime", "OnnxRuntimeEngine"),
    "openvino": ("openvino", "OpenVinoEngine"),
    "torch": ("torch.engine", "TorchEngine"),
}
"""Name -> (module in this folder, class).  This ``auto`` is for single photos; for batches see ``batch_engine_for``."""

ONLY_FP32 = ("torch",)


class Engine(Protocol):
    """Runs plans with one set of weights."""

    weights: WeightsFile
    calibration: QuantizationRanges | None

    def run(self, plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[Key, NDArray[np.float32]]:
        """Key -> fetched value, (B, C, H, W) or (B, C) float32; in a pooled plan, its spatial mean (B, C)."""

    def identity(self) -> Identity:
        """The identity of the engine, which outputs and cache keys contain."""

    def is_ready(self, plan: Plan) -> bool:
        """Whether ``plan`` can run without building or compiling a graph first."""

    def close(self) -> None:
        """Release open sessions and models; the next run opens them again."""


def engine_named(
    name: str, weights: WeightsFile, precision: str = "fp32", calibration: QuantizationRanges | str | Path | None = None
) -> Engine:
    """The engine called ``name`` with these weights; for ``auto``, the engine for single photos.

    Args:
        name: one of ``ENGINES``.
        weights: the weights to compute with.
        precision: ``fp32`` or ``int8``.
        calibration: the quantization ranges for int8, or their file; by default, those that come with the weights.

    Raises:
        UnknownName: the engine or precision is unknown.
        MissingExtra: the engine is not installed.
        WeightsError: there are no quantization ranges for these weights.
        OptionError: the engine does not support the precision.
    """
    if name not in ENGINES:
        raise UnknownName("engine", name, ENGINES)
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)
    file, kind = ENGINES[name]
    if precision != "fp32" and name in ONLY_FP32:
        raise OptionError(f"engine {name!r} computes in fp32, not in {precision}: use auto, onnxruntime or openvino")
    make = getattr(import_module(f".{file}", __package__), kind)
    engine: Engine = (
        make(weights) if precision == "fp32" else make(weights, calibration=calibration_of(weights, calibration))
    )
    return engine


def batch_engine_for(engine: Engine) -> Engine:
    """The fastest engine for batches with the weights and precision of ``engine``: OpenVINO in int8, or ``engine`` itself."""
    if engine.calibration is None or find_spec("openvino") is None:
        return engine
    from .openvino import OpenVinoEngine

    return OpenVinoEngine(engine.weights, calibration=engine.calibration)
