"""The report as one HTML page that works offline, without a script, in light and dark, on a phone and on paper.

Every small picture is in the file once and shown wherever it is needed.  All names come from the user's
folders, so all of them are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from ..version import GENERATOR
from .measure import Share
from .report import Report, Thumbnails
from .report_charts import learning_chart, modules_chart, reliability_chart
from .report_photos import Gallery, matrix, shown_paths, suspects, twins
from .report_style import style_sheet

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(report: Report, thumbnails: Thumbnails | None = None) -> str:
    """The whole page."""
    wanted = shown_paths(report)
    pictures = dict(thumbnails(wanted)) if thumbnails else {}
    gallery = Gallery({path: pictures[path] for path in wanted if path in pictures})
    sections = [
        headline(report),
        modules(report),
        classes(report),
        matrix(report, gallery),
        calibration(report),
        learning(report),
        suspects(report, gallery),
        twins(report, gallery),
        doctor(report),
        costs(report),
        provenance(report),
    ]
    title = escape(f"{report.classifier}: what it learned, and how well")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="generator" content="{GENERATOR}">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style_sheet()}</style>
</head>
<body>
{gallery.definitions()}
<main>
{"".join(section for section in sections if section)}
</main>
</body>
</html>
"""


def headline(report: Report) -> str:
    """The accuracy, its interval, what n is, and what guessing would give."""
    share, base = report.accuracy, report.baseline
    names = report.classes
    caution = f'<p class="caution">{escape(report.caution)}</p>' if report.caution else ""
    notes = "".join(f"<li>{escape(sentence(note))}</li>" for note in report.notes)
    notes = f'<ul class="notes">{notes}</ul>' if notes else ""
    counts = report.photos
    facts = [
        (f"{sum(report.sets.values())}", f"photos in {len(names)} classes: {join_counts(report.sets)}"),
        (percent(base.value), f"right by always saying {names[report.majority]}, the commonest class"),
        (percent(report.calibrations[1].error), "mean gap between the probabilities stated and the shares told right"),
        (f"{counts['quarantined']}", f"files set aside; {counts['repaired']} repaired"),
    ]
    cards = "".join(f'<div><b>{value}</b><span class="faint">{escape(words)}</span></div>' for value, words in facts)
    return (
        f'<h1>{escape(report.classifier)}</h1><div class="hero"><span class="big">{percent(share.value)}</span>'
        f"<span>of photos told right<br>95 % interval: {percent(share.low)} to {percent(share.high)}</span></div>"
        f'<p class="faint">Tested on {escape(report.tested)}.</p>{caution}{notes}'
        f'<div class="facts">{cards}</div>'
    )


def modules(report: Report) -> str:
    """The chart of the modules."""
    chosen = ", ".join(report.selection.chosen)
    return (
        "<h2>Which module tells your classes apart</h2><p>Each module alone, by cross-validation among the training "
        "photos: the share told right when every class counts the same, give or take a standard error. The dashed "
        f"line is chance. This classifier learns from <b>{escape(chosen)}</b>.</p>"
        f"{modules_chart(report.selection, len(report.classes))}"
    )


