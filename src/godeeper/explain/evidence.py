"""Evidence: an exact, signed class activation map over several layers (Zhou et al., CVPR 2016, arXiv:1512.04150).

The head is linear in the features, and each feature is the mean of a filter over its grid.  The logit of class c is therefore
a sum over the cells of the grids:

    logit_c = intercept_c + sum over modules, cells and filters of  w_cf · (value_f(cell) - mean_f) / cells

Here w_cf = coefficients_cf / scale_f, and mean_f is the mean feature of the training photos.  The evidence of all cells and
the ``constant`` add up exactly to the logit.  The evidence is zero for the average training photo.

A cell is the position where evidence was *measured*.  Its receptive field is larger than the cell, and in later modules
larger than the photo, so evidence at a position may come from objects next to it.

The sums are in double precision, from activations in single precision; the classifier averages in single precision.
Tests check that both agree within ``TOLERANCE``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.address import resolve_one
from ..blueprint.topology import origin
from ..engine.plan import NETWORK_INPUT, key_of, plan
from ..errors import OptionError, UnknownName
from ..peek.geometry import Placement
from ..photos.decode import Photo, decode
from ..provenance import HasProvenance, Provenance
from .module_evidence import Contribution, ModuleEvidence, parts
from .spread import grid_of, shares

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from ..blueprint.ops import Blueprint
    from ..classifier.classifier import Classifier
    from ..photos.decode import PhotoSource

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

TOLERANCE = 1e-6
"""The largest difference between the sum and the classifier's logit, as a share of 1 plus the sum of all magnitudes."""

Class = str | int
"""A class, given by name or by number."""


