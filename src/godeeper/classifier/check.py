"""Checks the contents of a classifier's file: types, ranges and shapes.

The file may come from an untrusted source, so every value is checked before it is used.  An invalid value raises
``ClassifierError``.
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
DIRECTIONS = "directions"  # the array of the OOD model, if there is one

TEMPERATURES = (1e-4, 1e4)  # fitted temperatures are well within this range, and single precision covers far more
LARGEST_REACH = 1e30
SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST_INTEGER = 20  # digits


def damaged(what: str) -> ClassifierError:
    """The error for a file with invalid content."""
    return ClassifierError(f"damaged: {what}; copy or download it again, or retrain")


def names(values: Any, what: str) -> tuple[str, ...]:
    """Check that ``values`` is a list of distinct names that are not blank, and return it as a tuple."""
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
    """Check that ``value`` is a number from ``low`` to ``high``, both included, and return it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise damaged(f"the {what} is {quoted(value)}, expected a number from {low:g} to {high:g}")
    return float(value)


def share(value: Any, what: str) -> float | None:
    """Check that ``value`` is a number from 0 to 1, or None, and return it."""
    return None if value is None else number(value, what, 0.0, 1.0)


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """Check that ``value`` is a JSON object, and return it."""
    if not isinstance(value, Mapping):
        raise damaged(f"the {what} is {quoted(value)}, expected a JSON object")
    return value


def sha256(value: Any, what: str) -> str:
    """Check that ``value`` is a SHA-256 in hexadecimal, and return it."""
    if not isinstance(value, str) or not SHA256.fullmatch(value):
        raise damaged(f"the {what} is {quoted(value)}, expected a SHA-256 of 64 digits")
    return value


def check_head(head: Head) -> None:
    """Raise if a head's arrays have shapes that do not match, or values that are not finite."""
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
    """Raise unless an array has the given shape and contains only finite floats."""
    if values.shape != shape:
        raise damaged(f"{name} has shape {values.shape}, expected {shape}")
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        raise damaged(f"{name} holds values that are not finite numbers")


def check_report(record: Any) -> Mapping[str, Any]:
    """Check that ``record`` is a JSON object whose ``test_photos``, if any, are a list of paths, and return it."""
    report = mapping(record, "report")
    photos = report.get("test_photos", [])
    if not isinstance(photos, list) or not all(isinstance(photo, str) for photo in photos):
        raise damaged(f"test_photos of the report is {quoted(photos)}, expected a list of paths")
    return report


def finite(text: str) -> float:
    """Parse a JSON number; raises ``ValueError`` if it is too large for double precision."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:LONGEST_QUOTE]} is not a finite number")
    return value


def whole(text: str) -> int:
    """Parse a JSON integer; raises ``ValueError`` if it has more than ``LONGEST_INTEGER`` digits."""
    if len(text) > LONGEST_INTEGER:
        raise ValueError(f"{text[:LONGEST_INTEGER]}… is too long for a number")
    return int(text)
