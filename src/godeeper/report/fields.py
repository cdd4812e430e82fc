"""Fields of a report's record: sentences on how it was tested, and values that JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..training.split import TEST_SET
from ..training.unknown_classes import FEWEST, UnknownClasses


def tested_on(test: Mapping[str, Any]) -> str:
    """On which photos the classifier was tested, and how many of them its interval counts, from a report's ``test``."""
    n, by_test_set = test["n"], test["by"] == TEST_SET
    how = " that took no part in training" if by_test_set else f", by {test['by']}"
    reasons = ["near-duplicates count once"] if test.get("effective_n", n) < n else []
    reasons += [] if by_test_set else ["each cross-validated photo counts half"]
    if not reasons or not n or "interval_n" not in test:
        return photos_of(n) + how
    counted = f"; the 95 % interval counts them as {test['interval_n']:.4g}, since {' and '.join(reasons)}"
    return photos_of(n) + how + counted


def photos_of(count: int) -> str:
    """A number of photos in words."""
    return "1 photo" if count == 1 else f"{count} photos"


def unknown_record(unknown: UnknownClasses | None, classes: int) -> dict[str, Any]:
    """What classes left out say of the threshold, as JSON; where nothing was measured, why not."""
    if unknown is None:
        return {"false_accept_rate": None, "auroc": None, "classes": [], "why_not_measured": why_unmeasured(classes)}
    return unknown.record() | {"why_not_measured": None}


def why_unmeasured(classes: int) -> str:
    """Why there is no false-accept rate."""
    if classes < FEWEST:
        return f"leaving a class out takes at least {FEWEST} classes, and there are {classes}"
    return "too few photos: none could be held out"


def finite(value: Any) -> Any:
    """A JSON value with None in place of numbers that JSON cannot hold."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