def classes(report: Report) -> str:
    """The table of classes."""
    rows = "".join(
        f'<tr><td class="name">{escape(score.name)}</td>{"".join(map(share_cell, score.shares))}'
        f'<td class="n">{score.recall.n}</td></tr>'
        for score in report.per_class
    )
    return (
        "<h2>Class by class</h2><p>Precision: of the photos said to be of a class, how many are. Recall: of its photos, "
        "how many are found. F1 balances both. Beneath each its 95 % interval."
        f"{' None: no photo of the class could be held out.' if any(not score.recall.n for score in report.per_class) else ''}</p>"
        '<div class="wide"><table><thead><tr><th>class</th><th>precision</th><th>recall</th><th>F1</th>'
        f'<th class="n">photos</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def calibration(report: Report) -> str:
    """Whether stated probabilities can be believed, and when a photo is none of these."""
    before, after = report.calibrations
    return (
        "<h2>Can its probabilities be believed?</h2><p>A dot on the dashed line: of photos told with that probability, "
        f"so many are right. Hollow: before calibration (mean gap {percent(before.error)}); solid: after, with a "
        f"temperature of {report.temperature:.2f} (mean gap {percent(after.error)}).</p>"
        f"{reliability_chart(before, after)}<p>{strangers(report)}</p>"
    )


def strangers(report: Report) -> str:
    """The none-of-these threshold, in words."""
    if report.threshold is None:
        return "There were too few photos to hold any out, so that no threshold for <b>none of these</b> could be set."
    kept = (
        f"A photo whose best class has a probability below {report.threshold:.1%} is <b>none of these</b>; "
        f"{report.kept:.0%} of the photos that were held out reach it. Whatever is unlike all that it learned from is told with less "
        "confidence. "
    )
    if report.false_accept_rate is None:
        return kept + "How many strangers pass could not be measured: that takes three classes or more."
    return (
        kept
        + f"When a class was left out of training, {percent(report.false_accept_rate)} of its photos passed all the same."
    )


def learning(report: Report) -> str:
    """The learning curve."""
    if not report.curve:
        return ""
    hope = "Nothing can be said of what more photos would bring."
    if report.forecast:
        f = report.forecast
        hope = (
            f"With {f.photos} photos it might be {percent(f.value)}, or anything from {percent(f.low)} to {percent(f.high)}, "
            "if more photos are like these and errors keep falling as they did."
        )
    return (
        "<h2>Would more photos help?</h2><p>Accuracy by cross-validation with a part of the training photos, with the modules chosen by all of them, "
        "which flatters a little. "
        f"{hope}</p>{learning_chart(report.curve, report.forecast)}"
    )


def doctor(report: Report) -> str:
    """Every file that was repaired or set aside, and why."""
    found = [one for one in report.verdicts if one.status != "used"]
    if not found:
        return "<h2>The doctor's list</h2><p>Every file could be used as it is.</p>" if report.verdicts else ""
    rows = "".join(
        f'<tr><td class="name">{escape(str(one.entry.path))}</td><td>{escape(one.status)}</td>'
        f'<td class="name">{escape("; ".join(one.reasons))}</td></tr>'
        for one in sorted(found, key=lambda one: (one.status != "quarantined", str(one.entry.path)))
    )
    counts = report.photos
    return (
        f"<h2>The doctor's list</h2><p>{counts['used']} files were used as they are, {counts['repaired']} repaired, "
        f"{counts['quarantined']} set aside. Nothing was put in their place.</p>"
        f'<div class="wide"><table><thead><tr><th>file</th><th>verdict</th><th>why</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def costs(report: Report) -> str:
    """Time and memory."""
    items = [(step, f"{seconds:.2f} s") for step, seconds in report.seconds.items()]
    if report.memory_mib is not None:
        items.append(("memory at most", f"{report.memory_mib:.0f} MiB"))
    return f"<h2>Time and memory</h2>{definitions(items)}" if items else ""


def provenance(report: Report) -> str:
    """What it takes to do this again."""
    return f"<h2>To do it again</h2>{definitions(report.provenance.items())}" if report.provenance else ""


def definitions(items: Iterable[tuple[str, str]]) -> str:
    """A list of names and values."""
    return f"<dl>{''.join(f'<dt>{escape(key)}</dt><dd>{escape(value)}</dd>' for key, value in items)}</dl>"


def share_cell(share: Share) -> str:
    """A share and its interval."""
    if share.value is None:
        return '<td><span class="faint">none</span></td>'
    return f"<td>{percent(share.value)}<br><small>{100 * share.low:.0f}–{100 * share.high:.0f}%</small></td>"


def percent(value: float | None) -> str:
    """A share for people."""
    return "unknown" if value is None else f"{value:.1%}"


def sentence(note: str) -> str:
    """A note as a sentence of its own."""
    return f"{note[:1].upper()}{note[1:]}{'' if note.endswith('.') else '.'}"


def join_counts(counts: Mapping[str, int]) -> str:
    """``80 train, 10 test``; photos that train and are tested in turn are of no part."""
    if len(counts) == 1:
        return "all of them used for training"
    parts: Sequence[str] = [f"{count} {name}" for name, count in counts.items()]
    return ", ".join(parts)
