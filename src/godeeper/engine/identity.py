"""Who computed a value: the engine, its precision, and for 8 bits the calibration.

Engines agree to about 1e-5 in single precision, and less in 8 bits; so what is stored of one is never taken for
another's, and outputs say which it was.
"""

from __future__ import annotations

from dataclasses import dataclass

PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True)
class Identity:
    """``calibration``: the SHA-256 of the record that 8 bits were chosen by, or none."""

    engine: str
    calibration: str = ""

    @property
    def precision(self) -> str:
        return PRECISIONS[bool(self.calibration)]

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"

    @property
    def key(self) -> str:
        """What tells this from all others."""
        return f"{self} {self.calibration}".rstrip()

    @property
    def record(self) -> dict[str, str]:
        """As JSON."""
        return {"engine": self.engine, "precision": self.precision}
