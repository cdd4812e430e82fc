"""The report's charts as inline SVG; text stays text, and is no smaller on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from ..escaping import escaped_html as escape
from ..training.learning_curve import CurvePoint, Forecast
from ..training.metrics import Reliability
from ..training.selection import Selection

WIDTH = 360
ROW = 19


def modules_chart(selection: Selection, classes: int) -> str:
    """A line for each module: its score alone, give or take a standard error; those chosen stand out."""
    left, right, top = 92, 280, 22
    height = top + ROW * len(selection.scores) + 8

    def x(value: float) -> float:
        return left + (right - left) * min(1.0, max(0.0, value))

    marks = [axis_label(x(tick), 12, f"{tick:.0%}") + line(x(tick), top - 4, x(tick), height) for tick in (0, 0.5, 1)]
    chance = x(1 / classes)
    marks.append(line(chance, top - 4, chance, height, "dash"))
    for number, (address, (mean, error)) in enumerate(selection.scores.items()):
        y = top + ROW * number + ROW / 2
        hot = address in selection.chosen
        weight = " heavy" if hot else ""
        marks.append(text(left - 10, y + 3.5, address, f"end{weight}"))
        if isfinite(mean):
            marks.append(line(x(mean - error), y, x(mean + error), y, "hotbar" if hot else "bar"))
            marks.append(dot(x(mean), y, 4 if hot else 3.2, "hot" if hot else "dot"))
        told = f"{mean:.1%} ± {100 * error:.1f}" if isfinite(mean) else "unknown"
        marks.append(text(WIDTH, y + 3.5, told, f"end{weight}" if hot else "end faint"))
    return chart(height, "balanced accuracy of each module alone", marks)


def reliability_chart(before: Reliability, after: Reliability) -> str:
    """Confidence against accuracy: hollow before the temperature, solid after, with intervals."""
    marks = plot_frame(0.0, 1.0, [(0.0, "0%"), (0.5, "50%"), (1.0, "100%")])
    marks.append(line(px(0), py(0, 0), px(1), py(1, 0), "dash"))
    marks += [
        dot(px(one.confidence), py(one.accuracy.value or 0.0, 0), 3.4, "hollow", f"before: {one.accuracy.n} photos")
        for one in before.bins
    ]
    for one in after.bins:
        x = px(one.confidence)
        marks.append(line(x, py(one.accuracy.low, 0), x, py(one.accuracy.high, 0), "hotbar"))
        marks.append(dot(x, py(one.accuracy.value or 0.0, 0), 3.8, "hot", f"after: {one.accuracy.n} photos"))
    marks.append(text(px(0.5), 264, "stated probability", "mid faint"))
    return chart(270, "accuracy against stated probability", marks)


def learning_chart(curve: Sequence[CurvePoint], forecast: Forecast | None) -> str:
    """Accuracy against photos trained on, with intervals, and the forecast dashed."""
    most = max([point.photos for point in curve] + ([forecast.photos] if forecast else []))
    lows = [point.accuracy.low for point in curve] + ([forecast.low] if forecast else [])
    floor = max(0.0, int(min(lows) * 10) / 10)
    spots = [(px(point.photos / most), point) for point in curve]
    ticks = [(point.photos / most, str(point.photos)) for point in curve]
    marks = plot_frame(floor, 1.0, ticks + ([(1.0, str(forecast.photos))] if forecast else []))
    path = "M" + "L".join(f"{x:.1f} {py(point.accuracy.value or 0.0, floor):.1f}" for x, point in spots)
    marks.append(f'<path class="hotbar" d="{path}"/>')
    for x, point in spots:
        marks.append(line(x, py(point.accuracy.low, floor), x, py(point.accuracy.high, floor), "hotbar"))
        marks.append(dot(x, py(point.accuracy.value or 0.0, floor), 3.8, "hot", f"{point.accuracy.n} photos tested"))
    if forecast:
        x = px(1.0)
        marks.append(line(x, py(forecast.low, floor), x, py(forecast.high, floor), "dash"))
        marks.append(dot(x, py(forecast.value, floor), 3.8, "hollow", "forecast"))
    marks.append(text(px(0.5), 264, "training photos", "mid faint"))
    return chart(270, "accuracy against the number of training photos", marks)


def plot_frame(floor: float, ceiling: float, ticks: Sequence[tuple[float, str]]) -> list[str]:
    """Horizontal rules with their shares, and the horizontal axis's ticks; crowded ticks are left out."""
    marks = []
    for step in range(5):
        share = floor + (ceiling - floor) * step / 4
        y = py(share, floor)
        marks += [line(px(0), y, px(1), y), text(px(0) - 8, y + 3.5, f"{share:.0%}", "end faint")]
    last = -1.0
    for place, label in ticks:
        if place - last > 0.09:
            marks.append(axis_label(px(place), 246, label))
            last = place
    return marks


def px(share: float) -> float:
    """The place of ``share`` of a plot's width."""
    return 40 + 300 * share


def py(share: float, floor: float) -> float:
    """The place of a share on a vertical axis from ``floor`` to 1."""
    return 228 - 216 * (share - floor) / (1 - floor)


def chart(height: float, label: str, marks: Sequence[str]) -> str:
    """The SVG around ``marks``."""
    return (
        f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="0 0 {WIDTH} {height:g}">'
        f"{''.join(marks)}</svg>"
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "rule") -> str:
    """A straight line."""
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def dot(x: float, y: float, radius: float, kind: str, title: str = "") -> str:
    """A dot that may say more when pointed at."""
    said = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{said}</circle>'


def text(x: float, y: float, words: str, kind: str) -> str:
    """A line of text."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def axis_label(x: float, y: float, words: str) -> str:
    """A tick's label."""
    return text(x, y, words, "mid faint")
