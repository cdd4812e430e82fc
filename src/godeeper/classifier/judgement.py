"""The judgement of one photo: its verdict, the probabilities of the classes, and the reason for "none of these"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from .refusal import why_refused


class JudgementRecord(TypedDict):
    """The JSON object of one photo in ``godeeper classify --json``."""

    photo: str
    photo_notes: list[str]
    verdict: str | None
    none_of_these: bool
    reason: str | None
    probabilities: dict[str, float]
    threshold: float | None
    strangeness: float | None
    error: str | None


@dataclass(frozen=True)
class Judgement:
    """The prediction for one photo.

    ``verdict``: None if the photo belongs to none of the classes or cannot be read.  ``threshold``: the least probability of a
    verdict.  ``strangeness``: the factor (1 or more) by which the temperature is raised because the photo is unlike the
    training photos; None if it was not computed.  ``photo_notes``: changes to the photo before it was used (see
    ``Photo.notes``).
    """

    photo: str
    verdict: str | None
    probabilities: Mapping[str, float]
    error: str | None = None
    threshold: float | None = None
    strangeness: float | None = None
    photo_notes: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether the photo was read and belongs to none of the classes."""
        return self.verdict is None and self.error is None

    @property
    def reason(self) -> str | None:
        """Why the photo belongs to none of the classes, in a sentence; None if it belongs to one or cannot be read."""
        return why_refused(self.probabilities, self.threshold, self.strangeness) if self.is_refused else None

    def record(self) -> JudgementRecord:
        """The judgement as a JSON object."""
        return {
            "photo": self.photo,
            "photo_notes": list(self.photo_notes),
            "verdict": self.verdict,
            "none_of_these": self.is_refused,
            "reason": self.reason,
            "probabilities": dict(self.probabilities),
            "threshold": self.threshold,
            "strangeness": self.strangeness,
            "error": self.error,
        }