@dataclass(frozen=True)
class Evidence(HasProvenance):
    """The evidence for each class in one photo.

    ``constant``: (classes,) the intercepts, which do not depend on the photo.  ``logits``: (classes,) the logits that the
    classifier's head computes from the same activations.  ``probabilities``: (classes,) the softmax of the logits divided by
    ``temperature`` and ``strangeness``.  ``strangeness`` is at least 1, and larger for a photo unlike the training photos.
    ``verdict``: None means "none of these", because no probability reaches the ``threshold``.

    >>> import numpy as np
    >>> from godeeper import PhotoClassifier, evidence
    >>> dark, bright = (np.random.default_rng(0).integers(0, top, (8, 64, 64, 3), np.uint8) for top in (50, 250))
    >>> model = PhotoClassifier("conv").fit([*dark, *bright], ["dark"] * 8 + ["bright"] * 8)
    >>> found = evidence(model.classifier_, bright[0])
    >>> found.verdict, found.over_photo("bright", (64, 64)).shape
    ('bright', (64, 64))
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
    def ranking(self) -> list[int]:
        """The numbers of the classes, most likely first."""
        ranked: list[int] = np.argsort(-self.probabilities, kind="stable").tolist()
        return ranked

    @property
    def likeliest(self) -> int:
        """The number of the most likely class."""
        return self.ranking[0]

    @cached_property
    def magnitude(self) -> float:
        """An upper bound, for all classes, of the sum of the magnitudes of the constant and of each filter's evidence."""
        return float(np.abs(self.constant).max() + sum(np.abs(part.filters).sum(axis=1).max() for part in self.parts))

    def number(self, label: Class) -> int:
        """The number of a class; raises ``UnknownName`` if there is no such class."""
        if isinstance(label, int) and 0 <= label < len(self.classes):
            return label
        if label not in self.classes:
            raise UnknownName("class", str(label), self.classes)
        return self.classes.index(label)

    def of(self, values: Doubles, label: Class, against: Class | None = None) -> Doubles:
        """The row of ``values`` (classes, …) for a class, minus the row of ``against`` if given."""
        row: Doubles = values[self.number(label)]
        return row if against is None else row - values[self.number(against)]

    def total(self, label: Class, against: Class | None = None) -> float:
        """The evidence plus the constant: the logit or, with ``against``, the difference of two logits."""
        grids = sum(float(self.of(part.grids, label, against).sum()) for part in self.parts)
        return grids + float(self.of(self.constant, label, against))

    def by_module(self, label: Class, against: Class | None = None) -> dict[str, float]:
        """Address -> the evidence of its module; all values and the constant add up to ``total``."""
        return {part.address: float(self.of(part.grids, label, against).sum()) for part in self.parts}

    def by_filter(
        self, label: Class, top: int = 5, against: Class | None = None
    ) -> tuple[list[Contribution], list[Contribution]]:
        """The ``top`` filters with the most evidence for a class, and the ``top`` with the most evidence against it."""
        contributions = [
            (part, number, value)
            for part in self.parts
            for number, value in enumerate(self.of(part.filters, label, against).tolist())
        ]
        return self.loudest(contributions, top, 1), self.loudest(contributions, top, -1)

    def loudest(
        self, contributions: list[tuple[ModuleEvidence, int, float]], top: int, sign: int
    ) -> list[Contribution]:
        """The ``top`` contributions of one sign, the largest magnitude first."""
        ranked = sorted((each for each in contributions if each[2] * sign > 0), key=lambda each: -each[2] * sign)
        whole = sum(value for _, _, value in ranked)
        return [self.voice(part, number, value, value / whole) for part, number, value in ranked[:top]]

    def voice(self, part: ModuleEvidence, number: int, value: float, share: float) -> Contribution:
        """The contribution of one filter; ``origin`` is the corresponding filter before the concatenation."""
        site, there = origin(self.blueprint, part.tensor.site, number)
        return Contribution(part.address, number, value, share, f"{site.address}[{there}]")

    def over_photo(
        self, label: Class, size: tuple[int, int], against: Class | None = None, address: str | None = None
    ) -> Doubles:
        """The evidence spread over the photo.

        Each cell's evidence is spread evenly over its rectangle of the photo (see ``peek.geometry``), so the result adds up
        to ``total`` minus the constant.  It is zero where the network did not see the photo.

        Args:
            label: the class.
            size: (width, height) of the result, which shows the whole photo.
            against: a class whose evidence is subtracted.
            address: a module whose evidence is spread; None spreads the evidence of all modules.

        Returns:
            (height, width) float64, in logits per pixel.

        Raises:
            UnknownName: there is no such class.
            OptionError: ``size`` is less than one pixel wide or high.
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
        """The photo with an overlay of the evidence, by default for the most likely class."""
        from .picture import Question, draw

        return draw(self, Question(self.likeliest if label is None else label, against))

    def save(self, path: str | Path, label: Class | None = None, against: Class | None = None) -> Path:
        """Write the picture as a PNG with provenance, and return the path."""
        from ..files import write_atomically
        from .picture import Question, png

        write_atomically(Path(path), png(self, Question(self.likeliest if label is None else label, against)))
        return Path(path)

    def _repr_png_(self) -> bytes:
        """The picture, for notebooks."""
        from .picture import Question, png

        return png(self, Question(self.likeliest))

    def record(self, label: Class, against: Class | None = None, top: int = 5) -> dict[str, Any]:
        """The evidence for one class as a JSON object."""
        sides = zip(("for", "against"), self.by_filter(label, top, against), strict=True)
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
            "filters": {side: [voice.record() for voice in voices] for side, voices in sides},
        }


def evidence(classifier: Classifier, photo: PhotoSource) -> Evidence:
    """Compute the evidence for each class in a photo.

    Args:
        classifier: a trained classifier.
        photo: a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.

    Raises:
        PhotoError: the photo cannot be decoded.
        ClassifierError: the weights that the classifier was trained with are not installed.

    >>> import numpy as np
    >>> from godeeper import PhotoClassifier, evidence
    >>> dark, bright = (np.random.default_rng(0).integers(0, top, (8, 64, 64, 3), np.uint8) for top in (50, 250))
    >>> model = PhotoClassifier("conv").fit([*dark, *bright], ["dark"] * 8 + ["bright"] * 8)
    >>> evidence(model.classifier_, bright[0]).verdict
    'bright'
    """
    decoded = decode(photo)
    network = classifier.network
    tensors = {address: resolve_one(network.blueprint, address) for address in classifier.head.addresses}
    keys = {address: key_of(tensor) for address, tensor in tensors.items()}
    steps = plan(network.blueprint, list(dict.fromkeys(keys.values())))
    values = network.engine.run(steps, {NETWORK_INPUT: network.preprocess(decoded)})
    return from_activations(classifier, decoded, {address: values[key] for address, key in keys.items()})


def from_activations(classifier: Classifier, photo: Photo, activations: Mapping[str, Floats]) -> Evidence:
    """Compute the evidence from activations.

    Args:
        classifier: a trained classifier.
        photo: the photo that the activations were computed from.
        activations: address -> (1, C, H, W), or (1, C) if there is no grid, for each of the head's addresses.
    """
    head, weights = classifier.head, classifier.weights_file
    blueprint = weights.blueprint
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
