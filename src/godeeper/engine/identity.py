"""The identity of an engine: its name, its precision and, for int8, the hash of its quantization ranges.

The results of different engines differ by about 1e-5 in single precision, and by more in int8.  Therefore engines never
share cached values, and outputs contain the identity of the engine that computed them.
"""

from __future__ import annotations

from dataclasses import dataclass

PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True)
class Identity:
    """The identity of an engine.  ``calibration``: the SHA-256 of its quantization ranges; empty for fp32."""

    engine: str
    calibration: str = ""

    @property
    def precision(self) -> str:
        return PRECISIONS[bool(self.calibration)]

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"

    @property
    def key(self) -> str:
        """A unique string for cache keys."""
        return f"{self} {self.calibration}".rstrip()

    @property
    def record(self) -> dict[str, str]:
        """The name and precision as JSON."""
        return {"engine": self.engine, "precision": self.precision}
