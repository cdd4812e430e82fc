"""Record other frameworks' values, so that tests can compare without these frameworks.

Run from the root of the repository in the environment of the peer tests: ``python -m tests.golden.record``.
Recording and tests draw the same weights and input from fixed seeds (``tests/peers/random_weights.py``).
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.golden.summary import FOLDER, RECORDED, summary
from tests.peers import graph2015, keras_peer, torch_peers
from tests.peers.random_weights import random_input, random_weights

from godeeper.blueprint.address import Tensor
from godeeper.blueprint.sites import sites
from godeeper.weights.file import WeightsFile

if TYPE_CHECKING:
    from godeeper.engine.plan import Key

PACKAGES = {"torchvision": ("torch", "torchvision"), "keras": ("keras", "tensorflow-cpu"), "2015": ("tensorflow-cpu",)}


def computed(weights: WeightsFile) -> dict[Key, Any]:
    """Return the value of every tensor, computed by the framework that the weights' dialect belongs to."""
    x = random_input()
    dialect = weights.blueprint.dialect
    if dialect == "keras":
        return keras_peer.activations(weights, x)
    if dialect == "torchvision":
        inception = torch_peers.import_torchvision().models.inception_v3
        from godeeper.engine.torch.weights import to_torch

        model = inception(weights=None, aux_logits=False, init_weights=False).eval()
        model.load_state_dict(to_torch(weights).state_dict(), strict=True)
        return torch_peers.activations(model, weights.blueprint, x, ("relu",))
    with weights.parameters() as numbers:
        return graph2015.activations({name: numbers.values(name) for name in weights.expected}, x)


def record(dialect: str) -> Path:
    """Write one dialect's golden file: ``addresses`` (N,), ``summaries`` (N, 20) and ``made_by``."""
    with tempfile.TemporaryDirectory() as folder:
        weights = random_weights(Path(folder), dialect)
        every = sites(weights.blueprint)
        values = {
            Tensor(every[key.site], key.stage).name: value for key, value in sorted(computed(weights).items(), key=str)
        }
    default = {name: value for name, value in values.items() if not name.endswith(("/Conv2D", "/batchnorm"))}
    path = FOLDER / f"{dialect}.npz"
    np.savez_compressed(
        path,
        addresses=np.array(list(default)),
        summaries=np.stack([summary(*item) for item in default.items()]),
        made_by=np.array(", ".join(f"{package} {version(package)}" for package in PACKAGES[dialect])),
    )
    return path


if __name__ == "__main__":
    for dialect in RECORDED:
        print(record(dialect))
