"""Exports a classifier as a ``torch.export`` program, from a photo's pixels to probabilities, including preprocessing.

Input: (H, W, 3) uint8 of any size; output: (classes,) float32.  Importing this module imports torch.
"""

# mypy: disable-error-code="import-not-found,misc,no-any-return"
# mypy also runs without torch, whose classes are then Any.

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.address import resolve_one
from ..blueprint.ops import Blueprint
from ..blueprint.sites import Site, sites
from ..disk_cache import cache_folder
from ..engine.torch.network import TorchNetwork, capture
from ..engine.torch.operations import nn, torch
from ..engine.torch.weights import to_torch
from ..training.ood import POWER, OodModel
from .parity import Export, Predict
from .torch_photo import TorchPhoto

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..classifier.classifier import Classifier

LONGEST = 65535  # pixels of a side; JPEG's own limit


class TorchClassifier(nn.Module):
    """Preprocessing, network and head in one module."""

    def __init__(self, classifier: Classifier, network: TorchNetwork) -> None:
        super().__init__()
        head = classifier.head
        self.photo = TorchPhoto(classifier.preprocess)
        self.network = network
        self.addresses = head.addresses
        self.temperature = head.temperature
        ood_model = head.ood_model or OodModel(np.zeros((1, head.mean.size), np.float32), 0.0)
        self.reach = ood_model.reach
        self.register_buffer("directions", torch.from_numpy(np.array(ood_model.directions, np.float32)))
        for name in ("mean", "scale", "coefficients", "intercepts"):
            self.register_buffer(name, torch.from_numpy(np.array(getattr(head, name), np.float32)))

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        """(H, W, 3) uint8 -> (classes,) float32."""
        with capture(self.network, self.addresses) as seen:
            self.network(self.photo(photo))
        values = [seen[address] for address in self.addresses]
        features = torch.cat([value.mean((2, 3)) if value.dim() == 4 else value for value in values], 1)
        standard = (features - self.mean) / self.scale
        logits = standard @ self.coefficients.T + self.intercepts
        return torch.softmax(logits / (self.temperature * self.strangeness(standard)), 1)[0]

    def strangeness(self, standard: torch.Tensor) -> torch.Tensor:
        """(1, 1): the factor by which the temperature is raised, from standardised features."""
        within = (standard @ self.directions.T).square().sum(1, keepdim=True)
        distance = self.reach * standard.square().sum(1, keepdim=True) - within
        return distance.clamp(min=1) ** POWER


def make_export(classifier: Classifier) -> Export:
    """The classifier as one ``.pt2`` file."""
    # torch's default is a folder that all users share.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "torch"))
    file = classifier.weights_file
    network = to_torch(file, end=last(file.blueprint, classifier.head.addresses))
    module = TorchClassifier(classifier, network).eval()
    sides = {0: torch.export.Dim("height", min=1, max=LONGEST), 1: torch.export.Dim("width", min=1, max=LONGEST)}
    example = torch.zeros((640, 480, 3), dtype=torch.uint8)
    with torch.no_grad():
        program = torch.export.export(module, (example,), dynamic_shapes=(sides,), strict=False)
    return Export(
        predict=runner(program.module()),
        files=lambda metadata: {".pt2": serialised(program, metadata)},
        packages=("torch", "pillow", "numpy"),
    )


def last(blueprint: Blueprint, addresses: tuple[str, ...]) -> str:
    """The earliest site at which the network can end without losing any of ``addresses``."""
    needed = max(resolve_one(blueprint, address).site.index for address in addresses)
    return next(site.address for site in sites(blueprint) if site.index >= needed and stands_alone(site))


def stands_alone(site: Site) -> bool:
    """Whether the network can end at ``site``: outside the modules, or at a module's final concatenation."""
    return site.place.module is None or site.place.branch is None


def runner(module: Any) -> Predict:
    """A function from a photo's pixels to the program's probabilities."""

    def predict(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        with torch.no_grad():
            probabilities: NDArray[Any] = module(torch.from_numpy(pixels.copy())).numpy()
        return probabilities

    return predict


def serialised(program: Any, metadata: Mapping[str, Any]) -> bytes:
    """The serialised program, with ``metadata`` in the extra file ``godeeper.json``."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={"godeeper.json": json.dumps(metadata, ensure_ascii=False)})
    return buffer.getvalue()
