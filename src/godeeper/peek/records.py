"""The types of the records of ``godeeper peek --json``.  The web page's records extend them, and its schemas are derived from both.

A record has exactly these fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypedDict


@dataclass(frozen=True)
class Length:
    """The length of a list."""

    count: int


Pair = Annotated[list[int], Length(2)]
Box = Annotated[list[int], Length(4)]
Names = dict[str, str | None]


class FilterRecord(TypedDict):
    """One filter of a peek."""

    filter: int
    minimum: float
    maximum: float
    mean: float
    active: float


class PeekFields(TypedDict):
    """The fields of a peek, apart from its filters."""

    address: str
    names: Names
    remark: str | None
    stage: str | None
    shape: Box
    channels: list[int] | None
    scale: str
    dead: list[int]
    constant: list[int]
    minimum: float
    maximum: float
    macs: int
    macs_share: float
    receptive_field: Pair
    png: str | None


class PeekedTensorRecord(PeekFields):
    """One tensor."""

    filters: list[FilterRecord]


class PeekRecord(TypedDict):
    """The whole document: all tensors of one photo."""

    photo: str
    photo_sha256: str
    photo_notes: list[str]
    weights: str
    weights_sha256: str
    preprocessing: str
    tensors: list[PeekedTensorRecord]
    engine: str
    precision: str
