"""The parts of the report's page that show photos: the confusion matrix and what is behind it, suspects, twins."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import PurePath

from ..escaping import escaped_html as escape
from ..natural_order import natural_order
from .report import Report

FEW = 12  # photos shown of a cell that is right
MANY = 60  # and of one that is not
DOUBTFUL = 0.95  # below this accuracy planted mislabels are no longer found with precision: see bench/planted.py
LARGEST = 30  # classes in a matrix; of more only the mistakes are listed


class Gallery:
    """Small pictures, each in the page once; shown by number."""

    def __init__(self, pictures: Mapping[str, bytes]) -> None:
        self.pictures = pictures
        self.numbers = {path: number for number, path in enumerate(pictures)}

    def definitions(self) -> str:
        """The pictures themselves, out of sight."""
        images = "".join(
            f'<image id="p{number}" width="96" height="96" preserveAspectRatio="xMidYMid slice"'
            f' href="data:image/jpeg;base64,{base64.b64encode(self.pictures[path]).decode()}"/>'
            for path, number in self.numbers.items()
        )
        return f'<svg class="pictures" aria-hidden="true"><defs>{images}</defs></svg>'

    def show(self, path: str, caption: str = "") -> str:
        """A photo with its name; ``caption`` is markup."""
        name = escape(PurePath(path).name)
        where = escape(path)
        picture = '<div class="none"></div>'
        if path in self.numbers:
            use = f'<use href="#p{self.numbers[path]}"/>'
            picture = f'<svg viewBox="0 0 96 96" role="img" aria-label="{where}">{use}</svg>'
        return f'<figure title="{where}">{picture}<figcaption>{caption}{name}</figcaption></figure>'


def shown_paths(report: Report) -> list[str]:
    """The photos that the page shows, each once."""
    paths = [report.paths[row] for true, said in cells(report) for row in shown_rows(report, true, said)]
    paths += [suspect.path for suspect in report.suspects[:MANY]]
    paths += [path for pair in report.twins[:MANY] for path in pair.paths]
    return list(dict.fromkeys(paths))


def cells(report: Report) -> list[tuple[int, int]]:
    """The cells of the confusion matrix that hold photos: mistakes first, the commonest leading."""
    rows, columns = report.confusion.nonzero()
    found = [(int(true), int(said)) for true, said in zip(rows, columns, strict=True)]
    return sorted(found, key=lambda cell: (cell[0] == cell[1], -report.confusion[cell], cell))


def shown_rows(report: Report, true: int, said: int) -> list[int]:
    """The photos shown of a cell."""
    return report.rows_of(true, said)[: FEW if true == said else MANY]


def matrix(report: Report, gallery: Gallery) -> str:
    """The confusion matrix, and the photos behind each cell."""
    wrong = int(report.accuracy.n - report.confusion.trace())
    blocks = {
        right: "".join(
            cell_block(report, gallery, true, said) for true, said in cells(report) if (true == said) is right
        )
        for right in (False, True)
    }
    table = matrix_table(report) if len(report.classes) <= LARGEST else ""
    said = (
        f"{wrong} of {report.accuracy.n} photos were assigned to another class. "
        if wrong
        else "Every photo was classified correctly. "
    )
    how = "Rows: true class; columns: predicted class. Each number links to its photos." if table else ""
    return (
        f"<h2>Confusion matrix</h2><p>{said}{how}</p>{table}"
        f'<div class="mistakes">{blocks[False]}</div><div class="right">{blocks[True]}</div>'
    )


def matrix_table(report: Report) -> str:
    """The matrix itself, classes in natural order; shades stand for shares of the row."""
    order = natural_order(report.classes)
    names = [report.classes[number] for number in order]
    head = "".join(f'<th scope="col" title="{escape(name)}">{escape(name)}</th>' for name in names)
    rows = []
    for true, name in zip(order, names, strict=True):
        counts = report.confusion[true]
        total = max(1, int(counts.sum()))
        tds = "".join(matrix_cell(true, said, int(counts[said]), counts[said] / total) for said in order)
        rows.append(f'<tr><th scope="row" title="{escape(name)}">{escape(name)}</th>{tds}</tr>')
    return (
        f'<div class="wide"><table class="matrix"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def matrix_cell(true: int, said: int, count: int, share: float) -> str:
    """One cell, a link to its photos."""
    if not count:
        return "<td></td>"
    return f'<td class="s{min(6, int(share * 7))}"><a href="#c{true}-{said}">{count}</a></td>'


def cell_block(report: Report, gallery: Gallery, true: int, said: int) -> str:
    """The photos of one cell; mistakes are open to the eye."""
    rows = report.rows_of(true, said)
    shown = shown_rows(report, true, said)
    photos = "".join(gallery.show(report.paths[row], f"<b>{report.probabilities[row, said]:.0%}</b> ") for row in shown)
    name, other = escape(report.classes[true]), escape(report.classes[said])
    what = f"<b>{name}</b> classified correctly" if true == said else f"<b>{name}</b> classified as <b>{other}</b>"
    rest = f", {len(shown)} shown" if len(shown) < len(rows) else ""
    opened = "" if true == said else " open"
    return (
        f'<details id="c{true}-{said}"{opened}><summary>{what} <small>{len(rows)}{rest}</small></summary>'
        f'<div class="photos">{photos}</div></details>'
    )


def suspects(report: Report, gallery: Gallery) -> str:
    """Photos that may be in the wrong folder."""
    if not report.suspects:
        return "<h2>In the wrong folder?</h2><p>No photo looks misfiled.</p>"
    shown = report.suspects[:MANY]
    photos = "".join(
        gallery.show(
            one.path,
            f"in <b>{escape(one.label)}</b>, looks like <b>{escape(one.suggested)}</b> {one.probability:.0%}<br>",
        )
        for one in shown
    )
    rest = f" {len(shown)} are shown." if len(shown) < len(report.suspects) else ""
    right = report.accuracy.value or 0.0
    doubt = " Below 95 % accuracy, most of these may just be hard to classify." if right < DOUBTFUL else ""
    many = len(report.suspects) > 1
    count = f"{len(report.suspects)} photos look" if many else "One photo looks"
    first = "; the most suspicious come first" if many else ""
    return (
        f"<h2>In the wrong folder?</h2><p>{count} like another class to classifiers trained without {'them' if many else 'it'}{first}. Check {'them' if many else 'it'} by eye.{doubt}{rest}</p>"
        f'<div class="photos">{photos}</div>'
    )


def twins(report: Report, gallery: Gallery) -> str:
    """Near-duplicates across classes."""
    if not report.twins:
        return ""
    pairs = "".join(
        "<div>"
        + "".join(
            gallery.show(path, f"<b>{escape(label)}</b><br>") for path, label in zip(one.paths, one.labels, strict=True)
        )
        + "</div>"
        for one in report.twins[:MANY]
    )
    return f'<h2>Near-duplicates in two classes</h2><p>One of each pair may be in the wrong folder.</p><div class="pair">{pairs}</div>'
