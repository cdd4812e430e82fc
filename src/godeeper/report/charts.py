"""The report's charts as inline SVG, drawn from the report's record."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ..escaping import escaped_html as escape

WIDTH = 360
ROW = 19
CROWDED = 0.09
"""The least distance between two tick labels, as a share of the axis; closer ones are left out."""

Row = Mapping[str, Any]


def modules_chart(modules: Sequence[Row], chosen: Collection[str], classes: int) -> Markup:
    """One row per module with its balanced accuracy alone ± a standard error; chosen modules are highlighted.

    The dashed line is chance, 1 / ``classes``.
    """
    left, right, top = 92, 280, 22
    height = top + ROW * len(modules) + 8

    def x(value: float) -> float:
        return left + (right - left) * min(1.0, max(0.0, value))

    marks = [axis_label(x(tick), 12, f"{tick:.0%}") + line(x(tick), top - 4, x(tick), height) for tick in (0, 0.5, 1)]
    chance = x(1 / classes)
    marks.append(line(chance, top - 4, chance, height, "dash"))
    for number, module in enumerate(modules):
        y = top + ROW * number + ROW / 2
        mean, error = module["accuracy"], module["standard_error"]
        hot = module["address"] in chosen
        marks.append(text(left - 10, y + 3.5, module["address"], "end heavy" if hot else "end"))
        if mean is not None:
            marks.append(line(x(mean - error), y, x(mean + error), y, "hot-whisker" if hot else "whisker"))
            marks.append(dot(x(mean), y, 4 if hot else 3.2, "hot" if hot else "dot"))
        score = "unknown" if mean is None else f"{mean:.1%} ± {100 * error:.1f}"
        marks.append(text(WIDTH, y + 3.5, score, "end heavy" if hot else "end faint"))
    return chart(height, "balanced accuracy of each module alone", marks)


def reliability_chart(before: Sequence[Row], after: Sequence[Row]) -> Markup:
    """The reliability diagram: accuracy against confidence, before (hollow dots) and after (solid dots) temperature scaling."""
    marks = plot_frame(0.0, [(0.0, "0%"), (0.5, "50%"), (1.0, "100%")])
    marks.append(line(px(0), py(0, 0), px(1), py(1, 0), "dash"))
    for each in before:
        accuracy = each["accuracy"]
        marks.append(
            dot(
                px(each["confidence"]),
                py(accuracy["value"] or 0.0, 0),
                3.4,
                "hollow",
                f"before: {accuracy['n']} photos",
            )
        )
    for each in after:
        x, accuracy = px(each["confidence"]), each["accuracy"]
        marks.append(line(x, py(accuracy["low"], 0), x, py(accuracy["high"], 0), "hot-whisker"))
        marks.append(dot(x, py(accuracy["value"] or 0.0, 0), 3.8, "hot", f"after: {accuracy['n']} photos"))
    marks.append(text(px(0.5), 264, "predicted probability", "mid faint"))
    return chart(270, "accuracy against predicted probability", marks)


def learning_chart(curve: Sequence[Row], forecast: Row | None) -> Markup:
    """The learning curve: accuracy against the number of training photos, with intervals; the forecast's interval is dashed."""
    most = max([point["photos"] for point in curve] + ([forecast["photos"]] if forecast else []))
    lows = [point["interval"][0] for point in curve] + ([forecast["low"]] if forecast else [])
    floor = min(0.9, max(0.0, int(min(lows) * 10) / 10))
    places = [(px(point["photos"] / most), py(point["value"] or 0.0, floor)) for point in curve]
    ticks = [(point["photos"] / most, str(point["photos"])) for point in curve]
    marks = plot_frame(floor, ticks + ([(1.0, str(forecast["photos"]))] if forecast else []))
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    marks.append(f'<path class="hot-whisker" d="{path}"/>')
    for (x, y), point in zip(places, curve, strict=True):
        low, high = point["interval"]
        marks.append(line(x, py(low, floor), x, py(high, floor), "hot-whisker"))
        marks.append(dot(x, y, 3.8, "hot", f"{point['n']} photos tested"))
    if forecast:
        x = px(1.0)
        marks.append(line(x, py(forecast["low"], floor), x, py(forecast["high"], floor), "dash"))
        marks.append(dot(x, py(forecast["value"], floor), 3.8, "hollow", "forecast"))
    marks.append(text(px(0.5), 264, "training photos", "mid faint"))
    return chart(270, "accuracy against the number of training photos", marks)


def plot_frame(floor: float, ticks: Sequence[tuple[float, str]]) -> list[str]:
    """Labelled horizontal lines from ``floor`` to 100 %, and the labels of the horizontal axis."""
    marks = []
    for step in range(5):
        share = floor + (1 - floor) * step / 4
        y = py(share, floor)
        marks += [line(px(0), y, px(1), y), text(px(0) - 8, y + 3.5, f"{share:.0%}", "end faint")]
    last = -1.0
    for place, label in ticks:
        if place - last > CROWDED:
            marks.append(axis_label(px(place), 246, label))
            last = place
    return marks


def px(share: float) -> float:
    """The horizontal coordinate at ``share`` of a plot's width."""
    return 40 + 300 * share


def py(share: float, floor: float) -> float:
    """The vertical coordinate of ``share`` on an axis from ``floor`` to 1."""
    return 228 - 216 * (share - floor) / (1 - floor)


def chart(height: float, label: str, marks: Sequence[str]) -> Markup:
    """The SVG element around ``marks``."""
    return Markup(  # noqa: S704 (all text in the marks is escaped)
        f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="0 0 {WIDTH} {height:g}">'
        f"{''.join(marks)}</svg>"
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "rule") -> str:
    """A straight line."""
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def dot(x: float, y: float, radius: float, kind: str, title: str = "") -> str:
    """A dot, with a tooltip if ``title`` is given."""
    tooltip = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{tooltip}</circle>'


def text(x: float, y: float, words: str, kind: str) -> str:
    """A line of text."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def axis_label(x: float, y: float, words: str) -> str:
    """The label of a tick."""
    return text(x, y, words, "mid faint")
