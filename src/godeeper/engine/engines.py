"""The engines by name.  Each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from ..errors import UnknownName
from ..weights.file import WeightsFile
from .plan import Key, Plan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENGINES = {"onnxruntime": ("runner", "Runner"), "torch": ("torch_runner", "TorchRunner")}
"""Name -> the file beside this one, and its class."""


class Engine(Protocol):
    """Carries out plans with one set of weights."""

    weights: WeightsFile

    def run(self, plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[Key, NDArray[np.float32]]:
        """Every fetched value by its key, (B, C, H, W) or (B, C) float32; of a pooled plan, its mean (B, C)."""

    def is_ready(self, plan: Plan) -> bool:
        """Whether ``plan`` can be run without building or compiling anything first."""

    def close(self) -> None:
        """Let go of what is held in memory; the next run makes it anew."""


def engine_named(name: str, weights: WeightsFile) -> Engine:
    """The engine of that name with these weights; raises ``UnknownName``, or ``MissingExtra`` if it is not installed."""
    if name not in ENGINES:
        raise UnknownName("engine", name, ENGINES)
    file, kind = ENGINES[name]
    engine: Engine = getattr(import_module(f".{file}", __package__), kind)(weights)
    return engine
