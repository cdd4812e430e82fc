"""The engines by name.  Each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
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
    "auto": ("auto", "AutoEngine"),
    "onnxruntime": ("onnxruntime", "OnnxRuntimeEngine"),
    "openvino": ("openvino", "OpenVinoEngine"),
    "torch": ("torch.engine", "TorchEngine"),
}
"""Name -> the file beside this one, and its class."""

ONLY_FP32 = ("torch",)


class Engine(Protocol):
    """Carries out plans with one set of weights."""

    weights: WeightsFile
    calibration: QuantizationRanges | None

    def run(self, plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[Key, NDArray[np.float32]]:
        """Every fetched value by its key, (B, C, H, W) or (B, C) float32; of a pooled plan, its mean (B, C)."""

    def identity(self, *, pooled: bool) -> Identity:
        """Who computes plans that are pooled, or those that are not."""

    def is_ready(self, plan: Plan) -> bool:
        """Whether ``plan`` can be run without building or compiling anything first."""

    def close(self) -> None:
        """Let go of what is held in memory; the next run makes it again."""


def engine_named(
    name: str, weights: WeightsFile, precision: str = "fp32", calibration: QuantizationRanges | str | Path | None = None
) -> Engine:
    """An engine with these weights.

    Args:
        name: one of ``ENGINES``.
        weights: what it computes with.
        precision: ``fp32``, or ``int8``.
        calibration: of int8, or its file; the one that comes with the weights if not given.

    Raises:
        UnknownName: no such engine, or precision.
        MissingExtra: the engine is not installed.
        WeightsError: there is no calibration for these weights.
        OptionError: the engine does not compute in that precision.
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
