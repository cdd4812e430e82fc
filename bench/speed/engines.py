"""Speed of the engines, precisions and batch sizes in one interleaved run, compared with the machine's measured limit.

    python -m bench.speed.engines [--rounds 9]

Prints tables in Markdown, and then each target: whether it was met, and by what margin. Exit code 1 if a target is
missed. Engines that are not installed are skipped and listed. The photos are crops of scikit-learn's two photos,
which were not used for the bundled quantization ranges.
"""

from __future__ import annotations

import datetime
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from bench.common import arguments, tables
from bench.common.targets import Target
from bench.common.turns import Times, in_turn, least_processor, least_wall, processor_seconds, wall_seconds
from bench.speed import limit
from numpy.typing import NDArray

from godeeper import load
from godeeper.blueprint.cost import tensor_macs
from godeeper.engine.engines import Engine, engine_named
from godeeper.engine.plan import NETWORK_INPUT, Key, Plan, key_of, plan
from godeeper.network import Network
from godeeper.photos.decode import decode

Floats = NDArray[np.float32]

ENGINES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "torch": "torch"}  # engine -> its package
PRECISIONS = {"onnxruntime": ("fp32", "int8"), "openvino": ("fp32", "int8"), "torch": ("fp32",)}
BASE = "onnxruntime fp32"
MODULES, ONE = "mixed*/join", "mixed/tower_2/conv"
PHOTOS = 16
USUAL = 8  # godeeper's default batch size
BATCHES = {"onnxruntime": (1, 4, USUAL, 16), "openvino": (1, 4, USUAL, 16), "torch": (USUAL,)}

LEAST_COSINE, OF_THE_LIMIT, INT8_FASTER, AGREEMENT = 0.995, 0.85, 2.5, 1e-4


@dataclass(frozen=True)
class Measured:
    """The results of one run.

    ``times``: call -> times.  ``openings``: engine -> seconds until its first result.  ``cosines``: int8 engine -> address
    -> (N,) cosines to fp32.  ``differences``: fp32 engine -> largest relative difference from ``BASE``.
    """

    network: Network
    times: dict[str, Times]
    openings: dict[str, float]
    cosines: dict[str, dict[str, NDArray[np.float64]]]
    differences: dict[str, float]


def main() -> int:
    rounds: int = arguments.parse(__doc__, 9).rounds
    print(heading(rounds))
    measured = measure(rounds)
    targets = all_targets(measured)
    for lines in (
        folder_table(measured),
        batch_table(measured),
        limit.limit_table(measured.times),
        cosine_table(measured),
        one_table(measured),
        tables.target_table(targets),
    ):
        print("", *lines, sep="\n")
    return 0 if all(target.is_met for target in targets) else 1


def heading(rounds: int) -> str:
    """Return the heading of the results: date, machine, versions, missing engines."""
    busy = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    missing = [name for name, package in ENGINES.items() if not find_spec(package)]
    return "\n".join(
        [
            f"# godeeper's engines, {datetime.date.today().isoformat()}",
            "",
            f"{tables.processor()}, {os.cpu_count()} cores, load {busy}.",
            f"{tables.versions(sys.executable)}.  Not installed: {', '.join(missing) or 'none'}.",
            f"Medians of {rounds} interleaved rounds, quartiles in brackets.",
        ]
    )


def measure(rounds: int) -> Measured:
    """Measure all engines on the same photos, interleaved with the matrix products that give the machine's limit."""
    network = load("inception_v3", engine="onnxruntime")
    folder = plan(network.blueprint, [key_of(tensor) for tensor in network.tensors(MODULES)], pooled=True)
    one = plan(network.blueprint, [key_of(network.tensors(ONE)[0])])
    photos = pieces(network)
    calls: dict[str, Callable[[], Any]] = {}
    openings: dict[str, float] = {}
    features: dict[str, dict[Key, Floats]] = {}
    for name, engine in engines(network).items():
        started = time.perf_counter()
        engine.run(folder, {NETWORK_INPUT: photos[:1]})
        openings[name] = time.perf_counter() - started
        features[name] = engine.run(folder, {NETWORK_INPUT: photos})
        for batch in batches(name):
            calls[f"{name} {batch}"] = partial(run, engine, folder, photos, batch)
        calls[f"{name} one"] = partial(engine.run, one, {NETWORK_INPUT: photos[:1]})
    calls |= {name: product.call for name, product in limit.products_by_name().items()}
    return Measured(network, in_turn(calls, rounds), openings, *compared(network, features))


