"""The confusion matrix for the report's page: its cells, the largest first, and the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..natural_order import natural_order

LARGEST = 30
"""Classes in a table; for more of them, only the confusions are listed."""
SHADES = 7


@dataclass(frozen=True)
class Cell:
    """``count`` photos of one true and one predicted class."""

    true: str
    predicted: str
    count: int
    anchor: str  # the id of its photos' element
    shade: int  # 0 to 6: its share of the row


@dataclass(frozen=True)
class Row:
    """One true class of the table."""

    name: str
    cells: tuple[Cell, ...]


def cell_of(record: Mapping[str, Any], true: int, predicted: int) -> Cell:
    """The cell of two classes, by number."""
    row, names = record["confusion"][true], record["classes"]
    count = row[predicted]
    shade = min(SHADES - 1, int(SHADES * count / max(1, sum(row))))
    return Cell(names[true], names[predicted], count, f"c{true}-{predicted}", shade)


def confusions(record: Mapping[str, Any]) -> list[Cell]:
    """The cells that hold misclassified photos, the largest first."""
    found = [
        cell_of(record, true, predicted)
        for true, row in enumerate(record["confusion"])
        for predicted, count in enumerate(row)
        if count and predicted != true
    ]
    return sorted(found, key=lambda cell: -cell.count)


def confusion_table(record: Mapping[str, Any]) -> list[Row]:
    """The rows, classes in natural order; empty where there are too many classes for a table."""
    names = record["classes"]
    if len(names) > LARGEST:
        return []
    order = natural_order(names)
    return [Row(names[true], tuple(cell_of(record, true, predicted) for predicted in order)) for true in order]
