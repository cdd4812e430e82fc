"""Builds the ONNX graph of a plan and weights.

Batch normalisation is folded into the convolution before it.  The batch size is dynamic.  Values are
(B, C, H, W) float32, named by their address.

With quantization ranges, the tensors that have one are quantized to 8 bits (QuantizeLinear, DequantizeLinear), and so are the
folded kernels of the convolutions that read them, with one scale per filter; engines that recognise the
pairs compute with integers between them.  Source: arXiv:1712.05877.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..blueprint.ops import Conv, Norm, Pool, borders
from ..blueprint.sites import Site, sites
from ..weights.file import Parameters
from .plan import POOLED, Key, Plan, is_flat, name, result_names, sources

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

OPSET = 17
IR_VERSION = 8  # what ONNX Runtime 1.14 and later read


LEVELS = 255  # steps of an unsigned 8-bit value
KERNEL_LEVELS = 127  # steps of a signed 8-bit value on each side of zero
LARGEST_BIAS = 2**30  # in steps of the products: within 32 bits, with headroom for the sum
SMALLEST_STEP = 1e-12  # scale of a filter that is all zeros


def build(plan: Plan, parameters: Parameters, maxima: Mapping[str, float] | None = None) -> bytes:
    """The serialised ONNX model of ``plan``.

    ``maxima``: address -> end of the quantization range, which starts at 0; None: everything in single precision.
    """
    builder = GraphBuilder(plan, parameters, maxima or {})
    for key in plan.steps:
        builder.step(key)
    if plan.pooled:
        builder.pool_fetched()
    graph = helper.make_graph(
        builder.nodes,
        plan.blueprint.name,
        [builder.value(key, name(builder.sites, key)) for key in plan.fed],
        [builder.value(key, result) for key, result in zip(plan.fetched, result_names(plan), strict=True)],
        builder.initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="godeeper"
    )
    payload: bytes = model.SerializeToString()
    return payload


class GraphBuilder:
    """Collects nodes and initializers; each method adds one kind of operation."""

    def __init__(self, plan: Plan, parameters: Parameters, maxima: Mapping[str, float]) -> None:
        self.plan = plan
        self.parameters = parameters
        self.steps = {address: high / LEVELS for address, high in maxima.items()}  # quantization scales
        self.sites = sites(plan.blueprint)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def value(self, key: Key, label: str) -> onnx.ValueInfoProto:
        """The type of a graph's input or output named ``label``; a spatial mean is (B, C)."""
        site = self.sites[key.site]
        shape = site.shape[:1] if is_flat(site) or label.endswith(POOLED) else site.shape
        return helper.make_tensor_value_info(label, TensorProto.FLOAT, ["B", *shape])

    def pool_fetched(self) -> None:
        """Add the spatial means (B, C) of all fetched values that have spatial axes."""
        for key, result in zip(self.plan.fetched, result_names(self.plan), strict=True):
            tensor = name(self.sites, key)
            if result != tensor:
                self.node("GlobalAveragePool", [tensor], f"{result}/grid")  # (B, C, 1, 1)
                self.node("Flatten", [f"{result}/grid"], result)  # (B, C)

    def step(self, key: Key) -> None:
        """Add the operations of ``key``, quantized if it has a range."""
        output = name(self.sites, key)
        if output in self.steps:
            self.compute(key, f"{output}/exact")
            self.quantize(f"{output}/exact", output)
        else:
            self.compute(key, output)

    def quantize(self, exact: str, output: str) -> None:
        """Add the rounding of ``exact`` to 256 levels from zero."""
        zero = f"{output}/zero"
        self.initializers.append(numpy_helper.from_array(np.zeros((), np.uint8), zero))
        scale = [self.constant(f"{output}/step", np.asarray(self.steps[output])), zero]
        self.node("QuantizeLinear", [exact, *scale], f"{output}/8bit")
        self.node("DequantizeLinear", [f"{output}/8bit", *scale], output)

    def compute(self, key: Key, output: str) -> None:
        """Add the operations of ``key``, with the result named ``output``."""
        site, stage = self.sites[key.site], key.stage
        source_keys = sources(self.sites, key, self.plan.fed)
        inputs = [name(self.sites, source) for source in source_keys]
        if stage == "relu":
            self.node("Relu", inputs, output)
        elif stage != "conv" and (site.index, "conv") in self.plan.fed:
            self.affine(site, inputs, output)
        elif isinstance(site.op, Conv):
            quantized = inputs[0] in self.steps and source_keys[0] not in self.plan.fed
            self.conv(site, site.op, inputs, output, folded=stage != "conv", quantized=quantized)
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
            matrix, biases = self.parameters.dense()
            inputs += [self.constant("softmax/weights", matrix), self.constant("softmax/biases", biases)]
            self.node("Gemm", inputs, output)
        else:
            self.node("Softmax", inputs, output, axis=1)

    def conv(self, site: Site, op: Conv, inputs: Sequence[str], output: str, *, folded: bool, quantized: bool) -> None:
        """Add a convolution, raw or with its batch normalisation or bias folded in."""
        kernel = self.parameters.kernel(site)  # (out, in, height, width)
        constants = []
        if not folded:
            constants = [self.constant(f"{output}/kernel", kernel)]
        else:
            norm = self.parameters.batchnorm(site)
            kernel = kernel * norm.scale[:, None, None, None]
            if quantized:
                constants = self.quantized_kernel(kernel, norm.shift, self.steps[inputs[0]], output)
            else:
                constants = [self.constant(f"{output}/kernel", kernel), self.constant(f"{output}/bias", norm.shift)]
        self.node("Conv", [*inputs, *constants], output, **self.window(site, op))

    def quantized_kernel(self, kernel: Floats, bias: Floats, input_step: float, output: str) -> list[str]:
        """A folded kernel as int8 with one symmetric scale per filter, and its bias as int32 with the scale of the products."""
        scale = np.abs(kernel).max(axis=(1, 2, 3)) / KERNEL_LEVELS  # (out,)
        scale = np.maximum(scale, np.abs(bias) / (input_step * LARGEST_BIAS), dtype=np.float32)
        scale = np.maximum(scale, SMALLEST_STEP, dtype=np.float32)
        products = (scale * np.float32(input_step)).astype(np.float32)
        int8_kernel = np.rint(kernel / scale[:, None, None, None]).astype(np.int8)
        int32_bias = np.rint(bias.astype(np.float64) / products).astype(np.int32)
        return [
            self.quantized_constant(f"{output}/kernel", int8_kernel, scale, axis=0),
            self.quantized_constant(f"{output}/bias", int32_bias, products, axis=0),
        ]

    def quantized_constant(self, label: str, values: NDArray[np.signedinteger[Any]], scale: Floats, axis: int) -> str:
        """Store integers with one scale per index along ``axis``; returns the name of the dequantized value."""
        self.initializers.append(numpy_helper.from_array(values, f"{label}/integers"))
        step = self.constant(f"{label}/step", scale)
        zero = f"{label}/zero"
        self.initializers.append(numpy_helper.from_array(np.zeros(len(scale), values.dtype), zero))
        self.node("DequantizeLinear", [f"{label}/integers", step, zero], label, axis=axis)
        return label

    def affine(self, site: Site, inputs: Sequence[str], output: str) -> None:
        """Add the batch normalisation or bias of a raw convolution that is fed."""
        norm = self.parameters.batchnorm(site)
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
        """ONNX's attributes of a sliding window."""
        height, width = self.sites[site.inputs[0]].shape[1:]
        (above, below), (left, right) = borders(op, (height, width))
        return {"kernel_shape": op.kernel, "strides": (op.stride, op.stride), "pads": (above, left, below, right)}

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))

    def constant(self, name: str, values: NDArray[np.float32]) -> str:
        """Store values in the graph; returns their name."""
        self.initializers.append(numpy_helper.from_array(np.asarray(values, np.float32, order="C"), name))
        return name
