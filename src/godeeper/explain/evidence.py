"""The evidence for each class as an exact sum over the places of a photo.

The head is linear in features that are means over a grid, and means are sums.  So the logit of class c is

    logit_c = intercept_c + sum over modules, cells and filters of  w_cf · (value_f(cell) - mean_f) / cells

with w_cf = coefficients_cf / scale_f and mean_f, the mean feature of the photos that trained the head.  Nothing is
approximated: cells and ``constant`` add up to the logit, and zero is what an average training photo would say.

A cell is where evidence was *collected*.  What the cell saw is its receptive field, which is larger than the
cell, and in later modules larger than the photo: a place's evidence may come from things beside it.

Sums are in double precision, from values in single precision; the classifier itself averages in single precision.
The two agree within ``TOLERANCE`` of the sum of all magnitudes, which the tests hold it to.  (Half precision is
where training keeps features; neither the classifier's own answer nor this has a part in it.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.address import Tensor, resolve_one
from ..blueprint.topology import origin
from ..engine.plan import NETWORK_INPUT, key_of, plan
from ..errors import OptionError, UnknownName
from ..peek.geometry import Box, Placement, extent
from ..photos.decode import Photo, decode
from ..provenance import Provenance

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from ..blueprint.ops import Blueprint
    from ..classifier.classifier import Classifier

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

TOLERANCE = 1e-6
"""How far the sum may be from the classifier's own logit, as a share of 1 plus the sum of all magnitudes."""

Class = str | int
"""A class by its name, or by its number."""


