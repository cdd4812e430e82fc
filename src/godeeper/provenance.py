"""The provenance of a result: the record that every output contains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Provenance:
    """The weights and preprocessing behind a result, and the photo if the result describes a single photo.

    ``preprocessing``: a summary, such as ``squash antialias 299``.  ``photo``: the name of the photo.  ``photo_notes``: the
    decoder's changes to it.
    """

    weights: str
    weights_sha256: str
    preprocessing: str
    photo: str | None = None
    photo_sha256: str | None = None
    photo_notes: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """The provenance as a JSON object."""
        of_photo = {
            "photo": self.photo,
            "photo_sha256": self.photo_sha256,
            "photo_notes": list(self.photo_notes),
        }
        return {
            **(of_photo if self.photo is not None else {}),
            "weights": self.weights,
            "weights_sha256": self.weights_sha256,
            "preprocessing": self.preprocessing,
        }

    def png_chunks(self) -> dict[str, str]:
        """The provenance as the text chunks of a PNG."""
        of_photo = {
            "godeeper:photo": self.photo or "",
            "godeeper:photo-sha256": self.photo_sha256 or "",
            "godeeper:photo-notes": "; ".join(self.photo_notes),
        }
        return {
            **(of_photo if self.photo is not None else {}),
            "godeeper:weights": self.weights,
            "godeeper:weights-sha256": self.weights_sha256,
            "godeeper:preprocessing": self.preprocessing,
        }


class HasProvenance:
    """The weights and preprocessing of a record, read from its field ``origin``."""

    origin: Provenance

    @property
    def weights(self) -> str:
        """The name of the weights."""
        return self.origin.weights

    @property
    def weights_sha256(self) -> str:
        """The SHA-256 of the weights file."""
        return self.origin.weights_sha256

    @property
    def preprocessing(self) -> str:
        """A summary of the preprocessing."""
        return self.origin.preprocessing
