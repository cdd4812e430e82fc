"""Speed of torch and ONNX Runtime on a GPU.

    python -m bench.speed.gpu [--rounds 20] [--batch 64]
    python -m bench.speed.gpu --device cpu --rounds 1 --batch 2        # only checks that the benchmark itself works

Prints a table in Markdown and exits with code 0. Without a GPU, it prints one line that says so and exits with code 1.
There are no targets for GPUs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
from bench.common import tables
from bench.common.turns import in_turn, wall_seconds
from bench.speed.engines import cosine

from godeeper import load
from godeeper.engine.plan import key_of, plan
from godeeper.network import Network

END = "pool_3/_reshape"


@dataclass(frozen=True)
class Way:
    """One way to compute: a call that returns the features (B, 2048) of all photos."""

    name: str
    call: Callable[[], Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="number of timed calls (default: 20)")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="batch size (default: 64)")
    parser.add_argument("--device", default="cuda", help="cuda (default), or cpu")
    options = parser.parse_args()
    missing = why_not(options.device)
    if missing:
        print(f"no GPU: {missing}")
        return 1
    network = load("inception_v3", engine="onnxruntime")
    photos = np.random.default_rng(0).uniform(-1, 1, (options.batch, 3, 299, 299)).astype(np.float32)
    ways = [*torch_ways(network, photos, options.device), *onnxruntime_ways(network, photos, options.device)]
    print(*table(ways, options.rounds, options.batch), sep="\n")
    return 0


def why_not(device: str) -> str:
    """Return the reason why nothing can be measured here, or an empty string."""
    if not find_spec("torch"):
        return "torch is not installed"
    import torch

    return (
        f"torch {torch.__version__} finds no CUDA device" if device == "cuda" and not torch.cuda.is_available() else ""
    )


def torch_ways(network: Network, photos: Any, device: str) -> list[Way]:
    """Return a way for every combination of precision, layout and compilation; the photos are already on the device."""
    import torch

    found = []
    precisions = {"fp32": torch.float32, "bf16": torch.bfloat16}
    layouts = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
    compilers = ["eager", "compiled"] if device == "cuda" else ["eager"]  # compiling for a CPU takes minutes
    for precision, layout, compiler in product(precisions, layouts, compilers):
        kind = {"dtype": precisions[precision], "memory_format": layouts[layout]}
        module = network.to_torch(end=END).to(device, **kind)
        module = torch.compile(module) if compiler == "compiled" else module
        given = torch.from_numpy(photos).to(device, **kind)
        found.append(Way(f"torch {precision}, {layout}, {compiler}", partial(answer, torch, module, given)))
    return found


def answer(torch: Any, module: Any, given: Any) -> Any:
    """Return the features on the CPU; the copy waits until the device has finished."""
    with torch.inference_mode():
        return module(given).float().cpu().numpy()


def onnxruntime_ways(network: Network, photos: Any, device: str) -> list[Way]:
    """Return ONNX Runtime with godeeper's graphs in fp32 and int8; empty if its provider for the device is not installed."""
    import onnxruntime

    from godeeper.engine.graph_cache import GraphCache
    from godeeper.engine.quantization import shipped

    provider = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}[device]
    if provider not in onnxruntime.get_available_providers():
        return []
    steps = plan(network.blueprint, [key_of(network.tensors(END)[0])])
    found = []
    for precision, calibration in {"fp32": None, "int8": shipped(network.weights)}.items():
        graph = GraphCache(network.weights, calibration).graph(steps)
        session = onnxruntime.InferenceSession(graph, providers=[provider])
        given = {session.get_inputs()[0].name: photos}
        found.append(Way(f"onnxruntime {precision}", partial(first_of, session, given)))
    return found


def first_of(session: Any, given: dict[str, Any]) -> Any:
    """Return the only result of a session."""
    return session.run(None, given)[0]


def table(ways: list[Way], rounds: int, batch: int) -> list[str]:
    """Return the table: speed relative to the first way, photos per second, and the cosine of the features."""
    values = {way.name: way.call() for way in ways}
    times = in_turn({way.name: way.call for way in ways}, rounds)
    first = ways[0].name
    rows = [
        [
            way.name,
            f"{wall_seconds(times[first]) / wall_seconds(times[way.name]):.2f}",
            f"{batch / wall_seconds(times[way.name]):.0f}",
            f"{cosine(values[first], values[way.name]).min():.5f}",
        ]
        for way in ways
    ]
    return tables.table(
        [f"{END}, batch size {batch}", f"× {first}", "photos per second", "minimum cosine similarity"], rows
    )


if __name__ == "__main__":
    sys.exit(main())