def pieces(network: Network) -> Floats:
    """Return (16, 3, size, size): two photos, and overlapping crops of each."""
    from sklearn.datasets import load_sample_images

    found = []
    for pixels in load_sample_images().images:
        photo = decode(pixels).image
        width, height = photo.size
        boxes = [(0, 0, width, height)]
        boxes += [
            (left, top, left + width // 2, top + height // 2)
            for left in (0, width // 4, width // 2)
            for top in (0, height // 4, height // 2)
        ]
        found += [network.preprocess(decode(photo.crop(box))) for box in boxes[: PHOTOS // 2]]
    return np.concatenate(found)


def engines(network: Network) -> dict[str, Engine]:
    """Return the installed engines by name and precision, such as "openvino int8"."""
    return {
        f"{name} {precision}": engine_named(name, network.weights, precision)
        for name, package in ENGINES.items()
        if find_spec(package)
        for precision in PRECISIONS[name]
    }


def run(engine: Engine, steps: Plan, photos: Floats, batch: int) -> None:
    """Compute all photos in batches."""
    for start in range(0, len(photos), batch):
        engine.run(steps, {NETWORK_INPUT: photos[start : start + batch]})


def compared(
    network: Network, features: dict[str, dict[Key, Floats]]
) -> tuple[dict[str, dict[str, NDArray[np.float64]]], dict[str, float]]:
    """Return the cosines of the int8 features by module, and the largest relative difference of the fp32 features."""
    names = {key_of(tensor): tensor.address for tensor in network.tensors(MODULES)}
    exact = features[BASE]
    cosines, differences = {}, {}
    for name, found in features.items():
        if name.endswith("int8"):
            cosines[name] = {names[key]: cosine(exact[key], values) for key, values in found.items()}
        else:
            differences[name] = max(difference(exact[key], values) for key, values in found.items())
    return cosines, differences


def cosine(one: Floats, other: Floats) -> NDArray[np.float64]:
    """Return (N,) cosines of the rows."""
    first, second = one.astype(np.float64), other.astype(np.float64)
    found: NDArray[np.float64] = (
        (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    )
    return found


def difference(one: Floats, other: Floats) -> float:
    """Return the largest difference, relative to the largest value."""
    return float(np.abs(one - other).max() / np.abs(one).max())


def share_of_limit(measured: Measured, name: str, kind: str = "wall") -> float:
    """Return the network's rate divided by the rate of the fastest matrix product; both rates are from the fastest round."""
    deepest = measured.network.tensors(MODULES)[-1].site.index
    operations = 2 * PHOTOS * tensor_macs(measured.network.blueprint, [deepest])
    taken = least_wall if kind == "wall" else least_processor
    _, rate = limit.best(measured.times, name.split()[1], kind)
    return operations / taken(measured.times[f"{name} {USUAL}"]) / rate


def folder_table(measured: Measured) -> list[str]:
    """Return the table of the features of the eleven modules, with eight photos per batch."""
    base = wall_seconds(measured.times[f"{BASE} {USUAL}"])
    rows = []
    for name in measured.openings:
        times = measured.times[f"{name} {USUAL}"]
        rows.append(
            [
                name,
                f"{base / wall_seconds(times):.2f}",
                f"{share_of_limit(measured, name):.2f}",
                f"{share_of_limit(measured, name, 'cpu'):.2f}",
                tables.milliseconds([wall / PHOTOS for wall in times.wall]),
                f"{1000 * processor_seconds(times) / PHOTOS:.1f}",
                f"{measured.openings[name]:.2f}",
            ]
        )
    names = [
        "features of eleven modules, batch size 8",
        f"× {BASE}",
        "rate relative to the fastest matrix product (fastest rounds)",
        "the same, in CPU time",
        "ms per photo",
        "CPU ms per photo",
        "first photo, s",
    ]
    return tables.table(names, rows)


def batches(name: str) -> tuple[int, ...]:
    """Return the batch sizes that are tried with an engine."""
    return BATCHES[name.split()[0]]


def batch_table(measured: Measured) -> list[str]:
    """Return the table of batch sizes."""
    rows = []
    for name in measured.openings:
        walls = [wall_seconds(measured.times[f"{name} {batch}"]) for batch in batches(name)]
        if len(walls) > 1:
            rows.append([name, *(f"{min(walls) / wall:.2f}" for wall in walls)])
    return tables.table(["speed by batch size, relative to the fastest", *map(str, BATCHES["openvino"])], rows)


def cosine_table(measured: Measured) -> list[str]:
    """Return the table of cosines of features in int8."""
    names = list(measured.cosines)
    rows = [
        [
            address,
            *(f"{values[address].mean():.4f} ({values[address].min():.4f})" for values in measured.cosines.values()),
        ]
        for address in (tensor.address for tensor in measured.network.tensors(MODULES))
    ]
    return tables.table([f"cosine similarity to fp32, mean over {PHOTOS} photos (minimum)", *names], rows)


def one_table(measured: Measured) -> list[str]:
    """Return the table for one tensor of one photo, with the engine already open."""
    base = wall_seconds(measured.times[f"{BASE} one"])
    rows = []
    for name in measured.openings:
        times = measured.times[f"{name} one"]
        rows.append([name, f"{base / wall_seconds(times):.2f}", tables.milliseconds(times.wall)])
    return tables.table([f"{ONE} of one photo", f"× {BASE}", "ms"], rows)


def all_targets(measured: Measured) -> list[Target]:
    """Return the targets for the installed engines."""
    fp32 = [name for name in measured.openings if name.endswith("fp32")]
    fastest = max(fp32, key=lambda name: share_of_limit(measured, name))
    found = [
        Target(
            f"rate of {fastest}, relative to the fastest matrix product",
            share_of_limit(measured, fastest),
            OF_THE_LIMIT,
            at_least=True,
        )
    ]
    found += [
        Target(f"relative difference of the features of {name}", measured.differences[name], AGREEMENT)
        for name in fp32
        if name != BASE
    ]
    for name, modules in measured.cosines.items():
        worst = min(float(values.mean()) for values in modules.values())
        found.append(Target(f"cosine similarity of the worst module, {name}", worst, LEAST_COSINE, at_least=True))
    if "openvino int8" in measured.openings:
        ratio = wall_seconds(measured.times[f"{BASE} {USUAL}"]) / wall_seconds(measured.times[f"openvino int8 {USUAL}"])
        found.append(Target(f"speed-up of openvino int8 over {BASE}", ratio, INT8_FASTER, at_least=True))
    return found


if __name__ == "__main__":
    sys.exit(main())
