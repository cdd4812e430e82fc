"""The PyTorch engine: runs plans on CUDA if it is available, otherwise on the CPU."""

# mypy: disable-error-code="import-not-found,no-any-return"

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


THREADS = 4
"""The number of threads in a pass over many photos; fixed, because the last bits of torch's values depend on it."""

FORKED = [False]


class TorchEngine:
    """Runs plans with one set of weights; frees each value after its last use."""

    def __init__(self, weights: WeightsFile, device: str | None = None) -> None:
        """``device``: the name of a torch device; by default CUDA if it is available, otherwise the CPU."""
        self.weights = weights
        self.calibration: QuantizationRanges | None = None  # fp32 only
        in_each_child(compute_alone)
        self.process = os.getpid()
        self.requested_device = device
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy or an unpickled engine loads its module again, on a device of its machine."""
        return TorchEngine, (self.weights, self.requested_device)

    @cached_property
    def module(self) -> TorchNetwork:
        """The network with these weights, loaded on first use; without a classifier if the weights have none."""
        end = site_of_kind(self.weights.blueprint, "softmax" if self.weights.description.labels else "reshape")
        module = to_torch(self.weights, end=end).to(self.device)
        if self.device.type == "cpu":  # reduces the run time to two thirds
            module = module.to(memory_format=torch.channels_last)
        return module

    def run(self, plan: Plan, feeds: Mapping[Key, NDArray[np.float32]]) -> dict[Key, NDArray[np.float32]]:
        """Key -> fetched value, (B, C, H, W) or (B, C) float32."""
        if self.device.type == "cuda" and self.process != os.getpid():  # CUDA does not work in a forked process
            raise unusable("torch")
        self.check_classifier(plan)
        module = self.module  # load it outside inference mode, where parameters would lose their gradients
        dropped_after = last_uses(plan)
        full_precision = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.inference_mode(), full_precision, threads(THREADS if plan.many_photos else 0):
            values = {key: self.to_device(feeds[key]) for key in plan.fed}
            for number, key in enumerate(plan.steps):
                values[key] = compute(module, plan, key, values)
                for unused in dropped_after.get(number, ()):
                    del values[unused]
            return {key: result(plan, values[key]).cpu().contiguous().numpy() for key in plan.fetched}

    def identity(self) -> Identity:
        """The identity of the engine, which includes the device because results on the CPU and on a GPU differ."""
        return Identity(f"torch-{self.device.type}")

    def is_ready(self, plan: Plan) -> bool:  # noqa: ARG002 (the result is the same for all plans)
        """True, because no plan needs preparation."""
        return True

    def close(self) -> None:
        """Drop the module; the next run loads it again."""
        self.__dict__.pop("module", None)

    def to_device(self, value: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(np.array(value, np.float32)).to(self.device)

    def check_classifier(self, plan: Plan) -> None:
        """Raise ``WeightsError`` if the plan needs a classifier and the weights have none."""
        all_sites = sites(plan.blueprint)
        if not self.weights.description.labels and any(
            all_sites[index].kind in ("dense", "softmax") for index, _ in plan.steps
        ):
            with self.weights.parameters() as parameters:
                parameters.dense()


def compute_alone() -> None:
    """Compute on one thread in a forked process, because OpenMP would wait for threads that it did not inherit."""
    FORKED[0] = True
    torch.set_num_threads(1)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute on ``count`` threads while the block runs, unless it is 0 or this process was forked."""
    before = torch.get_num_threads()
    if count and not FORKED[0]:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def result(plan: Plan, value: torch.Tensor) -> torch.Tensor:
    """The output of ``plan`` for a computed value: its spatial mean in a pooled plan, otherwise the value itself."""
    return value.mean((2, 3)) if plan.pooled and value.ndim == 4 else value


def last_uses(plan: Plan) -> dict[int, list[Key]]:
    """Index of a step -> the keys whose values are not needed after it."""
    all_sites = sites(plan.blueprint)
    last: dict[Key, int] = {}
    for number, key in enumerate(plan.steps):
        last |= dict.fromkeys(sources(all_sites, key, plan.fed), number)
    unused: dict[int, list[Key]] = {}
    for key, number in last.items():
        if key not in plan.fetched:
            unused.setdefault(number, []).append(key)
    return unused


def compute(module: TorchNetwork, plan: Plan, key: Key, values: Mapping[Key, torch.Tensor]) -> torch.Tensor:
    """The value of one step of a plan."""
    raw = Key(key.site, "conv")
    inputs = [values[source] for source in sources(sites(plan.blueprint), key, plan.fed)]
    if key.stage in ("batchnorm", "bias") and raw not in plan.fed:  # such a step of a plan includes the convolution
        inputs = [module.operation(raw)(*inputs)]
    return module.operation(key)(*inputs)
