"""A photo that can be trained on: everything that later steps need of the doctor's diagnosis."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..sources.folder import Entry


@dataclass(frozen=True, slots=True)
class UsablePhoto:
    """A photo that is not quarantined.

    ``group``: photos with the same number must stay in one set.  ``edges``: 6 numbers, see ``fingerprint.edges``.
    ``remarks``: on its quality, see ``quality``.
    """

    entry: Entry
    pixels_sha256: str
    group: int
    edges: tuple[float, ...] = field(default=(), repr=False)
    remarks: tuple[str, ...] = ()
