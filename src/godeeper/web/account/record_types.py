"""The JSON records of what is known about one filter, as types; see ``web.record_types``."""

from __future__ import annotations

from typing import TypedDict

from ...peek.records import Box, Names, Pair
from ..record_types import Sha256


class OriginRecord(TypedDict):
    """One filter."""

    address: str
    channel: int


class TermRecord(TypedDict):
    """The contribution of one earlier filter.  ``window``: top, left, bottom, right of the cells that are read.

    ``origin``: the filter that the channel comes from.  ``share``: of the sum of all magnitudes.
    """

    address: str
    channel: int
    value: float
    origin: OriginRecord
    window: Box
    share: float


class ListenerRecord(TypedDict):
    """A later filter that reads this one, and the cell at which this one contributes most to it."""

    address: str
    channel: int
    weight: float
    value: float
    cell: Pair


class ContributionsRecord(TypedDict):
    """The value of a filter at a cell before its ReLU: bias + terms + rest.  ``terms``: those with the greatest magnitudes."""

    photo: str
    photo_sha256: Sha256
    photo_notes: list[str]
    weights: str
    weights_sha256: Sha256
    preprocessing: str
    engine: str
    precision: str
    address: str
    channel: int
    names: Names
    cell: Pair
    depth: int
    value: float
    bias: float
    own_bias: float
    inner_bias: float
    terms: list[TermRecord]
    rest: float
    listeners: list[ListenerRecord]
    notes: list[str]


class NameRecord(TypedDict):
    """One thing that a filter responds to.  ``p``: corrected for all tests of all filters."""

    kind: str
    text: str
    effect: float
    p: float
    evidence: str


class KeptRecord(TypedDict):
    """The shares of the values that remain after a change to the photos.  ``kept``: their median."""

    kept: float
    p: float
    ratios: list[float]


class ColourOrShapeRecord(TypedDict):
    """Whether a filter depends on colour or on shape."""

    verdict: str
    greyed: KeptRecord
    shuffled: KeptRecord


class NamesRecord(TypedDict):
    """What a filter responds to.  ``with_photos``: whether the photos could be read; otherwise only classes were tested."""

    address: str
    filter: int
    names: list[NameRecord]
    tests: int
    with_photos: bool
    colour_or_shape: ColourOrShapeRecord | None


class BestPhotoRecord(TypedDict):
    """The photo that activates a filter most."""

    photo: str
    value: float


class CopiedFilterRecord(TypedDict):
    """The filter of a convolution that a filter is, or is a copy of."""

    address: str
    filter: int


class VisualisationRecord(TypedDict):
    """A picture made to activate a filter, and whether to believe it."""

    address: str
    filter: int
    origin: CopiedFilterRecord
    value: float
    best_photo: BestPhotoRecord | None
    path_similarity: float | None
    trusted: bool
    why: str
    seconds: float
    settings: str
