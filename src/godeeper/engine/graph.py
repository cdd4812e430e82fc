"""A plan and weights, as an ONNX graph.

Batch normalisation is folded into the convolution before it.  The batch size is free.  Values are
(B, C, H, W) float32 and carry the addresses of the blueprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..blueprint.ops import Conv, Norm, Pool, borders
from ..blueprint.sites import Site, sites
from ..weights.file import Numbers
from .plan import POOLED, Key, Plan, is_flat, name, result_names, sources

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPSET = 17
IR_VERSION = 8  # what ONNX Runtime 1.14 and later read


def build(plan: Plan, numbers: Numbers) -> bytes:
    """The serialised ONNX model that carries out ``plan``."""
    builder = Builder(plan, numbers)
    for key in plan.steps:
        builder.step(key)
    if plan.pooled:
        builder.pool_fetched()
    graph = helper.make_graph(
        builder.nodes,
        plan.network.name,
        [builder.value(key, name(builder.sites, key)) for key in plan.fed],
        [builder.value(key, result) for key, result in zip(plan.fetched, result_names(plan), strict=True)],
        builder.initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="godeeper"
    )
    payload: bytes = model.SerializeToString()
    return payload


class Builder:
    """Collects nodes and numbers; each method adds one kind of operation."""

    def __init__(self, plan: Plan, numbers: Numbers) -> None:
        self.plan = plan
        self.numbers = numbers
        self.sites = sites(plan.network)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def value(self, key: Key, label: str) -> onnx.ValueInfoProto:
        """The description of a graph's input or output, called ``label``; the mean of a tensor has no grid."""
        site = self.sites[key[0]]
        shape = site.shape[:1] if is_flat(site) or label.endswith(POOLED) else site.shape
        return helper.make_tensor_value_info(label, TensorProto.FLOAT, ["B", *shape])

    def pool_fetched(self) -> None:
        """Add what computes the means (B, C) of everything fetched that has a grid."""
        for key, result in zip(self.plan.fetched, result_names(self.plan), strict=True):
            tensor = name(self.sites, key)
            if result != tensor:
                self.node("GlobalAveragePool", [tensor], f"{result}/grid")  # (B, C, 1, 1)
                self.node("Flatten", [f"{result}/grid"], result)  # (B, C)

    def step(self, key: Key) -> None:
        """Add what computes ``key``."""
        site, stage = self.sites[key[0]], key[1]
        inputs = [name(self.sites, source) for source in sources(self.sites, key, self.plan.fed)]
        output = name(self.sites, key)
        if stage == "relu":
            self.node("Relu", inputs, output)
        elif stage != "conv" and (site.index, "conv") in self.plan.fed:
            self.line(site, inputs, output)
        elif isinstance(site.op, Conv):
            self.conv(site, site.op, inputs, output, folded=stage != "conv")
        elif isinstance(site.op, Pool):
            self.pool(site, site.op, inputs, output)
        elif isinstance(site.op, Norm):
            self.node("LRN", inputs, output, **asdict(site.op))
        elif site.kind == "concat":
            self.node("Concat", inputs, output, axis=1)
        elif site.kind == "average":
            self.node("GlobalAveragePool", inputs, output)
        elif site.kind == "reshape":
            self.node("Flatten", inputs, output)
        elif site.kind == "dense":
            matrix, biases = self.numbers.dense()
            inputs += [self.constant("softmax/weights", matrix), self.constant("softmax/biases", biases)]
            self.node("Gemm", inputs, output)
        else:
            self.node("Softmax", inputs, output, axis=1)

    def conv(self, site: Site, op: Conv, inputs: Sequence[str], output: str, *, folded: bool) -> None:
        """A convolution, with what follows it (batch normalisation or a bias) folded in, or raw."""
        kernel = self.numbers.kernel(site)  # (out, in, height, width)
        parameters = []
        if folded:
            norm = self.numbers.batchnorm(site)
            kernel = kernel * norm.scale[:, None, None, None]
            parameters = [self.constant(f"{output}/bias", norm.shift)]
        parameters = [self.constant(f"{output}/kernel", kernel), *parameters]
        self.node("Conv", [*inputs, *parameters], output, **self.window(site, op))

    def line(self, site: Site, inputs: Sequence[str], output: str) -> None:
        """Batch normalisation, or the bias, of a raw convolution that was fed."""
        norm = self.numbers.batchnorm(site)
        scale = self.constant(f"{output}/scale", norm.scale[:, None, None])
        shift = self.constant(f"{output}/shift", norm.shift[:, None, None])
        self.node("Mul", [*inputs, scale], f"{output}/scaled")
        self.node("Add", [f"{output}/scaled", shift], output)

    def pool(self, site: Site, op: Pool, inputs: Sequence[str], output: str) -> None:
        window = self.window(site, op)
        if op.reduce == "max":
            self.node("MaxPool", inputs, output, **window)
        else:
            self.node("AveragePool", inputs, output, **window, count_include_pad=int(op.counts_border))

    def window(self, site: Site, op: Conv | Pool) -> dict[str, Sequence[int]]:
        """ONNX's attributes for a sliding window."""
        height, width = self.sites[site.inputs[0]].shape[1:]
        (above, below), (left, right) = borders(op, (height, width))
        return {"kernel_shape": op.kernel, "strides": (op.stride, op.stride), "pads": (above, left, below, right)}

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))

    def constant(self, name: str, values: NDArray[np.float32]) -> str:
        """Store numbers in the graph; answers their name."""
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name
