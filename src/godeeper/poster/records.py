"""The types of the records in ``poster.json``."""

from __future__ import annotations

from typing import TypedDict


class BandRecord(TypedDict):
    """A part of the network: its title, and its top and bottom in pixels of the poster."""

    title: str
    top: int
    bottom: int


class BlockRecord(TypedDict):
    """A tensor: its place on the poster, its scale and its statistics.

    ``low``, ``high``: the values at the ends of the scale; lists if each filter has its own scale.  ``constant``: the
    filters with one value everywhere.
    """

    address: str
    names: dict[str, str | None]
    part: str
    kind: str
    shape: list[int]
    left: int
    top: int
    rows: int
    columns: int
    low: float | list[float]
    high: float | list[float]
    minimum: float
    maximum: float
    constant: list[int]
    receptive_field: list[int]