@dataclass(frozen=True)
class ModuleEvidence:
    """The evidence that one tensor collected.

    ``grids``: (classes, H, W), the evidence in each cell.  ``filters``: (classes, C), the same evidence by filter.
    ``features``: (C,), the means that the head reads.
    ``area``: the part of the network's input that the grid stands for, in its pixels.
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
        """(height, width) of what one cell sees, in pixels of the input."""
        return self.tensor.field.size


@dataclass(frozen=True)
class Contribution:
    """What one filter has to say.

    ``value``: its evidence, in logits.  ``share``: of all that filters say on its side, for or against.
    ``origin``: where a join has it from, as an address to peek at.
    """

    address: str
    filter: int
    value: float
    share: float
    origin: str

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "address": self.address,
            "filter": self.filter,
            "evidence": self.value,
            "share": self.share,
            "origin": self.origin,
        }


@dataclass(frozen=True)
class Evidence:
    """The evidence for each class in one photo.

    ``constant``: (classes,) the intercepts, which do not depend on the photo.  ``logits``: (classes,) what the
    classifier's own head says of the same values, before its ``temperature``.  ``probabilities``: (classes,),
    calibrated: of logits divided by ``temperature`` and ``strangeness``, which is 1, or more for a photo unlike
    those that the head learned from.  ``verdict`` is None for none of the classes: no probability reaches the ``threshold``.
    """

    classes: tuple[str, ...]
    parts: tuple[ModuleEvidence, ...] = field(repr=False)
    constant: Doubles = field(repr=False)
    logits: Doubles = field(repr=False)
    probabilities: Doubles
    temperature: float
    strangeness: float
    verdict: str | None
    threshold: float | None
    photo: Photo
    origin: Provenance
    placement: Placement
    blueprint: Blueprint = field(repr=False)

    @property
    def weights(self) -> str:
        """The name of the weights."""
        return self.origin.weights

    @property
    def weights_sha256(self) -> str:
        """The SHA-256 of the weights file."""
        return self.origin.weights_sha256

    @property
    def preprocessing(self) -> str:
        """A summary of the preprocessing."""
        return self.origin.preprocessing

    @property
    def ranking(self) -> list[int]:
        """The numbers of the classes, the likeliest first."""
        ranked: list[int] = np.argsort(-self.probabilities, kind="stable").tolist()
        return ranked

    @property
    def likeliest(self) -> int:
        """The number of the class with the greatest probability."""
        return self.ranking[0]

    @cached_property
    def magnitude(self) -> float:
        """The greatest sum of magnitudes that any class's evidence adds up from."""
        return float(np.abs(self.constant).max() + sum(np.abs(part.filters).sum(axis=1).max() for part in self.parts))

    def number(self, label: Class) -> int:
        """The number of a class; raises ``UnknownName``."""
        if isinstance(label, int) and 0 <= label < len(self.classes):
            return label
        if label not in self.classes:
            raise UnknownName("class", str(label), self.classes)
        return self.classes.index(label)

    def of(self, values: Doubles, label: Class, against: Class | None = None) -> Doubles:
        """A class's row of (classes, …); with ``against``, by how much it exceeds that class's."""
        row: Doubles = values[self.number(label)]
        return row if against is None else row - values[self.number(against)]

    def total(self, label: Class, against: Class | None = None) -> float:
        """All evidence and the constant added up: the logit, or the difference of two."""
        grids = sum(float(self.of(part.grids, label, against).sum()) for part in self.parts)
        return grids + float(self.of(self.constant, label, against))

    def by_module(self, label: Class, against: Class | None = None) -> dict[str, float]:
        """Address -> the evidence collected there; with the constant it adds up to ``total``."""
        return {part.address: float(self.of(part.grids, label, against).sum()) for part in self.parts}

    def by_filter(
        self, label: Class, top: int = 5, against: Class | None = None
    ) -> tuple[list[Contribution], list[Contribution]]:
        """The ``top`` filters that speak most for a class, and those that speak most against it."""
        heard = [
            (part, number, value)
            for part in self.parts
            for number, value in enumerate(self.of(part.filters, label, against).tolist())
        ]
        return self.loudest(heard, top, 1), self.loudest(heard, top, -1)

    def loudest(self, heard: list[tuple[ModuleEvidence, int, float]], top: int, sign: int) -> list[Contribution]:
        """The ``top`` voices on one side, the loudest first."""
        ranked = sorted((voice for voice in heard if voice[2] * sign > 0), key=lambda voice: -voice[2] * sign)
        whole = sum(value for _, _, value in ranked)
        return [self.voice(part, number, value, value / whole) for part, number, value in ranked[:top]]

    def voice(self, part: ModuleEvidence, number: int, value: float, share: float) -> Contribution:
        """One filter, with where it comes from."""
        site, there = origin(self.blueprint, part.tensor.site, number)
        return Contribution(part.address, number, value, share, f"{site.address}[{there}]")

    def over_photo(
        self, label: Class, size: tuple[int, int], against: Class | None = None, address: str | None = None
    ) -> Doubles:
        """The evidence spread over the photo.

        Every cell's evidence is spread evenly over the square that stands for it (see ``place``), so that what is
        spread adds up to ``total`` less the constant.  What the network did not see of the photo has none.

        Args:
            label: the class.
            size: (width, height) of the result, the whole photo.
            against: a class whose evidence is taken off.
            address: of one module alone.

        Returns:
            (height, width) float64, logits a pixel.
        """
        if min(size) < 1:
            raise OptionError(f"a size of {size[0]} x {size[1]}: expected at least one pixel each way")
        spread = np.zeros((size[1], size[0]))
        for part in self.parts:
            if address in (None, part.address):
                spread += self.lay(part, self.of(part.grids, label, against), size)
        return spread

    def lay(self, part: ModuleEvidence, grid: Doubles, size: tuple[int, int]) -> Doubles:
        """One grid (H, W) spread over the photo, (height, width)."""
        area, used = self.placement.on_photo(part.area), self.placement.used
        across, down = size[0] / self.placement.photo[0], size[1] / self.placement.photo[1]
        columns = shares(grid.shape[1], (area.left, area.right), (used.left, used.right), size[0], across)
        rows = shares(grid.shape[0], (area.top, area.bottom), (used.top, used.bottom), size[1], down)
        laid: Doubles = rows @ grid @ columns.T
        return laid

    def picture(self, label: Class | None = None, against: Class | None = None) -> Image.Image:
        """The photo with the evidence over it; for the likeliest class, if none is named."""
        from .picture import Question, draw

        return draw(self, Question(self.likeliest if label is None else label, against))

    def save(self, path: str | Path, label: Class | None = None, against: Class | None = None) -> Path:
        """Write the picture as a PNG that carries its provenance."""
        from ..files import write_atomically
        from .picture import Question, png

        write_atomically(Path(path), png(self, Question(self.likeliest if label is None else label, against)))
        return Path(path)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        from .picture import Question, png

        return png(self, Question(self.likeliest))

    def record(self, label: Class, against: Class | None = None, top: int = 5) -> dict[str, Any]:
        """One class's evidence as JSON can hold it."""
        speaking = zip(("for", "against"), self.by_filter(label, top, against), strict=True)
        return {
            "class": self.classes[self.number(label)],
            "over": None if against is None else self.classes[self.number(against)],
            "total": self.total(label, against),
            "constant": float(self.of(self.constant, label, against)),
            "modules": [
                {
                    "address": part.address,
                    "evidence": float(self.of(part.grids, label, against).sum()),
                    "receptive_field": list(part.field_size),
                    "area": list(part.area),
                    "grid": self.of(part.grids, label, against).tolist(),
                }
                for part in self.parts
            ],
            "filters": {side: [voice.record() for voice in voices] for side, voices in speaking},
        }


