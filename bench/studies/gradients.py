"""Compare godeeper's gradients with PyTorch's, and measure the cost of a gradient step.

    python -m bench.studies.gradients [--tensors 20] [--many]

Takes evenly spaced tensors of the bundled network, from the first to the last. For examples/chelsea.jpg and a random output
gradient, prints the largest difference between the gradients with respect to the input, relative to the largest value of
PyTorch's gradient. Also prints the time of a forward and backward pass, divided by the time of a forward pass alone. Both are
measured in ONNX Runtime, in alternation. With --many, the forward pass alone uses the layout for many photos, which is faster and which
the gradient uses too; otherwise it is that of a peek.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from bench.common import tables
from bench.common.places import PHOTO

import godeeper
from godeeper.blueprint.sites import sites
from godeeper.engine.gradient.plan import backward_plan
from godeeper.engine.plan import NETWORK_INPUT, is_flat, output, plan

ROUNDS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tensors", type=int, default=20)
    parser.add_argument("--many", action="store_true", help="forward passes in the layout for many photos")
    options = parser.parse_args()
    import torch

    network = godeeper.load()
    module = network.to_torch()
    x = network.preprocess(godeeper.decode(PHOTO))
    every = [
        site for site in sites(network.blueprint) if not site.is_photo_step and site.kind not in ("dense", "softmax")
    ]
    random, rows = np.random.default_rng(0), []
    for number in np.linspace(0, len(every) - 1, options.tensors):
        site = every[int(number)]
        key, shape = output(site), site.shape[:1] if is_flat(site) else site.shape
        given = random.standard_normal((1, *shape)).astype(np.float32)
        planned = backward_plan(network.blueprint, [key])
        forward = replace(plan(network.blueprint, [key]), many_photos=options.many)

        def back() -> Any:
            return network.gradient_engine.run(planned, x, {key: given}).gradients[NETWORK_INPUT]  # noqa: B023

        def ahead() -> Any:
            return network.engine.run(forward, {NETWORK_INPUT: x})  # noqa: B023

        fed, kept = torch.from_numpy(x.copy()).requires_grad_(), []
        handle = module.get_submodule(module.paths[key]).register_forward_hook(lambda _m, _i, value: kept.append(value))  # noqa: B023
        module(fed)
        handle.remove()
        kept[0].backward(torch.from_numpy(given).reshape(kept[0].shape))
        error = np.abs(back() - fed.grad.numpy()).max() / np.abs(fed.grad.numpy()).max()
        ahead()
        pairs = [(seconds(back), seconds(ahead)) for _ in range(ROUNDS)]
        ratio = min(each for each, _ in pairs) / min(each for _, each in pairs)
        rows.append([site.address, f"{error:.1e}", f"{ratio:.2f}"])
        network.gradient_engine.close()
        network.engine.close()
    print(
        "\n".join(
            tables.table(["tensor", "largest relative difference from PyTorch", "time / time of a forward pass"], rows)
        )
    )


def seconds(work: Callable[[], Any]) -> float:
    """The seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
