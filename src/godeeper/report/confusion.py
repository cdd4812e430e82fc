"""The confusion matrix for the report's page, as a list of its mistakes and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..natural_order import natural_order

LARGEST = 30
"""The most classes in a table; with more, only the mistakes are listed."""
SHADES = 7


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix: the number of photos with this true class and this predicted class."""

    true: str
    predicted: str
    count: int
    anchor: str  # the id of the HTML element with its photos
    shade: int  # from 0 to 6, by its share of the row


@dataclass(frozen=True)
class Row:
    """A row of the table, for one true class."""

    name: str
    cells: tuple[Cell, ...]


def cell_of(record: Mapping[str, Any], true: int, predicted: int) -> Cell:
    """The cell of two classes, given by number."""
    row, names = record["confusion"][true], record["classes"]
    count = row[predicted]
    shade = min(SHADES - 1, int(SHADES * count / max(1, sum(row))))
    return Cell(names[true], names[predicted], count, f"c{true}-{predicted}", shade)


def confusions(record: Mapping[str, Any]) -> list[Cell]:
    """The cells of misclassified photos, the largest first."""
    found = [
        cell_of(record, true, predicted)
        for true, row in enumerate(record["confusion"])
        for predicted, count in enumerate(row)
        if count and predicted != true
    ]
    return sorted(found, key=lambda cell: -cell.count)


def confusion_table(record: Mapping[str, Any]) -> list[Row]:
    """The rows of the table, with classes in natural order; empty if there are too many classes for a table."""
    names = record["classes"]
    if len(names) > LARGEST:
        return []
    order = natural_order(names)
    return [Row(names[true], tuple(cell_of(record, true, predicted) for predicted in order)) for true in order]
