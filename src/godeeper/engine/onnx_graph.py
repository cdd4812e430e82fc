"""Builds the ONNX graph of a plan with its weights.

Batch normalisation is folded into the convolution before it.  The batch size is dynamic.  Values are
(B, C, H, W) float32, named by the address of the tensor.

Tensors that have a quantization range are rounded to 8 bits by a pair of operators (QuantizeLinear, DequantizeLinear).
The convolutions that read them get folded 8-bit kernels with one scale per filter.  An engine that recognises such
pairs computes with integers between them.  Source: arXiv:1712.05877.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..blueprint.ops import Conv, Norm, Operation, Pool, borders
from ..blueprint.sites import Kind, Site, sites
from ..weights.file import Parameters
from .plan import POOLED, Key, Plan, is_flat, name, result_names, sources

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

OPSET = 17
IR_VERSION = 8  # ONNX Runtime 1.14 and later read it

LEVELS = 255  # steps of an unsigned 8-bit value
KERNEL_LEVELS = 127  # steps of a signed 8-bit value on each side of zero
LARGEST_BIAS = 2**30  # in multiples of its scale; leaves headroom for the sum in 32 bits
SMALLEST_STEP = 1e-12  # the scale of a filter whose weights are all zero

OPERATORS: Mapping[Kind, tuple[str, Mapping[str, int]]] = {
    "concat": ("Concat", {"axis": 1}),
    "average": ("GlobalAveragePool", {}),
    "reshape": ("Flatten", {}),
    "dense": ("Gemm", {}),
    "softmax": ("Softmax", {"axis": 1}),
}
"""Kind of a site without ``op`` -> its ONNX operator and attributes."""


def build(plan: Plan, parameters: Parameters, maxima: Mapping[str, float] | None = None) -> bytes:
    """The serialised ONNX model of ``plan``.

    ``maxima``: address -> upper end of the quantization range, which starts at 0; None for single precision.
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
    """Collects the nodes and initializers of a graph; each method adds one kind of operation."""

    def __init__(self, plan: Plan, parameters: Parameters, maxima: Mapping[str, float]) -> None:
        self.plan = plan
        self.parameters = parameters
        self.steps = {address: high / LEVELS for address, high in maxima.items()}  # quantization scales
        self.sites = sites(plan.blueprint)
        self.fed = {name(self.sites, key) for key in plan.fed}  # the names of fed values, which are not quantized
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def value(self, key: Key, label: str) -> onnx.ValueInfoProto:
        """The declaration of a graph input or output named ``label``; a spatial mean is (B, C)."""
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
        """Add the operations that compute ``key``, and its quantization if it has a range."""
        output = name(self.sites, key)
        if output in self.steps:
            self.compute(key, f"{output}/exact")
            self.quantize(f"{output}/exact", output)
        else:
            self.compute(key, output)

    def quantize(self, exact: str, output: str) -> None:
        """Add the rounding of ``exact`` to 256 levels, the lowest of which is zero."""
        zero = f"{output}/zero"
        self.initializers.append(numpy_helper.from_array(np.zeros((), np.uint8), zero))
        scale = [self.constant(f"{output}/step", np.asarray(self.steps[output])), zero]
        self.node("QuantizeLinear", [exact, *scale], f"{output}/8bit")
        self.node("DequantizeLinear", [f"{output}/8bit", *scale], output)

    def compute(self, key: Key, output: str) -> None:
        """Add the operations that compute ``key``, with the result named ``output``."""
        inputs = [name(self.sites, source) for source in sources(self.sites, key, self.plan.fed)]
        self.operation(self.sites[key.site].op, key, inputs, output)

    @singledispatchmethod
    def operation(self, _op: Operation | None, key: Key, inputs: list[str], output: str) -> None:
        """Add one operation; the type of ``op`` selects the method.  None selects this method."""
        kind = self.sites[key.site].kind
        if kind == "dense":
            matrix, biases = self.parameters.dense()
            inputs = [*inputs, self.constant("softmax/weights", matrix), self.constant("softmax/biases", biases)]
        operator, attributes = OPERATORS[kind]
        self.node(operator, inputs, output, **attributes)

    @operation.register(Conv)
    def conv(self, op: Conv, key: Key, inputs: list[str], output: str) -> None:
        """Add one stage of a convolution."""
        site = self.sites[key.site]
        if key.stage == "relu":
            self.node("Relu", inputs, output)
        elif key.stage == "conv":
            kernel = self.constant(f"{output}/kernel", self.parameters.kernel(site))
            self.node("Conv", [*inputs, kernel], output, **self.window(site, op))
        elif Key(site.index, "conv") in self.plan.fed:
            self.affine(site, inputs, output)
        else:
            constants = self.folded_constants(site, inputs[0], output)
            self.node("Conv", [*inputs, *constants], output, **self.window(site, op))

    @operation.register(Pool)
    def pool(self, op: Pool, key: Key, inputs: list[str], output: str) -> None:
        window = self.window(self.sites[key.site], op)
        if op.reduce == "max":
            self.node("MaxPool", inputs, output, **window)
        else:
            self.node("AveragePool", inputs, output, **window, count_include_pad=int(op.counts_border))

    @operation.register(Norm)
    def norm(self, op: Norm, _key: Key, inputs: list[str], output: str) -> None:
        self.node("LRN", inputs, output, **asdict(op))

    def folded_constants(self, site: Site, source: str, output: str) -> list[str]:
        """Add the kernel and bias of a convolution that includes its batch normalisation or bias; returns their names."""
        norm = self.parameters.batchnorm(site)
        kernel = self.parameters.kernel(site) * norm.scale[:, None, None, None]  # (out, in, height, width)
        if source in self.steps and source not in self.fed:
            return self.quantized_kernel(kernel, norm.shift, self.steps[source], output)
        return [self.constant(f"{output}/kernel", kernel), self.constant(f"{output}/bias", norm.shift)]

    def quantized_kernel(self, kernel: Floats, bias: Floats, input_step: float, output: str) -> list[str]:
        """Add a folded kernel as int8 with one symmetric scale per filter, and its bias as int32; returns their names.

        The bias is added to products of inputs and kernel, so it has the scale of these products.
        """
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
        """Add integers with one scale per index along ``axis``; returns the name of the dequantized value."""
        self.initializers.append(numpy_helper.from_array(values, f"{label}/integers"))
        step = self.constant(f"{label}/step", scale)
        zero = f"{label}/zero"
        self.initializers.append(numpy_helper.from_array(np.zeros(len(scale), values.dtype), zero))
        self.node("DequantizeLinear", [f"{label}/integers", step, zero], label, axis=axis)
        return label

    def affine(self, site: Site, inputs: Sequence[str], output: str) -> None:
        """Add batch normalisation or a bias as a separate operation, after a raw convolution whose value is fed."""
        norm = self.parameters.batchnorm(site)
        scale = self.constant(f"{output}/scale", norm.scale[:, None, None])
        shift = self.constant(f"{output}/shift", norm.shift[:, None, None])
        self.node("Mul", [*inputs, scale], f"{output}/scaled")
        self.node("Add", [f"{output}/scaled", shift], output)

    def window(self, site: Site, op: Conv | Pool) -> dict[str, Sequence[int]]:
        """The ONNX attributes of a sliding window."""
        height, width = self.sites[site.inputs[0]].shape[1:]
        (above, below), (left, right) = borders(op, (height, width))
        return {"kernel_shape": op.kernel, "strides": (op.stride, op.stride), "pads": (above, left, below, right)}

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))

    def constant(self, name: str, values: NDArray[np.floating[Any]]) -> str:
        """Add values to the graph as float32; returns their name."""
        self.initializers.append(numpy_helper.from_array(np.asarray(values, np.float32, order="C"), name))
        return name
