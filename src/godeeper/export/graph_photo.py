"""Preprocessing as ONNX nodes: ``photos.preprocess`` from a photo's pixels to the network's input.

The nodes reproduce Pillow's antialiased resize bit for bit.  Along each axis, the resize is a product with a matrix of
weights, which are multiples of 2**-22 (Pillow, ``src/libImaging/Resample.c``).  The result is rounded to whole levels after
each axis.  ONNX's own ``Resize`` differs by one level in some pixels.

Usually the width is resized first.  Since version 13, Pillow resizes the height first if the height shrinks by more than
twice as many pixels as the width.  The graph follows the Pillow version that is installed during the export.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import PIL
from onnx import TensorProto, helper, numpy_helper

from ..photos.preprocess import Preprocess, shades

PRECISION = 22  # fractional bits of Pillow's weights
HALF = 11  # bits of each of the two parts of a weight; sums over a part are exact in single precision
HEIGHT_FIRST_SINCE = 13  # the major version of Pillow
BLOCK = 23  # output pixels per product; a product uses only the input pixels that its outputs depend on


class Nodes:
    """Collects the nodes of a graph, with names under ``scope``; each method returns the name of a value."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add an operation with one output."""
        name = output or f"{self.scope}/{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: Any, type: Any = np.int64) -> str:
        """Add a constant."""
        array = np.asarray(values, type)
        name = f"{self.scope}/constant_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def cast(self, value: str, type: int) -> str:
        return self.add("Cast", value, to=type)

    def size(self, value: str, axis: int) -> str:
        """(1,) int64: the size of ``value`` along ``axis``."""
        return self.add("Gather", self.add("Shape", value), self.constant([axis]))

    def sliced(self, value: str, start: str, end: str, axis: int) -> str:
        return self.add("Slice", value, start, end, self.constant([axis]))


def photo_nodes(photo: str, output: str, preprocess: Preprocess) -> Nodes:
    """The nodes from ``photo`` (H, W, 3) uint8 to ``output`` (1, 3, size, size) float32."""
    nodes = Nodes("photo")
    used = cropped(nodes, photo) if preprocess.fit == "crop" else photo
    planes = nodes.cast(nodes.add("Transpose", used, perm=[2, 0, 1]), TensorProto.FLOAT)  # (3, H, W)
    if preprocess.filter == "tf2015":
        squared = both_sides(nodes, planes, preprocess.size, along_tf2015)
    elif preprocess.fit == "crop" or pillow_version() < HEIGHT_FIRST_SINCE:
        squared = both_sides(nodes, planes, preprocess.size, along_antialias)
    else:
        squared = tall_first(nodes, planes, preprocess.size)
    centred = nodes.add("Sub", squared, nodes.constant(colours(preprocess.subtract), np.float32))
    scaled = nodes.add("Div", centred, nodes.constant(colours(preprocess.divide), np.float32))
    nodes.add("Unsqueeze", scaled, nodes.constant([0]), output=output)
    return nodes


def pillow_version() -> int:
    """Pillow's major version."""
    return int(PIL.__version__.partition(".")[0])


def both_sides(nodes: Nodes, planes: str, size: int, along: Callable[[Nodes, str, int], str]) -> str:
    """Resize (3, M, N) to (3, size, size): the last axis first, then the other."""
    for _ in range(2):
        planes = nodes.add("Transpose", along(nodes, planes, size), perm=[0, 2, 1])
    return planes


def tall_first(nodes: Nodes, planes: str, size: int) -> str:
    """Resize (3, H, W) to (3, size, size); transpose the photo during the resize if Pillow resizes the height first."""
    shrinks = [nodes.add("Sub", nodes.size(planes, axis), nodes.constant([size])) for axis in (1, 2)]
    twice = nodes.add("Mul", shrinks[1], nodes.constant([2]))
    tall = nodes.add("Greater", shrinks[0], nodes.add("Max", twice, nodes.constant([0])))
    squared = both_sides(nodes, turned_if(nodes, tall, planes), size, along_antialias)
    return nodes.add("Where", tall, nodes.add("Transpose", squared, perm=[0, 2, 1]), squared)


def turned_if(nodes: Nodes, condition: str, planes: str) -> str:
    """``planes`` with the last two axes swapped if ``condition`` holds."""
    turned, as_is = f"{nodes.scope}/turned", f"{nodes.scope}/as_is"
    steps = {
        "then_branch": helper.make_node("Transpose", [planes], [turned], name=turned, perm=[0, 2, 1]),
        "else_branch": helper.make_node("Identity", [planes], [as_is], name=as_is),
    }
    branches = {}
    for branch, step in steps.items():
        value = helper.make_tensor_value_info(step.output[0], TensorProto.FLOAT, [3, None, None])
        branches[branch] = helper.make_graph([step], step.output[0], [], [value])
    return nodes.add("If", condition, **branches)


def colours(value: Any) -> Any:
    """One number, or one per channel, as an array that broadcasts to (3, H, W)."""
    array = shades(value)
    return array[:, None, None] if array.ndim else array


def cropped(nodes: Nodes, photo: str) -> str:
    """The central square of a photo."""
    sides = [nodes.size(photo, axis) for axis in (0, 1)]
    side = nodes.add("Min", *sides)
    value = photo
    for axis, whole in enumerate(sides):
        start = nodes.add("Div", nodes.add("Sub", whole, side), nodes.constant([2]))
        value = nodes.sliced(value, start, nodes.add("Add", start, side), axis)
    return value


