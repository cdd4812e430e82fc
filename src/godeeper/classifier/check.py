"""Checks the contents of a classifier's file: types, ranges and shapes.

The file may come from a stranger, so every value is checked before it is used.  Each fault raises a ``ClassifierError``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LONGEST_QUOTE, ClassifierError, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..training.head import Head

NUMBERS = ("mean", "scale", "coefficients", "intercepts")
DIRECTIONS = "directions"  # of the OOD model, if there is one

TEMPERATURES = (1e-4, 1e4)  # fits stay well within this range; single precision reaches far beyond it
LARGEST_REACH = 1e30
SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST_INTEGER = 20  # digits


def damaged(what: str) -> ClassifierError:
    """The error for a file with invalid content."""
    return ClassifierError(f"damaged: {what}; copy or download it again, or retrain")


def names(values: Any, what: str) -> tuple[str, ...]:
    """A JSON list of names, all different and none blank."""
    if not isinstance(values, list) or not values:
        raise damaged(f"{what} is {quoted(values)}, expected a list of names")
    for value in values:
        if not isinstance(value, str) or not value.strip():
            raise damaged(f"{what} holds {quoted(value)}, expected a name")
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise damaged(f"{what} holds {quoted(twice)} twice, expected all of them different")
    return tuple(values)


def number(value: Any, what: str, low: float, high: float) -> float:
    """A JSON number within a range, both ends included."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise damaged(f"the {what} is {quoted(value)}, expected a number from {low:g} to {high:g}")
    return float(value)


def share(value: Any, what: str) -> float | None:
    """A share from 0 to 1, or None."""
    return None if value is None else number(value, what, 0.0, 1.0)


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, Mapping):
        raise damaged(f"the {what} is {quoted(value)}, expected a JSON object")
    return value


def sha256(value: Any, what: str) -> str:
    """A SHA-256 in hexadecimal."""
    if not isinstance(value, str) or not SHA256.fullmatch(value):
        raise damaged(f"the {what} is {quoted(value)}, expected a SHA-256 of 64 digits")
    return value


def check_head(head: Head) -> None:
    """Raise if the shapes of a head's arrays do not match, or if they hold values that are not finite."""
    classes, features = len(head.classes), head.mean.size
    shapes = {"mean": (features,), "scale": (features,), "coefficients": (classes, features), "intercepts": (classes,)}
    arrays: dict[str, NDArray[Any]] = {name: getattr(head, name) for name in NUMBERS}
    if head.ood_model:
        arrays[DIRECTIONS] = head.ood_model.directions
        shapes[DIRECTIONS] = (len(head.ood_model.directions), features)
    for name, expected in shapes.items():
        check_array(name, arrays[name], expected)
    if classes < 2:
        raise damaged("it has 1 class, expected at least 2")
    if not (head.scale > 0).all():
        raise damaged("scale holds values that are not above 0")


def check_array(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise unless an array holds finite floats and has that shape."""
    if values.shape != shape:
        raise damaged(f"{name} has shape {values.shape}, expected {shape}")
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        raise damaged(f"{name} holds values that are not finite numbers")


def check_report(record: Any) -> Mapping[str, Any]:
    """The training report; raises unless it is an object whose ``test_photos`` are paths."""
    report = mapping(record, "report")
    photos = report.get("test_photos", [])
    if not isinstance(photos, list) or not all(isinstance(photo, str) for photo in photos):
        raise damaged(f"test_photos of the report is {quoted(photos)}, expected a list of paths")
    return report


def finite(text: str) -> float:
    """A JSON number; one that is too large for double precision is rejected."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:LONGEST_QUOTE]} is not a finite number")
    return value


def whole(text: str) -> int:
    """A JSON integer; one with more digits than any count is rejected."""
    if len(text) > LONGEST_INTEGER:
        raise ValueError(f"{text[:LONGEST_INTEGER]}… is too long for a number")
    return int(text)
