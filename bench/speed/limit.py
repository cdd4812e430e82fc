"""The machine's measured limit: operations per second of its fastest matrix product, in fp32 and in int8.

    python -m bench.speed.limit [--rounds 9]

A network consists of matrix products and the operations between them, so no engine is expected to exceed this rate.  A
multiply-add counts as two operations.  The fastest round is reported, because this is a limit.  ``engines.py`` times the
same calls, interleaved with runs of the network.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from bench.common import tables
from bench.common.turns import Times, in_turn, least_processor, least_wall
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDES = (1024, 1536, 2048)
LEVELS, KERNEL_LEVELS = 255, 127
SPREAD = 4.0  # range that 8 bits cover, in standard deviations of the matrix entries


@dataclass(frozen=True)
class Product:
    """One square matrix product by one library, and its number of operations."""

    library: str
    precision: str
    side: int
    call: Callable[[], Any]

    @property
    def name(self) -> str:
        return f"{self.library} {self.precision} {self.side}"

    @property
    def operations(self) -> float:
        return 2.0 * self.side**3


def products() -> list[Product]:
    """Return a product for each installed library, precision and size."""
    found = []
    for side in SIDES:
        matrix = np.random.default_rng(0).standard_normal((side, side), np.float32)
        found.append(Product("numpy", "fp32", side, multiply(matrix)))
        for precision, graph in {"fp32": exact(matrix), "int8": rounded(matrix)}.items():
            found.append(Product("onnxruntime", precision, side, by_onnxruntime(graph, matrix)))
            if find_spec("openvino"):
                found.append(Product("openvino", precision, side, by_openvino(graph, matrix)))
    return found


def best(times: dict[str, Times], precision: str, kind: str = "wall") -> tuple[str, float]:
    """Return the name and the rate of the fastest product: operations per second (``kind`` 'wall') or per core-second."""
    taken = least_wall if kind == "wall" else least_processor
    rates = {
        product.name: product.operations / taken(times[product.name])
        for product in products_by_name().values()
        if product.precision == precision and product.name in times
    }
    return max(rates.items(), key=lambda item: item[1])


def products_by_name() -> dict[str, Product]:
    """Return name -> product; they are created once, because they hold compiled models."""
    if not MADE:
        MADE.update({product.name: product for product in products()})
    return MADE


MADE: dict[str, Product] = {}


def multiply(matrix: NDArray[np.float32]) -> Callable[[], Any]:
    return lambda: matrix @ matrix


def exact(matrix: NDArray[np.float32]) -> bytes:
    """Return an ONNX graph that multiplies x by ``matrix``."""
    return graph(
        [helper.make_node("MatMul", ["x", "matrix"], ["y"])], matrix, [numpy_helper.from_array(matrix, "matrix")]
    )


def rounded(matrix: NDArray[np.float32]) -> bytes:
    """Return the same graph in 8 bits; x and the product are unsigned, and the matrix is signed."""
    side = len(matrix)
    steps = {"x": SPREAD / LEVELS, "matrix": SPREAD / KERNEL_LEVELS, "y": SPREAD * side / LEVELS}
    kinds = {"x": np.uint8, "matrix": np.int8, "y": np.uint8}
    small = np.clip(np.rint(matrix / steps["matrix"]), -KERNEL_LEVELS, KERNEL_LEVELS).astype(np.int8)
    constants = [numpy_helper.from_array(small, "matrix/integers")]
    for name, step in steps.items():
        constants.append(numpy_helper.from_array(np.array(step, np.float32), f"{name}/step"))
        constants.append(numpy_helper.from_array(np.zeros((), kinds[name]), f"{name}/zero"))
    ends = {name: [f"{name}/step", f"{name}/zero"] for name in steps}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", *ends["x"]], ["x/8bit"]),
        helper.make_node("DequantizeLinear", ["x/8bit", *ends["x"]], ["x/rounded"]),
        helper.make_node("DequantizeLinear", ["matrix/integers", *ends["matrix"]], ["matrix"]),
        helper.make_node("MatMul", ["x/rounded", "matrix"], ["y/exact"]),
        helper.make_node("QuantizeLinear", ["y/exact", *ends["y"]], ["y/8bit"]),
        helper.make_node("DequantizeLinear", ["y/8bit", *ends["y"]], ["y"]),
    ]
    return graph(nodes, matrix, constants)


def graph(nodes: list[onnx.NodeProto], matrix: NDArray[np.float32], constants: list[onnx.TensorProto]) -> bytes:
    """Return a model with one input and one output of the shape of ``matrix``."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, matrix.shape) for name in ("x", "y")]
    made = helper.make_graph(nodes, "product", ends[:1], ends[1:], constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    payload: bytes = model.SerializeToString()
    return payload


def by_onnxruntime(graph: bytes, matrix: NDArray[np.float32]) -> Callable[[], Any]:
    from godeeper.engine.onnxruntime import Session

    session = Session(graph, ["y"], many_photos=True)
    return lambda: session.run({"x": np.abs(matrix)})


def by_openvino(graph: bytes, matrix: NDArray[np.float32]) -> Callable[[], Any]:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(graph), "CPU", settings).create_infer_request()
    given = np.abs(matrix)
    return lambda: request.infer([given], share_inputs=True, share_outputs=True)


def limit_table(times: dict[str, Times]) -> list[str]:
    """Return the table of each library's rate at its fastest size."""
    rows = []
    for library, precision in dict.fromkeys((each.library, each.precision) for each in products_by_name().values()):
        of_both = [
            each for each in products_by_name().values() if (each.library, each.precision) == (library, precision)
        ]
        rate, side = max((each.operations / least_wall(times[each.name]), each.side) for each in of_both)
        by_core = max(each.operations / least_processor(times[each.name]) for each in of_both)
        share = rate / best(times, precision)[1]
        rows.append([precision, library, f"{share:.2f}", f"{rate / 1e9:.0f}", f"{by_core / 1e9:.0f}", str(side)])
    names = [
        "matrix product",
        "library",
        "relative to the fastest",
        "10⁹ operations per second",
        "10⁹ operations per core-second",
        "side of the fastest matrix",
    ]
    return tables.table(names, sorted(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds",
        type=int,
        default=9,
        metavar="N",
        help="number of times each matrix product is computed (default: 9)",
    )
    calls = {name: product.call for name, product in products_by_name().items()}
    print(*limit_table(in_turn(calls, parser.parse_args().rounds)), sep="\n")


if __name__ == "__main__":
    main()