def along_antialias(nodes: Nodes, planes: str, size: int) -> str:
    """Resize (3, M, N) to (3, M, size) with Pillow's bilinear filter, rounded to whole levels."""
    cells = nodes.size(planes, 2)
    high, low = pillow_weights(nodes, cells, size)
    parts = []
    for first in range(0, size, BLOCK):
        outputs = range(first, min(first + BLOCK, size))
        start, end = reach(nodes, cells, size, outputs)
        seen = nodes.sliced(planes, start, end, 2)
        block = nodes.constant([first]), nodes.constant([outputs.stop])
        taps = [nodes.sliced(nodes.sliced(half, start, end, 0), *block, 1) for half in (high, low)]
        parts.append([nodes.cast(nodes.add("MatMul", seen, each), TensorProto.INT32) for each in taps])
    sums = [nodes.add("Concat", *half, axis=2) for half in zip(*parts, strict=True)]
    return rounded(nodes, *sums)


def rounded(nodes: Nodes, high: str, low: str) -> str:
    """Combine the two parts of a sum, and round it to whole levels: (high · 2**11 + low + 2**21) // 2**22."""
    whole = nodes.add("Add", nodes.add("Mul", high, nodes.constant(2**HALF, np.int32)), low)
    lifted = nodes.add("Add", whole, nodes.constant(2 ** (PRECISION - 1), np.int32))
    return nodes.cast(nodes.add("Div", lifted, nodes.constant(2**PRECISION, np.int32)), TensorProto.FLOAT)


def pillow_weights(nodes: Nodes, cells: str, size: int) -> tuple[str, str]:
    """Pillow's weights in multiples of 2**-22, as two (N, size) float32: ``high`` · 2**11 + ``low``.

    The filter is a triangle over 2 · N / size input pixels, or over 2 if the photo is enlarged.  Before the weights are
    normalised, they are integers in units of 1 / (2 · max(N, size)).
    """
    count = nodes.add("Squeeze", cells, nodes.constant([0]))
    cell = nodes.add("Range", nodes.constant(0), count, nodes.constant(1))
    twice = nodes.add("Add", nodes.add("Mul", cell, nodes.constant(2)), nodes.constant(1))
    # The centres (N, 1) of the input pixels, in units of 1 / (2 · size) input pixels.
    centre_in = nodes.add("Unsqueeze", nodes.add("Mul", twice, nodes.constant(size)), nodes.constant([1]))
    centre_out = nodes.add("Mul", nodes.constant(2 * np.arange(size)[None] + 1), cells)  # (1, size)
    distance = nodes.add("Abs", nodes.add("Sub", centre_in, centre_out))
    peak = support(nodes, cells, size)
    weight = nodes.add("Max", nodes.add("Sub", peak, distance), nodes.constant(0))
    precise = nodes.cast(weight, TensorProto.DOUBLE)
    total = nodes.add("ReduceSum", precise, nodes.constant([0]), keepdims=1)
    scaled = nodes.add("Div", nodes.add("Mul", precise, nodes.constant(2.0**PRECISION, np.float64)), total)
    fixed = nodes.add("Floor", nodes.add("Add", scaled, nodes.constant(0.5, np.float64)))
    part = nodes.constant(2.0**HALF, np.float64)
    high = nodes.add("Floor", nodes.add("Div", fixed, part))
    low = nodes.add("Sub", fixed, nodes.add("Mul", high, part))
    return nodes.cast(high, TensorProto.FLOAT), nodes.cast(low, TensorProto.FLOAT)


def support(nodes: Nodes, cells: str, size: int) -> str:
    """(1,) int64: the half-width of the triangle, in units of 1 / (2 · size) input pixels."""
    return nodes.add("Mul", nodes.add("Max", cells, nodes.constant([size])), nodes.constant([2]))


def reach(nodes: Nodes, cells: str, size: int, outputs: Sequence[int]) -> tuple[str, str]:
    """The range of input pixels that ``outputs`` depend on: start and end (exclusive), both (1,) int64."""
    wide = support(nodes, cells, size)
    step = nodes.constant([2 * size])
    first = nodes.add("Sub", nodes.add("Mul", cells, nodes.constant([2 * outputs[0] + 1])), wide)
    last = nodes.add("Add", nodes.add("Mul", cells, nodes.constant([2 * outputs[-1] + 1])), wide)
    start = nodes.add("Div", nodes.add("Max", first, nodes.constant([0])), step)
    end = nodes.add("Add", nodes.add("Div", last, step), nodes.constant([1]))
    return start, nodes.add("Min", end, cells)


def along_tf2015(nodes: Nodes, planes: str, size: int) -> str:
    """Resize (3, M, N) to (3, M, size) with the bilinear filter of the 2015 graph, in the same order of operations."""
    cells = nodes.size(planes, 2)
    scale = nodes.add("Div", nodes.cast(cells, TensorProto.FLOAT), nodes.constant([size], np.float32))
    position = nodes.add("Mul", nodes.constant(np.arange(size), np.float32), scale)
    floor = nodes.add("Floor", position)
    lower = nodes.cast(floor, TensorProto.INT64)
    upper = nodes.add(
        "Min",
        nodes.add("Add", lower, nodes.constant([1])),
        nodes.add("Sub", cells, nodes.constant([1])),
    )
    first, second = (nodes.add("Gather", planes, index, axis=2) for index in (lower, upper))
    between = nodes.add("Mul", nodes.add("Sub", second, first), nodes.add("Sub", position, floor))
    return nodes.add("Add", first, between)
