"""Builds the ONNX graph of a backward run: the forward operations, then their adjoints in reverse order.

The adjoint of an operation takes the gradient of a scalar with respect to the operation's output and returns the
gradient with respect to its input (reverse-mode differentiation; Griewank and Walther, Evaluating Derivatives, 2008).
Kinks are treated as in PyTorch: the gradient of a ReLU at 0 is zero.  Among equal maxima in a window of a max pool, the
first in row-major order gets the gradient.

Names in the graph: ``ADDRESS`` for values, ``ADDRESS/given`` for the gradients that are fed, ``ADDRESS/gradient`` for results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnx import TensorProto, helper

from ...blueprint.ops import Conv, Pool
from ...blueprint.sites import Site
from ...weights.file import Parameters
from ..onnx_graph import IR_VERSION, OPSET
from ..plan import Key, Plan, name, sources
from .adjoints import Adjoints
from .plan import GIVEN, BackwardPlan, Parameter, Target, target_name

if TYPE_CHECKING:
    import onnx


def build(planned: BackwardPlan, parameters: Parameters) -> bytes:
    """The serialised ONNX model of a backward run; its outputs are the fetched values, then the gradients."""
    builder = BackwardBuilder(planned, parameters)
    for key in planned.steps:
        builder.step(key)
    builder.backward()
    graph = helper.make_graph(
        builder.nodes,
        f"{planned.blueprint.name} backward",
        [builder.value(planned.fed, name(builder.sites, planned.fed))]
        + [builder.value(key, name(builder.sites, key) + GIVEN) for key in planned.of],
        [builder.value(key, name(builder.sites, key)) for key in planned.fetched]
        + [builder.declared(target) for target in planned.wrt],
        builder.initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="godeeper"
    )
    payload: bytes = model.SerializeToString()
    return payload


class BackwardBuilder(Adjoints):
    """Collects the operations of the forward run, and then those of the backward run."""

    def __init__(self, planned: BackwardPlan, parameters: Parameters) -> None:
        super().__init__(Plan(planned.blueprint, (planned.fed,), planned.steps, planned.of), parameters, {})
        self.planned = planned
        self.path = planned.on_path()
        self.gradients: dict[Key, list[str]] = {key: [name(self.sites, key) + GIVEN] for key in planned.of}
        """Tensor -> the names of the gradients that its readers pass back; their sum is the tensor's gradient."""
        self.results: dict[Target, list[str]] = {}
        """Target -> the names of the values whose sum is its gradient."""
        self.normalised = {each.site for each in planned.wrt if isinstance(each, Parameter) and each.name == "scale"}
        """The sites whose value between normalisation and scale is needed."""

    def declared(self, target: Target) -> onnx.ValueInfoProto:
        """The declaration of the output for a target."""
        label = target_name(self.planned, target)
        if not isinstance(target, Parameter):
            return self.value(target, label)
        site = self.sites[target.site]
        shape = self.parameters.file.expected[f"{site.address}/conv2d_params"]
        shape = shape if target.name == "kernel" else shape[:1]
        return helper.make_tensor_value_info(label, TensorProto.FLOAT, list(shape))

    # Forward operations that the backward run needs in another form.

    def compute(self, key: Key, output: str) -> None:
        """Add a forward operation."""
        site = self.sites[key.site]
        inputs = [name(self.sites, source) for source in sources(self.sites, key, self.plan.fed)]
        if isinstance(site.op, Conv) and key.stage == "batchnorm" and site.index in self.normalised:
            self.normalise(site, site.op, inputs, output)
        elif isinstance(site.op, Pool) and site.op.reduce == "max" and key in self.path:
            window: dict[str, Any] = {**self.window(site, site.op)}
            self.nodes.append(helper.make_node("MaxPool", inputs, [output, f"{output}/indices"], name=output, **window))
        else:
            self.operation(site.op, key, inputs, output)

    def normalise(self, site: Site, op: Conv, inputs: list[str], output: str) -> None:
        """Add a convolution with mean 0 and variance 1, then the scale and shift (gamma and beta)."""
        gamma, beta, mean, deviation = self.parameters.normalisation(site)
        kernel = self.parameters.kernel(site) / deviation[:, None, None, None]
        self.constant(f"{output}/kernel", kernel * gamma[:, None, None, None])  # for the adjoint
        constants = [
            self.constant(f"{output}/normalised/kernel", kernel),
            self.constant(f"{output}/normalised/bias", -mean / deviation),
        ]
        self.node("Conv", [*inputs, *constants], f"{output}/normalised", **self.window(site, op))
        gamma_beta = [
            self.constant(f"{output}/{each}", values[:, None, None])
            for each, values in (("gamma", gamma), ("beta", beta))
        ]
        self.node("Mul", [f"{output}/normalised", gamma_beta[0]], f"{output}/scaled")
        self.node("Add", [f"{output}/scaled", gamma_beta[1]], output)

    # The backward run.

    def backward(self) -> None:
        """Add the adjoints of all operations on the path from the targets to the tensors that are differentiated."""
        for key in reversed(self.planned.steps):
            if key in self.path and key in self.gradients:
                self.step_back(key)
        if self.planned.fed in self.planned.wrt:
            self.results[self.planned.fed] = self.gradients[self.planned.fed]
        for target, parts in self.results.items():
            self.node("Sum", parts, target_name(self.planned, target))

    def step_back(self, key: Key) -> None:
        """Add the adjoint of the operation that computes ``key``, and the gradients of the targets there."""
        given = self.total(key)
        if key in self.planned.wrt:
            self.results.setdefault(key, []).append(given)
        for parameter in self.planned.parameters(key):
            self.results[parameter] = [self.parameter(parameter, key, given)]
        raw = Key(key.site, "conv")
        if raw in self.planned.wrt and key.stage in ("batchnorm", "bias"):
            scale = self.constant(
                f"{given}/scale", self.parameters.batchnorm(self.sites[key.site]).scale[:, None, None]
            )
            self.node("Mul", [given, scale], f"{given}/raw")
            self.results.setdefault(raw, []).append(f"{given}/raw")
        for position, source in enumerate(sources(self.sites, key, (self.planned.fed,))):
            if source in self.path or source in self.planned.wrt:
                label = f"{name(self.sites, key)}/back/{position}"
                self.adjoint(self.sites[key.site].op, key, position, given, label)
                self.gradients.setdefault(source, []).append(label)

    def total(self, key: Key) -> str:
        """The name of the gradient with respect to ``key``: the sum of the gradients that its readers pass back."""
        parts = self.gradients[key]
        if len(parts) == 1:
            return parts[0]
        label = f"{name(self.sites, key)}/total"
        self.node("Sum", parts, label)
        return label

    def parameter(self, parameter: Parameter, key: Key, given: str) -> str:
        """Add the gradient with respect to a parameter of the operation that computes ``key``; returns its name."""
        label, site = f"{given}/{parameter.name}", self.sites[key.site]
        if parameter.name == "shift":
            self.node("ReduceSum", [given, self.integers(f"{label}/axes", [0, 2, 3])], label, keepdims=0)
        elif parameter.name == "scale":
            self.node("Mul", [given, f"{name(self.sites, key)}/normalised"], f"{label}/product")
            self.node("ReduceSum", [f"{label}/product", self.integers(f"{label}/axes", [0, 2, 3])], label, keepdims=0)
        elif isinstance(site.op, Conv):
            self.kernel_gradient(site, site.op, key, given, label)
        return label

    def kernel_gradient(self, site: Site, op: Conv, key: Key, given: str, label: str) -> None:
        """Add the gradient with respect to a kernel: input convolved with gradient, with B and C exchanged in both."""
        height, width = op.kernel
        source = name(self.sites, sources(self.sites, key, (self.planned.fed,))[0])
        if key.stage != "conv":
            scale = self.constant(f"{label}/scale", self.parameters.batchnorm(site).scale[:, None, None])
            self.node("Mul", [given, scale], f"{label}/scaled")
            given = f"{label}/scaled"
        self.node("Transpose", [source], f"{label}/input", perm=[1, 0, 2, 3])
        self.node("Transpose", [given], f"{label}/given", perm=[1, 0, 2, 3])
        window = self.window(site, op)
        self.node(
            "Conv",
            [f"{label}/input", f"{label}/given"],
            f"{label}/every",
            dilations=window["strides"],
            pads=window["pads"],
            strides=[1, 1],
        )  # (in, out, height or more, width or more): a stride can leave cells at the end unread
        ends = [
            self.integers(f"{label}/{end}", values)
            for end, values in (("from", [0, 0]), ("to", [height, width]), ("axes", [2, 3]))
        ]
        self.node("Slice", [f"{label}/every", *ends], f"{label}/window")
        self.node("Transpose", [f"{label}/window"], label, perm=[1, 0, 2, 3])
