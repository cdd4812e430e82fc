"""The report as one HTML page that works offline, without a script, in light and dark, on a phone and on paper.

Every small picture is in the file once and shown wherever it is needed.  All names come from the user's
folders, so all of them are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..escaping import escaped_html as escape
from ..natural_order import natural_key
from ..training.metrics import Proportion
from ..version import GENERATOR
from .charts import learning_chart, modules_chart, reliability_chart
from .photos import Gallery, matrix, shown_paths, suspects, twins
from .report import Report, Thumbnails, why_unmeasured
from .style import style_sheet

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
    title = escape(f"{report.classifier}: report")
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
        (
            percent(report.balanced_accuracy),
            "balanced accuracy: the mean of the classes' recalls; every class counts the same",
        ),
        (percent(base.value), f"majority-class baseline: the accuracy of always guessing {names[report.majority]}"),
        (
            percent(report.calibrations[1].error),
            "expected calibration error: mean gap between stated probability and accuracy",
        ),
        (f"{counts['quarantined']}", f"files quarantined; {counts['repaired']} repaired"),
    ]
    cards = "".join(f'<div><b>{value}</b><span class="faint">{escape(words)}</span></div>' for value, words in facts)
    return (
        f'<h1>{escape(report.classifier)}</h1><div class="hero"><span class="big">{percent(share.value)}</span>'
        f"<span>of photos classified correctly<br>95 % interval: {percent(share.low)} to {percent(share.high)}</span></div>"
        f'<p class="faint">{escape(method(report))}</p>{caution}{notes}'
        f'<div class="facts">{cards}</div>'
    )


def method(report: Report) -> str:
    """How it was tested, why so, and what cross-validation gives beside a test set."""
    lines = [sentence(f"tested on {report.tested}")]
    if report.why_tested_so:
        lines.append(sentence(report.why_tested_so))
    if report.cross_validation:
        other = report.cross_validation
        lines.append(
            f"Cross-validation of the {other.n} training photos gives {percent(other.value)} "
            f"(95 % interval: {percent(other.low)} to {percent(other.high)}), with modules chosen on the same photos."
        )
    return " ".join(lines)


def modules(report: Report) -> str:
    """The chart of the modules."""
    chosen = ", ".join(report.selection.chosen)
    return (
        "<h2>Which module separates your classes</h2><p>Each module alone, by cross-validation among the training "
        "photos: balanced accuracy ± one standard error. The dashed "
        f"line is chance. This classifier uses <b>{escape(chosen)}</b>.</p>"
        f"{modules_chart(report.selection, len(report.classes))}"
    )


def classes(report: Report) -> str:
    """The table of classes."""
    rows = "".join(
        f'<tr><td class="name">{escape(score.name)}</td>{"".join(map(share_cell, score.shares))}'
        f'<td class="n">{score.recall.n}</td></tr>'
        for score in sorted(report.per_class, key=lambda score: natural_key(score.name))
    )
    return (
        "<h2>Class by class</h2><p>Precision: the share of the photos assigned to a class that belong to it. Recall: the share of a "
        "class's photos that are assigned to it. F1 is their harmonic mean. Below each: its 95 % interval."
        f"{' None: no photo of the class could be held out.' if any(not score.recall.n for score in report.per_class) else ''}</p>"
        '<div class="wide"><table><thead><tr><th>class</th><th>precision</th><th>recall</th><th>F1</th>'
        f'<th class="n">photos</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def calibration(report: Report) -> str:
    """Whether stated probabilities can be believed, and when a photo is none of these."""
    before, after = report.calibrations
    return (
        "<h2>Are its probabilities calibrated?</h2><p>On the dashed line, accuracy equals the stated "
        f"probability. Hollow: before calibration (mean gap {percent(before.error)}); solid: after, with a "
        f"temperature of {report.temperature:.2f} (mean gap {percent(after.error)}).</p>"
        f"{reliability_chart(before, after)}<p>{unknown_classes(report)}</p>"
    )


def unknown_classes(report: Report) -> str:
    """The threshold of "none of these", and what passes it of classes left out, in words."""
    if report.threshold is None:
        return "Too few photos: none could be held out, so no threshold for <b>none of these</b> was set."
    kept = (
        f"A photo whose greatest probability is below {report.threshold:.1%} is <b>none of these</b>; the threshold passes "
        f"{report.kept:.0%} of held-out photos. Photos unlike the training photos get lower probabilities. "
    )
    if report.unknown is None:
        return f"{kept}How many photos of unknown classes pass was not measured: {why_unmeasured(len(report.classes))}."
    names = ", ".join(escape(name) for name in sorted(report.unknown.classes, key=natural_key))
    return (
        f"{kept}Similar unknown things usually pass: when a class was left out of the whole training, on average "
        f"<b>{percent(report.unknown.false_accept_rate)}</b> of its photos passed (the false-accept rate at {report.kept:.0%} kept; "
        f"AUROC {report.unknown.auroc:.2f}, where 0.5 is chance). Measured on: {names}."
    )


def learning(report: Report) -> str:
    """The learning curve."""
    if not report.curve:
        return ""
    hope = "Too few photos for a forecast."
    if report.forecast:
        f = report.forecast
        hope = (
            f"Forecast for {f.photos} photos: {percent(f.value)} (95 % interval: {percent(f.low)} to {percent(f.high)}), "
            "if more photos are like these and errors keep falling at the same rate."
        )
    return (
        "<h2>Would more photos help?</h2><p>Accuracy by cross-validation on a part of the training photos. The modules were chosen on all of them, "
        "so these values are slightly too high. "
        f"{hope}</p>{learning_chart(report.curve, report.forecast)}"
    )


def doctor(report: Report) -> str:
    """Every file that was repaired or quarantined, and why."""
    found = [one for one in report.verdicts if one.status != "used" or one.remarks]
    if not found:
        return "<h2>The doctor's list</h2><p>Every file could be used as it is.</p>" if report.verdicts else ""
    rows = "".join(
        f'<tr><td class="name">{escape(one.entry.name)}</td><td>{escape(one.status)}</td>'
        f'<td class="name">{escape("; ".join((*one.reasons, *one.remarks)))}</td></tr>'
        for one in sorted(found, key=lambda one: (one.status != "quarantined", one.entry.name))
    )
    counts = report.photos
    return (
        f"<h2>The doctor's list</h2><p>{counts['used']} files were used as they are, {counts['repaired']} repaired, "
        f"{counts['quarantined']} quarantined (not used).</p>"
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
    return f"<h2>Provenance</h2>{definitions(report.provenance.items())}" if report.provenance else ""


def definitions(items: Iterable[tuple[str, str]]) -> str:
    """A list of names and values."""
    return f"<dl>{''.join(f'<dt>{escape(key)}</dt><dd>{escape(value)}</dd>' for key, value in items)}</dl>"


def share_cell(share: Proportion) -> str:
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
