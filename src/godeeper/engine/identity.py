"""The identity of an engine: its name, precision and, for int8, quantization ranges.

Engines agree to about 1e-5 in single precision, and less in int8.  So cached values are never shared between
engines, and outputs record which engine computed them.
"""

from __future__ import annotations

from dataclasses import dataclass

PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True)
class Identity:
    """``calibration``: the SHA-256 of the quantization ranges; empty for fp32."""

    engine: str
    calibration: str = ""

    @property
    def precision(self) -> str:
        return PRECISIONS[bool(self.calibration)]

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"

    @property
    def key(self) -> str:
        """A string that differs for all identities, for cache keys."""
        return f"{self} {self.calibration}".rstrip()

    @property
    def record(self) -> dict[str, str]:
        """As JSON."""
        return {"engine": self.engine, "precision": self.precision}
