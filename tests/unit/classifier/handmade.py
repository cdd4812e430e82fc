"""Untrained classifiers with random heads, for tests of code that uses heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from godeeper.classifier.classifier import Classifier
from godeeper.network import load
from godeeper.training.head import Head
from godeeper.training.ood import OodModel

CLASSES = ("Parked Cars", "a/b", "кошки", '猫, "x"')
ADDRESSES = ("mixed_2/join", "mixed_5/join")
EARLY = ("mixed/join", "mixed_1/join")
"""Early modules, which are quick to compute and to export."""


def classifier(
    addresses: Sequence[str] = ADDRESSES,
    classes: Sequence[str] = CLASSES,
    threshold: float | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    ood_model: OodModel | None = None,
) -> Classifier:
    """Return a classifier with a random head from a fixed seed.  The head roughly standardises the features."""
    random = np.random.default_rng(0)
    network = load()
    width = sum(network.tensors(address)[0].site.shape[0] for address in addresses)
    head = Head(
        addresses=tuple(addresses),
        mean=random.uniform(0.1, 0.3, width).astype(np.float32),
        scale=random.uniform(0.1, 0.3, width).astype(np.float32),
        coefficients=(random.normal(size=(len(classes), width)) / np.sqrt(width)).astype(np.float32),
        intercepts=np.zeros(len(classes), np.float32),
        temperature=1.3,
        threshold=threshold,
        false_accept_rate=None if threshold is None else 0.05,
        classes=tuple(classes),
        ood_model=ood_model,
    )
    chosen = dict(network.weights.description.preprocessing) | dict(preprocessing or {})
    return Classifier(head, network.weights.name, network.weights.sha256, chosen)


def ood_model(addresses: Sequence[str] = ADDRESSES) -> OodModel:
    """Return a random OOD model that finds every photo slightly unfamiliar."""
    network = load()
    width = sum(network.tensors(address)[0].site.shape[0] for address in addresses)
    directions = np.random.default_rng(1).normal(size=(5, width)).astype(np.float32)
    return OodModel(directions / np.float32(3 * width), 2.5 / width)
