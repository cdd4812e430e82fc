"""A photo to train on: the part of the doctor's diagnosis that later steps need."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..sources.folder import Entry


@dataclass(frozen=True, slots=True)
class UsablePhoto:
    """A photo that is not quarantined.

    ``group``: photos with the same number must stay in one set.  ``edges``: 6 numbers, see ``fingerprint.edges``.
    ``remarks``: on the photo's quality, see ``quality``.
    """

    entry: Entry
    pixels_sha256: str
    group: int
    edges: tuple[float, ...] = field(default=(), repr=False)
    remarks: tuple[str, ...] = ()
