"""The head: a regularised multinomial logistic regression on pooled features, with its calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """What turns features into probabilities.

    ``coefficients``: (classes, features); ``intercepts``: (classes,); ``mean`` and ``scale``: (features,), all
    in the order of ``addresses``.  Below ``threshold`` a photo is none of the classes, which lets through
    strangers at ``false_accept_rate``.
    """

    addresses: tuple[str, ...]
    mean: NDArray[Any]
    scale: NDArray[Any]
    coefficients: NDArray[Any]
    intercepts: NDArray[Any]
    temperature: float
    threshold: float | None
    false_accept_rate: float | None
    classes: tuple[str, ...]

    def logits(self, features: Mapping[str, Floats]) -> NDArray[Any]:
        """(N, classes): how much speaks for each class, before the temperature."""
        joined = np.concatenate([features[address] for address in self.addresses], axis=1)
        answer: NDArray[Any] = (joined - self.mean) / self.scale @ self.coefficients.T + self.intercepts
        return answer

    def probabilities(self, features: Mapping[str, Floats]) -> NDArray[Any]:
        """(N, classes): rows that add up to one."""
        logits = self.logits(features) / self.temperature
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        answer: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
        return answer