def evidence(classifier: Classifier, photo: Any) -> Evidence:
    """Where in a photo a classifier's verdict comes from.

    Args:
        classifier: a trained classifier.
        photo: a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.

    Raises:
        PhotoError: the photo cannot be decoded.
        ClassifierError: the weights that the classifier was trained with are not installed.
    """
    decoded = decode(photo)
    network = classifier.network
    tensors = {address: resolve_one(network.blueprint, address) for address in classifier.head.addresses}
    keys = {address: key_of(tensor) for address, tensor in tensors.items()}
    steps = plan(network.blueprint, list(dict.fromkeys(keys.values())))
    values = network.engine.run(steps, {NETWORK_INPUT: network.preprocess(decoded)})
    return from_activations(classifier, decoded, {address: values[key] for address, key in keys.items()})


def from_activations(classifier: Classifier, photo: Photo, activations: Mapping[str, Floats]) -> Evidence:
    """The evidence in activations that were computed already.

    Args:
        classifier: a trained classifier.
        photo: the photo they are of.
        activations: each of the head's addresses -> (1, C, H, W), or (1, C) where there is no grid.
    """
    head, weights = classifier.head, classifier.weights_file
    blueprint = weights.network
    planes = {
        address: activations[address].reshape(*activations[address].shape[1:2], *grid_of(activations[address]))
        for address in head.addresses
    }
    features = {address: plane.mean(axis=(1, 2), dtype=np.float32)[None] for address, plane in planes.items()}
    logits = head.logits(features)[0].astype(np.float64)
    probabilities = head.probabilities(features)[0].astype(np.float64)
    probabilities /= probabilities.sum()
    return Evidence(
        classes=head.classes,
        parts=tuple(parts(classifier, blueprint, planes)),
        constant=head.intercepts.astype(np.float64),
        logits=logits,
        probabilities=probabilities,
        temperature=head.temperature,
        strangeness=float(head.strangeness(features)[0, 0]),
        verdict=classifier.verdict_of(probabilities),
        threshold=head.threshold,
        photo=photo,
        placement=Placement.of(classifier.preprocess, photo.size),
        origin=Provenance(
            weights.name, weights.sha256, classifier.preprocess.summary, photo.name, photo.sha256, photo.notes
        ),
        blueprint=blueprint,
    )


def grid_of(activations: Floats) -> tuple[int, int]:
    """(H, W) of (1, C, H, W), or of (1, C) one cell."""
    return (activations.shape[2], activations.shape[3]) if activations.ndim == 4 else (1, 1)


def parts(classifier: Classifier, blueprint: Blueprint, planes: Mapping[str, Floats]) -> list[ModuleEvidence]:
    """What each tensor collected, from its planes (C, H, W)."""
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


def shares(cells: int, area: tuple[float, float], used: tuple[float, float], pixels: int, scale: float) -> Doubles:
    """(pixels, cells): which share of each cell lies in each pixel, along one axis; columns add up to one.

    Cells divide ``area`` evenly, in pixels of the photo, of which ``used`` was seen; a cell's part beyond it counts
    for the rest of the cell.  ``scale``: pixels of the result a pixel of the photo.
    """
    edges = np.clip(np.linspace(*area, cells + 1), *used) * scale
    starts, ends = edges[:-1], edges[1:]
    left = np.arange(pixels)[:, None]
    overlap = np.maximum(np.minimum(ends, left + 1) - np.maximum(starts, left), 0)
    widths = overlap.sum(axis=0)
    if (widths <= 0).any():  # all of a cell is beyond the border: it counts for the pixel there
        middle = np.clip(((starts + ends) / 2).astype(int), 0, pixels - 1)
        overlap[middle[widths <= 0], np.flatnonzero(widths <= 0)] = 1.0
        widths = overlap.sum(axis=0)
    found: Doubles = overlap / widths
    return found
