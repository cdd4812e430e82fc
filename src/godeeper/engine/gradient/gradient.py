"""``GradientEngine``: runs backward plans in ONNX Runtime on the CPU."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...blueprint.sites import sites
from ...cores import core_limit
from ...disk_cache import DiskCache, graph_cache
from ...version import __version__
from ...weights.file import WeightsFile
from ..onnxruntime import Session, SessionCache
from ..plan import Key, is_flat, key_of, name
from .plan import GIVEN, BackwardPlan, Target, backward_plan, result_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...blueprint.address import Tensor

    Floats = NDArray[np.float32]

GRAPH_RECIPE = 2  # increase it when the same plan and weights give another graph


@dataclass(frozen=True)
class BackwardRun:
    """The result of a backward run.

    ``values``: the fetched tensors, (B, C, H, W) or (B, C).  ``gradients``: the gradients with respect to the targets, in the
    targets' shapes; gradients of parameters are sums over the batch.
    """

    values: Mapping[Key, Floats]
    gradients: Mapping[Target, Floats]


class GradientEngine:
    """Runs backward plans with one set of weights, in single precision.  It is thread-safe."""

    def __init__(self, weights: WeightsFile, cache: DiskCache | None = None) -> None:
        self.weights = weights
        self.cache = cache or graph_cache()
        self.sessions = SessionCache[BackwardPlan]()

    def run(self, planned: BackwardPlan, fed: Floats, given: Mapping[Key, Floats]) -> BackwardRun:
        """Run a plan.

        Args:
            planned: see ``backward_plan``.
            fed: the value of the plan's ``fed``, (B, C, H, W).
            given: tensor in the plan's ``of`` -> the gradient of the scalar with respect to that tensor.
        """
        all_sites = sites(planned.blueprint)
        feeds = {name(all_sites, planned.fed): fed} | {name(all_sites, key) + GIVEN: given[key] for key in planned.of}
        results = self.session(planned).run(feeds)
        count = len(planned.fetched)
        return BackwardRun(
            dict(zip(planned.fetched, results[:count], strict=True)),
            dict(zip(planned.wrt, results[count:], strict=True)),
        )

    def of_sum(self, tensor: Tensor, target: Target, channels: tuple[int, ...] | None, fed: Floats) -> Floats:
        """The gradient of the sum over the maps of a tensor's filters, for one photo.

        ``fed``: the network's input, (1, 3, H, W).  ``channels``: the channels of the gradient to return; None means all.
        """
        key = key_of(tensor)
        planned = backward_plan(self.weights.blueprint, [key], [target])
        shape = tensor.site.shape[:1] if is_flat(tensor.site) else tensor.site.shape
        given = np.zeros((1, *shape), np.float32)
        given[:, list(tensor.filters)] = 1
        gradient = self.run(planned, fed, {key: given}).gradients[target]
        return gradient if channels is None else gradient[:, list(channels)]

    def close(self) -> None:
        """Close all sessions; the next run opens a new one."""
        self.sessions.clear()

    def session(self, planned: BackwardPlan) -> Session:
        """The session of a plan, opened if necessary; the least recently used sessions are closed."""
        return self.sessions.session(planned, self.open)

    def open(self, planned: BackwardPlan) -> Session:
        """Open a session of a plan."""
        return Session(self.graph(planned), result_names(planned), core_limit(), many_photos=True)

    def graph(self, planned: BackwardPlan) -> bytes:
        """The serialised graph of a plan, from the cache or newly built."""
        return self.cache.load_or_build(self.key(planned), lambda: self.built(planned))

    def built(self, planned: BackwardPlan) -> bytes:
        """The serialised graph of a plan, newly built."""
        from .graph import build  # imports onnx, which only this step needs

        with self.weights.parameters() as parameters:
            parameters.check()
            return build(planned, parameters)

    def key(self, planned: BackwardPlan) -> str:
        """The cache key of a graph: a hash of everything that determines it."""
        all_sites = sites(planned.blueprint)
        parts = [
            "backward",
            __version__,
            GRAPH_RECIPE,
            self.weights.sha256,
            planned.blueprint.input_size,
            name(all_sites, planned.fed),
            [name(all_sites, each) for each in planned.of],
            result_names(planned),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
