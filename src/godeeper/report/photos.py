"""The photos on the report's page: small pictures, each stored once, and those behind each cell of the confusion matrix."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from .report import Report, Thumbnails

MOST_SHOWN = 60  # photos of a list, or of a cell of the confusion matrix
MOST_CORRECT_SHOWN = 12  # photos of a cell on its diagonal


@dataclass(frozen=True)
class PhotoCell:
    """A cell of the confusion matrix, and the photos shown of it: path and probability of the predicted class."""

    true: str
    predicted: str
    anchor: str
    count: int
    photos: tuple[tuple[str, float], ...]

    @property
    def is_right(self) -> bool:
        return self.true == self.predicted


@dataclass(frozen=True)
class Gallery:
    """``images``: base64 of small JPEGs; ``numbers``: path -> its place among them, for the photos that have one."""

    cells: tuple[PhotoCell, ...]
    images: tuple[str, ...]
    numbers: Mapping[str, int]


def make_gallery(report: Report, thumbnails: Thumbnails | None) -> Gallery:
    """The photos that the page shows."""
    cells = photo_cells(report)
    wanted = shown_paths(report, cells)
    pictures = thumbnails(wanted) if thumbnails else {}
    shown = [path for path in wanted if path in pictures]
    return Gallery(
        cells,
        tuple(base64.b64encode(pictures[path]).decode() for path in shown),
        {path: number for number, path in enumerate(shown)},
    )


def photo_cells(report: Report) -> tuple[PhotoCell, ...]:
    """The cells of the confusion matrix that hold photos: mistakes first, the largest leading."""
    pairs = [(int(true), int(predicted)) for true, predicted in zip(*report.confusion.nonzero(), strict=True)]
    pairs.sort(key=lambda pair: (pair[0] == pair[1], -report.confusion[pair], pair))
    return tuple(photo_cell(report, *pair) for pair in pairs)


def photo_cell(report: Report, true: int, predicted: int) -> PhotoCell:
    """One cell with the photos shown of it."""
    rows = report.rows_of(true, predicted)
    shown = rows[: MOST_CORRECT_SHOWN if true == predicted else MOST_SHOWN]
    photos = tuple((report.paths[row], float(report.probabilities[row, predicted])) for row in shown)
    return PhotoCell(report.classes[true], report.classes[predicted], f"c{true}-{predicted}", len(rows), photos)


def shown_paths(report: Report, cells: tuple[PhotoCell, ...]) -> list[str]:
    """The photos that the page shows, each once."""
    paths = [path for cell in cells for path, _ in cell.photos]
    paths += [suspect.path for suspect in report.suspects[:MOST_SHOWN]]
    paths += [path for pair in report.twins[:MOST_SHOWN] for path in pair.paths]
    return list(dict.fromkeys(paths))
