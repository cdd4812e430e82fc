"""Int8 quantization ranges of the tensors of a network, computed from photos and stored as JSON.

``features/int8_ranges.py`` computes the ranges for one set of weights, and ``onnx_graph`` builds the int8 graph with them.
Values above the upper end of a range are clipped, and all others are rounded to one of 256 levels.  All ranges start at
zero, because the quantized tensors are never negative: they are outputs of ReLUs, or of pools, concatenations and
normalisations of such outputs.
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
from ..weights.registry import BUNDLED_RANGES

FORMAT = 1
LEAST, GREATEST = 1e-20, 1e20  # limits of the upper end, which must fit in single precision


@dataclass(frozen=True)
class QuantizationRanges:
    """The quantization ranges for one set of weights.

    ``ranges``: address -> (lower end, upper end).  ``method``: the method that computed the ranges.  ``photos``: the
    SHA-256 of the pixels of each photo.
    """

    weights_sha256: str
    ranges: Mapping[str, tuple[float, float]]
    method: str
    photos: tuple[str, ...]
    format: int = FORMAT

    @property
    def maxima(self) -> dict[str, float]:
        """Address -> the upper end of the range; greater values are clipped."""
        return {address: high for address, (_, high) in self.ranges.items()}

    @cached_property
    def sha256(self) -> str:
        """The hash of the fields that affect computed values."""
        parts = [self.format, self.weights_sha256, sorted(self.maxima.items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def record(self) -> dict[str, Any]:
        """All fields as JSON."""
        return asdict(self) | {"ranges": {address: list(ends) for address, ends in self.ranges.items()}}

    def save(self, path: str | Path) -> None:
        """Write the ranges to a JSON file; raises ``OutputError``."""
        write_atomically(Path(path), (json.dumps(self.record, indent=1) + "\n").encode())

    def check(self, weights: WeightsFile) -> None:
        """Raise ``WeightsError`` if the ranges are for other weights."""
        if self.weights_sha256 != weights.sha256:
            raise WeightsError(
                f"these quantization ranges are for weights with SHA-256 {self.weights_sha256[:16]}…, but {weights.name!r} have "
                f"{weights.sha256[:16]}…: calibrate these weights on photos of your own"
            )


def from_record(record: Any) -> QuantizationRanges:
    """The ranges in a JSON record; raises ``WeightsError``."""
    try:
        if record["format"] != FORMAT:
            raise WeightsError(
                f"quantization ranges of format {str(record['format'])[:40]}, expected {FORMAT}: compute them again"
            )
        ranges = {str(address): (float(low), float(high)) for address, (low, high) in record["ranges"].items()}
        made = QuantizationRanges(
            str(record["weights_sha256"]), ranges, str(record["method"]), tuple(map(str, record["photos"]))
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"damaged quantization ranges ({type(error).__name__}: {str(error)[:200]}): compute them again"
        ) from None
    if not all(low == 0 and LEAST < high < GREATEST for low, high in made.ranges.values()):
        raise WeightsError("damaged quantization ranges: expected ranges from 0 to more than 0; compute them again")
    return made


def read(path: str | Path) -> QuantizationRanges:
    """The ranges in a JSON file; raises ``WeightsError``."""
    try:
        record = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: not quantization ranges ({error}); expected JSON written by QuantizationRanges.save"
        ) from None
    return from_record(record)


def shipped(weights: WeightsFile) -> QuantizationRanges | None:
    """The ranges for these weights that come with godeeper; None if there are none."""
    bundled = read(BUNDLED_RANGES)
    return bundled if bundled.weights_sha256 == weights.sha256 else None


def calibration_of(weights: WeightsFile, given: QuantizationRanges | str | Path | None = None) -> QuantizationRanges:
    """The given ranges, or those that come with the weights; raises ``WeightsError`` if none fit."""
    if not isinstance(given, (str, Path, QuantizationRanges, type(None))):
        raise OptionError(f"calibration={quoted(given)}: expected QuantizationRanges, their file, or None")
    calibration = read(given) if isinstance(given, (str, Path)) else given or shipped(weights)
    if calibration is None:
        raise WeightsError(
            f"weights {weights.name!r} have no quantization ranges, which int8 needs: compute them with godeeper.load(…).calibrate(photos), "
            "or use fp32"
        )
    calibration.check(weights)
    return calibration
