"""The torch engine: the same plans, on CUDA where there is one."""

# mypy: disable-error-code="import-not-found,no-any-return"

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...blueprint.sites import sites
from ...weights.file import WeightsFile
from ..forks import in_each_child, unusable
from ..identity import Identity
from ..plan import Key, Plan, sources
from ..quantization import QuantizationRanges
from .network import TorchNetwork
from .operations import torch
from .weights import site_of_kind, to_torch

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TorchEngine:
    """Runs plans with one set of weights: only the operations of the plan, each value dropped after its last use."""

    def __init__(self, weights: WeightsFile, device: str | None = None) -> None:
        """``device``: as torch calls it; the first CUDA device if there is one, else the CPU."""
        self.weights = weights
        self.calibration: QuantizationRanges | None = None  # fp32 only
        in_each_child(compute_alone)
        self.process = os.getpid()
        self.asked = device
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, or one in another process, loads its own module, on a device of that machine."""
        return TorchEngine, (self.weights, self.asked)

    @cached_property
    def module(self) -> TorchNetwork:
        """All operations these weights have numbers for, loaded when first needed."""
        end = site_of_kind(self.weights.network, "softmax" if self.weights.description.labels else "reshape")
        module = to_torch(self.weights, end=end).to(self.device)
        if self.device.type == "cpu":  # two thirds of the time
            module = module.to(memory_format=torch.channels_last)
        return module

    def run(self, plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[Key, NDArray[np.float32]]:
        """Every fetched value by its key, (B, C, H, W) or (B, C) float32."""
        if self.device.type == "cuda" and self.process != os.getpid():  # CUDA itself cannot be used there
            raise unusable("torch")
        self.check_classifier(plan)
        module = self.module  # loaded out of inference mode, in which parameters would lose their gradients
        remaining = last_uses(plan)
        full_precision = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.inference_mode(), full_precision:
            values = {key: self.to_device(feeds[key]) for key in plan.fed}
            for number, key in enumerate(plan.steps):
                values[key] = compute(module, plan, key, values)
                for idle in remaining.get(number, ()):
                    del values[idle]
            return {key: result(plan, values[key]).cpu().contiguous().numpy() for key in plan.fetched}

    def identity(self) -> Identity:
        """Engine and device: results on the CPU and on a GPU differ."""
        return Identity(f"torch-{self.device.type}")

    def is_ready(self, plan: Plan) -> bool:  # noqa: ARG002 (the same for all)
        """Always: no plan needs anything of its own."""
        return True

    def close(self) -> None:
        """Let go of the module; the next run loads it again."""
        self.__dict__.pop("module", None)

    def to_device(self, value: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(np.array(value, np.float32)).to(self.device)

    def check_classifier(self, plan: Plan) -> None:
        """Raise where a plan needs a classifier and the weights have none."""
        every = sites(plan.network)
        if not self.weights.description.labels and any(
            every[index].kind in ("dense", "softmax") for index, _ in plan.steps
        ):
            with self.weights.parameters() as numbers:
                numbers.dense()


def compute_alone() -> None:
    """In a forked process, compute on one thread: OpenMP would wait for threads that the fork has not copied."""
    torch.set_num_threads(1)


def result(plan: Plan, value: torch.Tensor) -> torch.Tensor:
    """A computed value as it comes out of ``plan``."""
    return value.mean((2, 3)) if plan.pooled and value.ndim == 4 else value


def last_uses(plan: Plan) -> dict[int, list[Key]]:
    """Number of a step -> the values that nothing needs after it."""
    every = sites(plan.network)
    last: dict[Key, int] = {}
    for number, key in enumerate(plan.steps):
        last |= dict.fromkeys(sources(every, key, plan.fed), number)
    idle: dict[int, list[Key]] = {}
    for key, number in last.items():
        if key not in plan.fetched:
            idle.setdefault(number, []).append(key)
    return idle


def compute(module: TorchNetwork, plan: Plan, key: Key, values: Mapping[Key, torch.Tensor]) -> torch.Tensor:
    """One step of a plan."""
    index, stage = key
    inputs = [values[source] for source in sources(sites(plan.network), key, plan.fed)]
    if stage in ("batchnorm", "bias") and (index, "conv") not in plan.fed:  # to a plan, one with its convolution
        inputs = [module.operation((index, "conv"))(*inputs)]
    return module.operation(key)(*inputs)
