"""A picture of what a classifier takes for a class, by gradient ascent on the class's logit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.address import resolve_one
from ..errors import UnknownName
from ..filters.visualisation.directions import visualise_means
from ..filters.visualisation.visualise import Settings
from ..photos.decode import decode
from .classifier import pooled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..filters.visualisation.directions import Direction
    from .classifier import Classifier

    Floats = NDArray[np.float32]


def visualise_class(
    classifier: Classifier,
    class_name: str,
    settings: Mapping[str, Any],
    progress: Callable[[int, int], None] | None = None,
) -> Direction:
    """The picture of a class; see ``Classifier.visualise``."""
    names = list(classifier.head.classes)
    if class_name not in names:
        raise UnknownName("class", class_name, names)
    number = names.index(class_name)
    weights = weights_of_means(classifier, number)
    made = visualise_means(classifier.network, f"class {class_name}", weights, Settings(**settings), progress)
    features = pooled(classifier.network, [decode(made.picture)], classifier.head.addresses)
    logits = classifier.head.logits(features)[0]
    probability = float(classifier.likelihoods(features)[0, number])
    return replace(made, value=float(logits[number] - logits.mean()), probability=probability)


def weights_of_means(classifier: Classifier, number: int) -> dict[str, Floats]:
    """Address -> (C,): what each filter's mean adds to the logit of a class minus the mean of all logits."""
    head = classifier.head
    joined = (head.coefficients[number] - head.coefficients.mean(axis=0)) / head.scale
    sizes = [resolve_one(classifier.network.blueprint, address).site.shape[0] for address in head.addresses]
    return dict(zip(head.addresses, np.split(joined, np.cumsum(sizes)[:-1]), strict=True))
