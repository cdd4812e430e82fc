"""Fields of a report's record: sentences about the test, and values that JSON can represent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..training.split import TEST_SET
from ..training.unknown_classes import FEWEST, UnknownClasses


def tested_on(test: Mapping[str, Any]) -> str:
    """A description of the tested photos, from a report's ``test``."""
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


class PhotoEntry(Protocol):
    """A file in a class's folder."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...


class PhotoDiagnosis(Protocol):
    """The doctor's result for a file; ``status`` is used, repaired or quarantined."""

    @property
    def entry(self) -> PhotoEntry: ...
    @property
    def status(self) -> str: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...


def doctor_records(diagnoses: Sequence[PhotoDiagnosis]) -> list[dict[str, Any]]:
    """The doctor's results as JSON objects, without files that are used unchanged and have no remarks."""
    return [
        {
            "photo": one.entry.name,
            "class": one.entry.label,
            "status": one.status,
            "reasons": [*one.reasons],
            "remarks": [*one.remarks],
        }
        for one in diagnoses
        if one.status != "used" or one.remarks
    ]


def unknown_record(unknown: UnknownClasses | None, classes: int) -> dict[str, Any]:
    """The result on left-out classes as a JSON object, or the reason why it was not measured."""
    if unknown is None:
        return {"false_accept_rate": None, "auroc": None, "classes": [], "why_not_measured": why_unmeasured(classes)}
    return unknown.record() | {"why_not_measured": None}


def why_unmeasured(classes: int) -> str:
    """The reason why there is no false-accept rate."""
    if classes < FEWEST:
        return f"it requires at least {FEWEST} classes, and there are {classes}"
    return "there are too few photos to hold any out"


def finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot represent, by None."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
