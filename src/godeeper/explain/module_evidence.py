"""The evidence from one tensor, by cells and by filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from ..blueprint.address import Tensor, resolve_one
from ..peek.geometry import Box, extent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..blueprint.ops import Blueprint
    from ..classifier.classifier import Classifier

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class ModuleEvidence:
    """The evidence from one tensor.

    ``grids``: (classes, H, W), the evidence in each cell.  ``filters``: (classes, C), the same evidence by filter.
    ``features``: (C,), the spatial means, which are the head's input.  ``area``: the part of the network's input that the
    grid covers, in pixels.
    """

    tensor: Tensor
    grids: Doubles = field(repr=False)
    filters: Doubles = field(repr=False)
    features: Doubles = field(repr=False)
    area: Box

    @property
    def address(self) -> str:
        return self.tensor.address

    @property
    def field_size(self) -> tuple[int, int]:
        """(height, width) of a cell's receptive field, in pixels of the input."""
        return self.tensor.field.size


class FilterEvidenceRecord(TypedDict):
    """The evidence of one filter."""

    address: str
    filter: int
    evidence: float
    share: float
    origin: str


@dataclass(frozen=True)
class Contribution:
    """The evidence from one filter.

    ``value``: the evidence, in logits.  ``share``: the share of all evidence for the class, or of all evidence against it.
    ``origin``: the address of the filter before the concatenation.
    """

    address: str
    filter: int
    value: float
    share: float
    origin: str

    def record(self) -> FilterEvidenceRecord:
        """The contribution as a JSON object."""
        return {
            "address": self.address,
            "filter": self.filter,
            "evidence": self.value,
            "share": self.share,
            "origin": self.origin,
        }


def parts(classifier: Classifier, blueprint: Blueprint, planes: Mapping[str, Floats]) -> list[ModuleEvidence]:
    """The evidence from each tensor, given address -> activations (C, H, W)."""
    head = classifier.head
    weights = head.coefficients.astype(np.float64) / head.scale  # (classes, features)
    found = []
    start = 0
    for address, values in planes.items():
        tensor = resolve_one(blueprint, address)
        rows = slice(start, start := start + len(values))
        surplus = values.astype(np.float64) - head.mean[rows, None, None]  # (C, H, W)
        means = surplus.mean(axis=(1, 2))
        cells = values.shape[1] * values.shape[2]
        found.append(
            ModuleEvidence(
                tensor=tensor,
                grids=np.tensordot(weights[:, rows], surplus, 1) / cells,
                filters=weights[:, rows] * means,
                features=head.mean[rows] + means,
                area=extent(tensor.site, classifier.preprocess.size),
            )
        )
    return found
