"""Builds a frozen graph with the node names, operations and constants of the 2015 release, and any weights.

The graph is written as a protocol buffer, node by node, with an old producer version: TensorFlow refuses
``BatchNormWithGlobalNormalization`` in graphs of a later producer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.ops import Conv, Pool
from godeeper.blueprint.sites import Site, sites
from godeeper.engine.plan import Key

if TYPE_CHECKING:
    from numpy.typing import NDArray


NETWORK = in_dialect(INCEPTION_V3, "2015")
PRODUCER = 8  # the last version that allows BatchNormWithGlobalNormalization


def build(tensors: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return the serialised ``GraphDef`` with ``tensors``, which have godeeper's names and layout (kernels OIHW)."""
    pytest.importorskip("tensorflow")
    builder = GraphBuilder()
    builder.photo()
    for site in sites(NETWORK):
        builder.site(site, tensors)
    payload: bytes = builder.graph.SerializeToString()
    return payload


class GraphBuilder:
    """Collects nodes.  Each method adds the nodes of one kind of operation."""

    def __init__(self) -> None:
        from tensorflow.core.framework import graph_pb2

        self.graph = graph_pb2.GraphDef()
        self.graph.versions.producer = PRODUCER
        self.outputs: dict[int, str] = {}

    def node(self, name: str, operation: str, inputs: Sequence[str] = (), **attributes: Any) -> str:
        """Add a node and return its name.  Attributes are TensorFlow types, booleans, numbers, strings or lists of integers."""
        node = self.graph.node.add(name=name, op=operation, input=inputs)
        for key, value in attributes.items():
            if key in ("T", "dtype", "SrcT", "DstT", "Tshape"):
                node.attr[key].type = value
            elif isinstance(value, bool):
                node.attr[key].b = value
            elif isinstance(value, int):
                node.attr[key].i = value
            elif isinstance(value, float):
                node.attr[key].f = value
            elif isinstance(value, str):
                node.attr[key].s = value.encode()
            else:
                node.attr[key].list.i.extend(value)
        return name

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        import tensorflow as tf

        tensor = tf.make_tensor_proto(np.asarray(value, dtype))
        self.node(name, "Const", dtype=tensor.dtype)
        self.graph.node[-1].attr["value"].tensor.CopyFrom(tensor)
        return name

    def photo(self) -> None:
        """Add the nodes from a JPEG's bytes to the network's input."""
        import tensorflow as tf

        single, byte = tf.float32.as_datatype_enum, tf.uint8.as_datatype_enum
        self.node("DecodeJpeg/contents", "Placeholder", dtype=tf.string.as_datatype_enum)
        self.node("DecodeJpeg", "DecodeJpeg", ["DecodeJpeg/contents"], channels=3)
        self.node("Cast", "Cast", ["DecodeJpeg"], SrcT=byte, DstT=single)
        self.constant("ExpandDims/dim", 0, np.int32)
        self.node("ExpandDims", "ExpandDims", ["Cast", "ExpandDims/dim"], T=single)
        self.constant("ResizeBilinear/size", [299, 299], np.int32)
        self.node(
            "ResizeBilinear", "ResizeBilinear", ["ExpandDims", "ResizeBilinear/size"], T=single, align_corners=False
        )
        self.constant("Sub/y", 128)
        self.node("Sub", "Sub", ["ResizeBilinear", "Sub/y"], T=single)
        self.constant("Mul/y", 0.0078125)
        self.node("Mul", "Mul", ["Sub", "Mul/y"], T=single)

    def site(self, site: Site, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        """Add the nodes of one operation of the network."""
        import tensorflow as tf

        single = tf.float32.as_datatype_enum
        inputs = [self.outputs[index] for index in site.inputs if index in self.outputs]
        name = site.address
        if isinstance(site.op, Conv):
            self.conv(name, site.op, inputs, tensors)
        elif isinstance(site.op, Pool):
            self.node(
                name,
                "MaxPool" if site.op.reduce == "max" else "AvgPool",
                inputs,
                T=single,
                ksize=[1, *site.op.kernel, 1],
                strides=[1, site.op.stride, site.op.stride, 1],
                padding=site.op.padding,
            )
        elif site.kind == "concat" and site.names.tf2015 is None:  # the module's own join concatenates forks, too
            self.outputs[site.index] = "+".join(inputs)
            return
        elif site.kind == "concat":
            ends = [end for joined in inputs for end in joined.split("+")]
            axis = self.constant(f"{name}/concat_dim", 3, np.int32)
            self.node(name, "Concat", [axis, *ends], T=single, N=len(ends))
        elif site.kind == "average":
            grid = [1, 8, 8, 1]
            self.node(name, "AvgPool", inputs, T=single, ksize=grid, strides=[1, 1, 1, 1], padding="VALID")
        elif site.kind == "reshape":
            shape = self.constant(f"{name}/shape", [-1, site.shape[0]], np.int32)
            self.node(name, "Reshape", [*inputs, shape], T=single, Tshape=tf.int32.as_datatype_enum)
        elif site.kind == "dense":
            weights = self.constant("softmax/weights", tensors["softmax/weights"])
            biases = self.constant("softmax/biases", tensors["softmax/biases"])
            self.node(f"{name}/MatMul", "MatMul", [*inputs, weights], T=single, transpose_a=False, transpose_b=False)
            self.node(name, "BiasAdd", [f"{name}/MatMul", biases], T=single)
        elif site.kind == "softmax":
            self.node(name, "Softmax", inputs, T=single)
        self.outputs[site.index] = name

    def conv(self, name: str, op: Conv, inputs: list[str], tensors: Mapping[str, NDArray[np.float32]]) -> None:
        """Add a convolution, its normalisation, and the ReLU, which has the scope's name."""
        import tensorflow as tf

        single = tf.float32.as_datatype_enum
        kernel = self.constant(f"{name}/conv2d_params", tensors[f"{name}/conv2d_params"].transpose(2, 3, 1, 0))
        strides = [1, op.stride, op.stride, 1]
        self.node(
            f"{name}/Conv2D",
            "Conv2D",
            [*inputs, kernel],
            T=single,
            strides=strides,
            padding=op.padding,
            use_cudnn_on_gpu=True,
        )
        parts = ("moving_mean", "moving_variance", "beta", "gamma")
        scope = f"{name}/batchnorm"
        self.node(
            scope,
            "BatchNormWithGlobalNormalization",
            [f"{name}/Conv2D", *(self.constant(f"{scope}/{part}", tensors[f"{scope}/{part}"]) for part in parts)],
            T=single,
            variance_epsilon=0.001,
            scale_after_normalization=True,
        )
        self.node(f"{name}/CheckNumerics", "CheckNumerics", [scope], T=single, message="not finite")
        self.node(f"{name}/control_dependency", "Identity", [f"{name}/CheckNumerics"], T=single)
        self.node(name, "Relu", [f"{name}/control_dependency"], T=single)


def run(graph: bytes, names: Sequence[str], feeds: Mapping[str, Any]) -> list[NDArray[np.float32]]:
    """Return the values of the tensors ``names``, channels last, computed in a TensorFlow 1 session."""
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(graph)
    with tf.Graph().as_default() as parsed:
        tf.import_graph_def(definition, name="")
        with tf.compat.v1.Session(graph=parsed) as session:
            values: list[NDArray[np.float32]] = session.run([f"{name}:0" for name in names], dict(feeds))
    return values


def activations(tensors: Mapping[str, NDArray[np.float32]], x: NDArray[np.float32]) -> dict[Key, Any]:
    """Return godeeper's key -> value of the tensor, (1, C, H, W) or (1, C) float32, for the input fed at ``Mul:0``."""
    named = {name: key for site in sites(NETWORK) for name, key in fetched(site).items()}
    values = run(build(tensors), list(named), {"Mul:0": x.transpose(0, 2, 3, 1)})
    return {
        key: value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
        for key, value in zip(named.values(), values, strict=True)
    }


def fetched(site: Site) -> dict[str, Key]:
    """Return name in this graph -> godeeper's key, for the tensors of a site."""
    if site.kind == "conv":
        return {
            f"{site.address}/Conv2D": Key(site.index, "conv"),
            f"{site.address}/batchnorm": Key(site.index, "batchnorm"),
            site.address: Key(site.index, "relu"),
        }
    wanted = site.kind in ("pool", "concat", "average", "reshape", "dense", "softmax") and site.names.tf2015
    return {site.address: Key(site.index)} if wanted else {}
