"""The adjoint of each operation of a network, as operations of ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatchmethod

import numpy as np
from onnx import numpy_helper

from ...blueprint.ops import Conv, Norm, Operation, Pool, borders
from ...blueprint.sites import Site
from ..onnx_graph import GraphBuilder
from ..plan import Key, name


class Adjoints(GraphBuilder):
    """Adds the adjoints of a graph's operations to the graph.

    ``adjoint`` takes ``given``, the gradient with respect to the value of ``key``.  It adds ``output``, the gradient
    with respect to the input at ``position`` of the operation that computes ``key``.
    """

    @singledispatchmethod
    def adjoint(self, _op: Operation | None, key: Key, position: int, given: str, output: str) -> None:
        """Add the adjoint of one operation; the type of ``op`` selects the method.  None selects this method."""
        site = self.sites[key.site]
        shape = self.sites[site.inputs[position]].shape
        if site.kind == "concat":
            start = sum(self.sites[each].shape[0] for each in site.inputs[:position])
            self.cut(given, [start], [start + shape[0]], [1], output)
        elif site.kind == "average":
            share = np.full((1, 1, *shape[1:]), 1 / (shape[1] * shape[2]))
            self.node("Mul", [given, self.constant(f"{output}/share", share)], output)
        elif site.kind == "reshape":
            self.node("Reshape", [given, self.integers(f"{output}/shape", [0, *shape])], output)
        elif site.kind == "dense":
            self.node("Gemm", [given, "softmax/weights"], output, transB=1)
        else:
            self.softmax_adjoint(name(self.sites, key), given, output)

    def softmax_adjoint(self, probabilities: str, given: str, output: str) -> None:
        self.node("Mul", [given, probabilities], f"{output}/products")
        self.node("ReduceSum", [f"{output}/products", self.integers(f"{output}/axes", [1])], f"{output}/mean")
        self.node("Sub", [given, f"{output}/mean"], f"{output}/difference")
        self.node("Mul", [f"{output}/difference", probabilities], output)

    @adjoint.register(Conv)
    def conv_adjoint(self, op: Conv, key: Key, _position: int, given: str, output: str) -> None:
        """Add the adjoint of one stage of a convolution.

        With stride 1, the adjoint is a convolution with the kernel rotated by 180 degrees and its input and output channels
        exchanged.  Engines compute this faster than a transposed convolution.
        """
        site, value = self.sites[key.site], name(self.sites, key)
        if key.stage == "relu":
            self.node("Sign", [value], f"{output}/open")  # 1 where the ReLU is active, else 0
            self.node("Mul", [given, f"{output}/open"], output)
            return
        window, kernel = self.window(site, op), f"{value}/kernel"
        pads = window["pads"]
        opposite = [size - 1 - pad for size, pad in zip([*op.kernel, *op.kernel], pads, strict=True)]
        if op.stride == 1 and min(opposite) >= 0:
            self.node("Transpose", [self.turned(kernel, op)], f"{output}/kernel", perm=[1, 0, 2, 3])
            self.node("Conv", [given, f"{output}/kernel"], output, kernel_shape=op.kernel, pads=opposite)
        else:
            self.node("ConvTranspose", [given, kernel], output, **window, output_padding=self.unread(site, op))

    def turned(self, kernel: str, op: Conv) -> str:
        """The name of a kernel rotated by 180 degrees."""
        if op.kernel == (1, 1):
            return kernel
        label = f"{kernel}/turned"
        lowest = np.iinfo(np.int64).min
        self.cut(kernel, [-1, -1], [lowest, lowest], [2, 3], label, steps=[-1, -1])
        return label

    def unread(self, site: Site, op: Conv | Pool) -> list[int]:
        """The rows and columns at the end that no window reads."""
        grid = self.sites[site.inputs[0]].shape[1:]
        return [
            cells + sum(border) - kernel - (windows - 1) * op.stride
            for cells, border, kernel, windows in zip(grid, borders(op, grid), op.kernel, site.shape[1:], strict=True)
        ]

    @adjoint.register(Pool)
    def pool_adjoint(self, op: Pool, key: Key, _position: int, given: str, output: str) -> None:
        """Add the adjoint of a pool."""
        site, value = self.sites[key.site], name(self.sites, key)
        if op.reduce == "max":
            self.max_pool_adjoint(self.sites[site.inputs[0]], value, given, output)
            return
        channels, *windows = site.shape
        grid = self.sites[site.inputs[0]].shape[1:]
        rows, columns = (
            read_cells(cells, around, kernel, op.stride, count, counts_border=op.counts_border)
            for cells, around, kernel, count in zip(grid, borders(op, grid), op.kernel, windows, strict=True)
        )
        share = 1 / np.outer(rows, columns)[None, None]
        self.node("Mul", [given, self.constant(f"{output}/share", share)], f"{output}/shares")
        ones = self.constant(f"{output}/ones", np.ones((channels, 1, *op.kernel)))
        window = self.window(site, op)
        self.node(
            "ConvTranspose",
            [f"{output}/shares", ones],
            output,
            **window,
            group=channels,
            output_padding=self.unread(site, op),
        )

    def max_pool_adjoint(self, source: Site, value: str, given: str, output: str) -> None:
        """Add the gradient at the place of each maximum; where windows overlap, gradients add up."""
        everywhere = self.integers(f"{output}/all", [-1])
        self.node("Shape", [self.source_name(source)], f"{output}/shape")
        self.node("ReduceProd", [f"{output}/shape"], f"{output}/size", keepdims=1)
        self.node("ConstantOfShape", [f"{output}/size"], f"{output}/zeros")
        self.node("Reshape", [f"{value}/indices", everywhere], f"{output}/places")
        self.node("Reshape", [given, everywhere], f"{output}/flat")
        places = [f"{output}/zeros", f"{output}/places", f"{output}/flat"]
        self.node("ScatterElements", places, f"{output}/scattered", axis=0, reduction="add")
        self.node("Reshape", [f"{output}/scattered", f"{output}/shape"], output)

    @adjoint.register(Norm)
    def norm_adjoint(self, op: Norm, key: Key, _position: int, given: str, output: str) -> None:
        """Add the adjoint of local response normalisation, with y = x d^-beta and d = bias + alpha / size * (sum of squares).

        The adjoint is g d^-beta - 2 alpha beta / size * x * (sum of g x d^(-beta - 1) over the channels that read this
        channel).
        """
        source = self.source_name(self.sites[self.sites[key.site].inputs[0]])
        channels = self.sites[key.site].shape[0]
        distance = (
            np.arange(channels)[None] - np.arange(channels)[:, None]
        )  # (computed, read): the index of the channel that is read minus that of the channel that is computed
        band = ((distance >= -((op.size - 1) // 2)) & (distance <= op.size // 2)).astype(np.float32)
        share = op.alpha / op.size
        squares = [f"{output}/squares", self.constant(f"{output}/band", share * band[:, :, None, None])]
        bias = self.constant(f"{output}/bias", np.full(channels, op.bias))
        self.node("Mul", [source, source], f"{output}/squares")
        self.node("Conv", [*squares, bias], f"{output}/divisor")
        self.node("Pow", [f"{output}/divisor", self.constant(f"{output}/beta", np.array(-op.beta))], f"{output}/factor")
        self.node("Mul", [given, f"{output}/factor"], f"{output}/direct")
        self.node("Mul", [f"{output}/direct", source], f"{output}/weighted")
        self.node("Div", [f"{output}/weighted", f"{output}/divisor"], f"{output}/divided")
        readers = self.constant(f"{output}/readers", -2 * share * op.beta * band.T[:, :, None, None])
        self.node("Conv", [f"{output}/divided", readers], f"{output}/neighbours")
        self.node("Mul", [f"{output}/neighbours", source], f"{output}/indirect")
        self.node("Add", [f"{output}/direct", f"{output}/indirect"], output)

    def source_name(self, site: Site) -> str:
        """The name of the value that later sites read from ``site``."""
        return name(self.sites, Key(site.index, "relu" if site.kind == "conv" else None))

    def cut(
        self,
        source: str,
        start: Sequence[int],
        end: Sequence[int],
        axes: Sequence[int],
        output: str,
        steps: Sequence[int] = (),
    ) -> None:
        """Add a slice ``start`` to ``end`` along ``axes``."""
        ends = [
            self.integers(f"{output}/{label}", each) for label, each in (("start", start), ("end", end), ("axes", axes))
        ]
        self.node("Slice", [source, *ends, *([self.integers(f"{output}/steps", steps)] if steps else [])], output)

    def integers(self, label: str, values: Sequence[int]) -> str:
        """Add a vector of int64; returns its name."""
        self.initializers.append(numpy_helper.from_array(np.array(values, np.int64), label))
        return label


def read_cells(
    cells: int, around: tuple[int, int], kernel: int, stride: int, windows: int, *, counts_border: bool
) -> list[int]:
    """For each window along one axis, the number of cells that an average pool counts."""
    before, after = around
    first, last = (-before, cells + after) if counts_border else (0, cells)
    starts = [window * stride - before for window in range(windows)]
    return [min(start + kernel, last) - max(start, first) for start in starts]
