"""The photos on the report's page: the thumbnails, and the photos of each cell of the confusion matrix."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from .report import Report, Thumbnails

MOST_SHOWN = 60  # photos of a list, or of a cell of the confusion matrix
MOST_CORRECT_SHOWN = 12  # photos of a cell on the diagonal


@dataclass(frozen=True)
class PhotoCell:
    """A cell of the confusion matrix.  ``photos``: the photos to show, as path and probability of the predicted class."""

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
    """The photos of a page.  ``images``: thumbnails, JPEG in base64.  ``numbers``: path -> index of the photo's thumbnail, if any."""

    cells: tuple[PhotoCell, ...]
    images: tuple[str, ...]
    numbers: Mapping[str, int]


def make_gallery(report: Report, thumbnails: Thumbnails | None) -> Gallery:
    """Collect the photos that the page shows, and make their thumbnails."""
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
    """The non-empty cells of the confusion matrix: mistakes first, and larger cells before smaller ones."""
    pairs = [(int(true), int(predicted)) for true, predicted in zip(*report.confusion.nonzero(), strict=True)]
    pairs.sort(key=lambda pair: (pair[0] == pair[1], -report.confusion[pair], pair))
    return tuple(photo_cell(report, *pair) for pair in pairs)


def photo_cell(report: Report, true: int, predicted: int) -> PhotoCell:
    """One cell with the photos to show."""
    rows = report.rows_of(true, predicted)
    shown = rows[: MOST_CORRECT_SHOWN if true == predicted else MOST_SHOWN]
    photos = tuple((report.paths[row], float(report.probabilities[row, predicted])) for row in shown)
    return PhotoCell(report.classes[true], report.classes[predicted], f"c{true}-{predicted}", len(rows), photos)


def shown_paths(report: Report, cells: tuple[PhotoCell, ...]) -> list[str]:
    """The paths of all photos to show, without repetition."""
    paths = [path for cell in cells for path, _ in cell.photos]
    paths += [suspect.path for suspect in report.suspects[:MOST_SHOWN]]
    paths += [path for pair in report.twins[:MOST_SHOWN] for path in pair.paths]
    return list(dict.fromkeys(paths))
