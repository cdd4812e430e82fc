"""The wording of the verdict "none of these" and of its reason."""

from __future__ import annotations

from collections.abc import Mapping

NOTHING = "none of these"


def written(verdict: str | None) -> str:
    """A verdict as text: a class name or ``none of these``; a class with this name is quoted."""
    if verdict is None:
        return NOTHING
    return f"class {verdict!r}" if " ".join(verdict.split()).casefold() == NOTHING else verdict


def why_refused(probabilities: Mapping[str, float], threshold: float | None, strangeness: float | None) -> str | None:
    """The reason for "none of these" in a sentence; None if the most likely class reaches the threshold."""
    if not probabilities or threshold is None:
        return None
    likeliest, probability = max(probabilities.items(), key=lambda item: item[1])
    if probability >= threshold:
        return None
    reason = f"the likeliest class, {likeliest!r}, has a probability of {probability:.1%}, below the threshold of {threshold:.1%}"
    if strangeness is None:
        return reason
    if strangeness <= 1:
        return f"{reason}; the photo is not unusual among the training photos"
    return f"{reason}; the photo is unlike the training photos, which multiplies the temperature by {strangeness:.2f}"
