"""The JSON records of the page's interface, as types; ``schemas`` derives the JSON Schemas from them.

A record has exactly these fields.  All integers are zero or greater.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypedDict

from ..classifier.judgement import JudgementRecord
from ..explain.module_evidence import FilterEvidenceRecord
from ..peek.records import Box, FilterRecord, Length, Names, Pair, PeekFields


@dataclass(frozen=True)
class Pattern:
    """The regular expression that a string matches."""

    regex: str


Sha256 = Annotated[str, Pattern("^[0-9a-f]{64}$")]
Urls = dict[str, str]
ClassName = TypedDict("ClassName", {"class": str})


class ErrorRecord(TypedDict):
    """An error: the message and the HTTP status."""

    error: str
    status: int


class HealthRecord(TypedDict):
    """The state of the server, its version, and the network, weights and classifier that it serves."""

    status: str
    version: str
    network: str
    weights: str
    classifier: str | None


class PhotoRecord(TypedDict):
    """A stored photo.  ``used``: left, top, right, bottom of the part that the network sees, in pixels."""

    photo: str
    name: str
    sha256: Sha256
    width: int
    height: int
    used: Box
    display: Pair
    notes: list[str]
    url: str


class ListedTensorRecord(TypedDict):
    """A tensor of ``godeeper tensors --json``."""

    address: str
    names: Names
    remark: str | None
    kind: str
    stage: str | None
    shape: Annotated[list[int | None], Length(3)]
    macs: int
    macs_share: float
    receptive_field: Pair


class TensorsRecord(TypedDict):
    """``godeeper tensors --json``."""

    network: str
    tensors: list[ListedTensorRecord]


class ViewedFilterRecord(FilterRecord):
    """One filter as a page shows it.  ``strongest``: row and column of its strongest cell."""

    strength: float
    selectivity: float | None
    strongest: Pair


class FieldRecord(TypedDict):
    """The receptive field of a cell, in pixels of the network's input; ``size`` and ``padding`` are (height, width)."""

    size: Pair
    jump: int
    padding: Pair


class ModuleLinkRecord(TypedDict):
    """A link to a part of the network's map."""

    title: str
    url: str


class TensorLinkRecord(TypedDict):
    """A link to a tensor's page."""

    address: str
    url: str


class NeighboursRecord(TypedDict):
    """Addresses of a tensor's inputs, of the tensors that use it, and of its branch."""

    before: list[str]
    after: list[str]
    branch: list[str]


class TensorRecord(PeekFields):
    """A tensor's page: the fields of a peek, and what the page needs in addition."""

    filters: list[ViewedFilterRecord]
    kind: str
    is_rectified: bool
    legend: str
    low: float | None
    high: float | None
    ends: Annotated[list[str], Length(2)]
    rows: int
    columns: int
    tile: Pair
    field: FieldRecord
    input_size: int
    used: Box
    module: ModuleLinkRecord
    previous: TensorLinkRecord | None
    next: TensorLinkRecord | None
    neighbours: NeighboursRecord
    urls: Urls


class JudgementsRecord(TypedDict):
    """``godeeper classify --json``."""

    classifier: str
    engine: str
    precision: str
    photos: list[JudgementRecord]


class ClassRecord(ClassName):
    """One class of a verdict.  ``modules``: the evidence of each module; with ``constant`` it adds up to ``logit``."""

    number: int
    probability: float
    logit: float
    constant: float
    modules: dict[str, float]
    urls: Urls


class VerdictRecord(JudgementRecord):
    """The verdict on a photo, with its evidence for each class.  ``likeliest``: the number of the most probable class."""

    classifier: str
    false_accept_rate: float | None
    temperature: float
    likeliest: int
    classes: list[ClassRecord]


class ModuleEvidenceRecord(TypedDict):
    """The evidence of one module.  ``area``: left, top, right, bottom of ``grid`` in the network's input."""

    address: str
    evidence: float
    receptive_field: Pair
    area: Annotated[list[float], Length(4)]
    grid: list[list[float]]


class EvidenceRecord(ClassName):
    """The evidence for one class, or for one class over another."""

    over: str | None
    total: float
    constant: float
    modules: list[ModuleEvidenceRecord]
    filters: dict[str, list[FilterEvidenceRecord]]
    number: int
    logit: float
    temperature: float
    strangeness: float
    probability: float
    legend: str
    limit: float
    size: Pair
    urls: Urls


class IndexedPhotoRecord(TypedDict):
    """A photo's maximum of one filter.  ``number``: of the photo in the index.

    ``row`` and ``column``: of the cell with the maximum; None if the map is the same everywhere.  ``crop``: the URL of that
    cell's receptive field; None if there is none, and ``problem`` says why.
    """

    number: int
    photo: str
    photo_sha256: Sha256
    value: float
    row: int | None
    column: int | None
    crop: str | None
    problem: str | None


class ClassActivityRecord(TypedDict):
    """A filter on the photos of one class.  ``active``: the share of photos with a maximum above 0."""

    mean: float
    active: float


class IndexedFilterRecord(TypedDict):
    """The served index's record of one filter.

    ``index``: which photos it was made of, in words; ``sample``: whether these are the sample pictures.  ``photos``: the ones with
    the greatest maxima, greatest first.  ``examples``: percentile -> the photo there.
    """

    address: str
    filter: int
    index: str
    sample: bool
    indexed_photos: int
    photos: list[IndexedPhotoRecord]
    examples: dict[str, IndexedPhotoRecord]
    active: float
    mean: float
    classes: dict[str, ClassActivityRecord]
