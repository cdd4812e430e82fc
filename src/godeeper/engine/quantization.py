"""A calibration: how far 8 bits reach in each tensor of a network, found on photos and kept as JSON.

It belongs to one set of weights.  Values above ``high`` are cut, those below are rounded to one of 256; all start from
zero, since what is rounded comes out of a ReLU or a pool of such.  ``ranges`` finds the numbers; this is the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import OptionError, WeightsError, quoted
from ..files import write_atomically
from ..weights.file import WeightsFile

FORMAT = 1
LEAST, GREATEST = 1e-20, 1e20  # of what 8 bits may reach; single precision ends beyond
SHIPPED = Path(__file__).parents[1] / "weights" / "bundled" / "inception_v3.int8.json"


@dataclass(frozen=True)
class QuantizationRanges:
    """``ranges``: address -> (low, high).  ``method``: how they were chosen.  ``photos``: SHA-256 of their pixels."""

    weights_sha256: str
    ranges: Mapping[str, tuple[float, float]]
    method: str
    photos: tuple[str, ...]
    format: int = FORMAT

    @property
    def maxima(self) -> dict[str, float]:
        """Address -> the greatest value that is not cut."""
        return {address: high for address, (_, high) in self.ranges.items()}

    @cached_property
    def sha256(self) -> str:
        """Of all that decides what is computed."""
        parts = [self.format, self.weights_sha256, sorted(self.maxima.items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"ranges": {address: list(ends) for address, ends in self.ranges.items()}}

    def save(self, path: str | Path) -> None:
        """Write the record; raises ``OutputError``."""
        write_atomically(Path(path), (json.dumps(self.record, indent=1) + "\n").encode())

    def check(self, weights: WeightsFile) -> None:
        """Raise ``WeightsError`` where it was made for other weights."""
        if self.weights_sha256 != weights.sha256:
            raise WeightsError(
                f"a calibration for weights with SHA-256 {self.weights_sha256[:16]}…, and {weights.name!r} have "
                f"{weights.sha256[:16]}…: calibrate these weights on photos of your own"
            )


def from_record(record: Any) -> QuantizationRanges:
    """The calibration that JSON holds; raises ``WeightsError``."""
    try:
        if record["format"] != FORMAT:
            raise WeightsError(
                f"a calibration of format {str(record['format'])[:40]}, expected {FORMAT}: calibrate again"
            )
        ranges = {str(address): (float(low), float(high)) for address, (low, high) in record["ranges"].items()}
        made = QuantizationRanges(
            str(record["weights_sha256"]), ranges, str(record["method"]), tuple(map(str, record["photos"]))
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"a damaged calibration ({type(error).__name__}: {str(error)[:200]}): calibrate again"
        ) from None
    if not all(low == 0 and LEAST < high < GREATEST for low, high in made.ranges.values()):
        raise WeightsError("a damaged calibration: expected ranges from 0 to more than 0; calibrate again")
    return made


def read(path: str | Path) -> QuantizationRanges:
    """The calibration in a file; raises ``WeightsError``."""
    try:
        record = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: not a calibration ({error}); expected JSON that calibrate wrote") from None
    return from_record(record)


def shipped(weights: WeightsFile) -> QuantizationRanges | None:
    """The calibration that comes with godeeper for these weights, if there is one."""
    found = read(SHIPPED)
    return found if found.weights_sha256 == weights.sha256 else None


def calibration_of(weights: WeightsFile, given: QuantizationRanges | str | Path | None = None) -> QuantizationRanges:
    """The calibration to compute with: the one given, or else the shipped one; raises ``WeightsError``."""
    if not isinstance(given, (str, Path, QuantizationRanges, type(None))):
        raise OptionError(f"calibration={quoted(given)}: expected a Calibration, its file, or None")
    found = read(given) if isinstance(given, (str, Path)) else given or shipped(weights)
    if found is None:
        raise WeightsError(
            f"weights {weights.name!r} come without a calibration, which int8 needs: make one with calibrate(photos) of "
            "what godeeper.load answers, or use fp32"
        )
    found.check(weights)
    return found
