"""The report as HTML: one file that works offline and without scripts, or a part of the web page.

The same Jinja template renders both from the report's record (``Report.record``, which a classifier's file contains as JSON).
Only the file shows photos and their names; it contains each thumbnail once.  All names are escaped, since they come from the
user's folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ..natural_order import natural_key, natural_order
from ..templates import template_environment
from ..version import GENERATOR
from .charts import learning_chart, modules_chart, reliability_chart
from .confusion import confusion_table, confusions
from .fields import tested_on
from .photos import MOST_SHOWN, make_gallery
from .report import Report, Thumbnails
from .style import file_style

if TYPE_CHECKING:
    from jinja2 import Environment

DOUBTFUL = 0.95
"""Below this accuracy, many suspected label errors are false alarms; see bench/training/planted.py."""


def page(report: Report, thumbnails: Thumbnails | None = None) -> str:
    """The report as a complete HTML file."""
    template = environment().get_template("page.html")
    style = Markup(file_style())  # noqa: S704 (the package's own)
    return template.render(
        report=report.record(), gallery=make_gallery(report, thumbnails), generator=GENERATOR, style=style
    )


def article(record: Mapping[str, Any]) -> Markup:
    """The report's content without photos and file names, for a page that includes ``style.article_style``.

    Raises:
        jinja2.TemplateRuntimeError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError: ``record`` lacks
            a field, or a field has another type.
    """
    html = environment().get_template("article.html").render(report=record, gallery=None)
    return Markup(html)  # noqa: S704 (escaped by the template)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates of this package, with their filters and charts."""
    templates = template_environment("godeeper.report")
    templates.filters |= {
        "base_name": base_name,
        "confusion_table": confusion_table,
        "confusions": confusions,
        "costs": costs,
        "decimal": decimal,
        "in_natural_order": in_natural_order,
        "natural_order": natural_order,
        "percent": percent,
        "quarantined_first": quarantined_first,
        "sentence": sentence,
        "set_sizes": set_sizes,
        "tested_on": tested_on,
    }
    templates.globals |= {
        "doubtful": DOUBTFUL,
        "learning_chart": learning_chart,
        "modules_chart": modules_chart,
        "most_shown": MOST_SHOWN,
        "reliability_chart": reliability_chart,
    }
    return templates


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage."""
    return "unknown" if value is None else f"{value:.{digits}%}"


def decimal(value: float | None) -> str:
    """A number with two decimals."""
    return "unknown" if value is None else f"{value:.2f}"


def sentence(note: str) -> str:
    """A note with a capital and a full stop."""
    return f"{note[:1].upper()}{note[1:]}{'' if note.endswith('.') else '.'}"


def base_name(path: str) -> str:
    """The last part of a path."""
    return PurePath(path).name


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Names in natural order: 2 before 10."""
    return sorted(names, key=natural_key)


def set_sizes(counts: Mapping[str, int]) -> str:
    """The sizes of the sets in words: ``80 train, 10 test``; in cross-validation, there is only one set."""
    if len(counts) == 1:
        return "all of them used for training"
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def quarantined_first(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of the doctor's list, quarantined files first, each part sorted by name."""
    return sorted(rows, key=lambda row: (row["status"] != "quarantined", row["photo"]))


def costs(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The name and the value of each cost: the seconds of each step, and the peak memory."""
    items = [(step, f"{decimal(seconds)} s") for step, seconds in record["seconds"].items()]
    if record["memory_mib"] is not None:
        items.append(("peak memory", f"{record['memory_mib']:.0f} MiB"))
    return items
