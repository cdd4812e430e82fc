"""Draw the picture of docs/architecture.md: the imports between the folders of ``src/godeeper``, read from the source.

    python scripts/draw_architecture.py            # writes docs/pictures/architecture.svg
    python scripts/draw_architecture.py --check    # only compares; exit code 1 if the picture is stale

This is a layered drawing (Sugiyama). A folder's column is the length of the longest chain of imports below it. An arrow
over several columns has a place in each of them, and the places in a column are sorted by the mean place of their
neighbours. Arrows that a longer chain implies are left out. So are single files that everything may use, except the two
public ones.
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from scripts.import_graph import Graph, file_graph, folder_graph, folders, without_shortcuts

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "architecture.svg"
FILES = ("network", "retraining")
"""Single files that are drawn like folders."""

COLUMN, ROW, WIDTH, HEIGHT, MARGIN = 118, 58, 84, 32, 16
SWEEPS = 8
STYLE = (
    "text{font:13px 'Helvetica Neue',Arial,'Liberation Sans',sans-serif;text-anchor:middle;dominant-baseline:central;fill:#222}"
    "rect{fill:#eef2f7;stroke:#56708f;rx:5}path{fill:none;stroke:#8a97a6;stroke-width:1.3;marker-end:url(#tip)}#paper{fill:#fff;stroke:none}"
)
DEFS = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0 8 4 0 8z" style="fill:#8a97a6;stroke:none"/></marker></defs>'
)

Places = list[list[str]]
"""Names by column, from the top; a name with an arrow in it, ``web>engine``, reserves a place for that arrow."""


def drawn_graph() -> dict[str, set[str]]:
    """Return the imports of the top-level folders and the two public files, without shortcuts."""
    files = file_graph()
    shown = {*FILES, *(name for name in folders(files) if name and "." not in name)}
    graph = folder_graph(files)
    return without_shortcuts({name: graph[name] & shown for name in sorted(shown)})


def columns_of(graph: Graph) -> dict[str, int]:
    """Return for each name the length of the longest chain of imports that starts there."""

    @cache
    def depth(name: str) -> int:
        return max((depth(each) + 1 for each in graph[name]), default=0)

    return {name: depth(name) for name in graph}


def chains(graph: Graph, column: dict[str, int]) -> list[list[str]]:
    """Return each arrow as its start, its places in the columns between, and its end."""
    return [
        [start, *(f"{start}>{end}" for _ in range(column[start] - column[end] - 1)), end]
        for start in sorted(graph)
        for end in sorted(graph[start])
    ]


def arranged(graph: Graph, column: dict[str, int]) -> Places:
    """Return the names in each column, sorted repeatedly by the mean place of their neighbours."""
    places: list[set[str]] = [set() for _ in range(max(column.values()) + 1)]
    joined: dict[tuple[int, str], list[tuple[int, str]]] = {}
    for name, number in column.items():
        places[number].add(name)
    for chain in chains(graph, column):
        stops = [(column[chain[0]] - step, name) for step, name in enumerate(chain)]
        for one, other in pairwise(stops):
            places[one[0]].add(one[1])
            joined.setdefault(one, []).append(other)
            joined.setdefault(other, []).append(one)
    rows = [sorted(names) for names in places]
    for sweep in range(SWEEPS):
        order = range(len(rows)) if sweep % 2 else reversed(range(len(rows)))
        for number in order:
            height = {(at, name): offset(rows, at, name) for at in range(len(rows)) for name in rows[at]}
            rows[number].sort(key=lambda name: mean([height[each] for each in joined.get((number, name), [])]))
    return rows


def offset(rows: Places, column: int, name: str) -> float:
    """Return the distance of a name below the middle, in rows."""
    return rows[column].index(name) - (len(rows[column]) - 1) / 2


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def svg(graph: Graph) -> str:
    """Return the picture: imported names on the left, importing ones on the right."""
    column = columns_of(graph)
    rows = arranged(graph, column)
    width = len(rows) * COLUMN - (COLUMN - WIDTH) + 2 * MARGIN
    height = max(map(len, rows)) * ROW - (ROW - HEIGHT) + 2 * MARGIN

    def centre(number: int, name: str) -> tuple[float, float]:
        return MARGIN + WIDTH / 2 + number * COLUMN, height / 2 + offset(rows, number, name) * ROW

    arrows = [
        arrow([centre(column[chain[0]] - step, name) for step, name in enumerate(chain)])
        for chain in chains(graph, column)
    ]
    boxes = [box(name, *centre(number, name)) for name, number in sorted(column.items())]
    listed = "; ".join(f"{name} imports {', '.join(sorted(graph[name]))}" for name in sorted(graph) if graph[name])
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
            "<title>Imports between the folders of src/godeeper</title>",
            f"<desc>{listed}.</desc>",
            f"<style>{STYLE}</style>",
            DEFS,
            '<rect id="paper" width="100%" height="100%"/>',
            *arrows,
            *boxes,
            "</svg>\n",
        ]
    )


def arrow(points: list[tuple[float, float]]) -> str:
    """Return a curve from the left edge of the first box to the right edge of the last, horizontal at every point."""
    (x, y), *between, (end, level) = points
    x, end = x - WIDTH / 2, end + WIDTH / 2
    parts = [f"M{x:g} {y:g}"]
    for right, left, height in [
        *((at + WIDTH / 2, at - WIDTH / 2, level_at) for at, level_at in between),
        (end, end, level),
    ]:
        half = (x + right) / 2
        parts.append(f"C{half:g} {y:g} {half:g} {height:g} {right:g} {height:g}")
        parts.append(f"L{left:g} {height:g}" if left != right else "")
        x, y = left, height
    return f'<path d="{"".join(parts)}"/>'


def box(name: str, x: float, y: float) -> str:
    """Return a folder, or a file with its extension."""
    text = f"{name}.py" if name in FILES else name
    return f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}"/><text x="{x:g}" y="{y:g}">{text}</text>'


def main() -> int:
    """Write the picture, or compare it, and return the exit code."""
    picture = svg(drawn_graph())
    if "--check" in sys.argv[1:]:
        return int(not PICTURE.exists() or PICTURE.read_text("utf-8") != picture)
    PICTURE.write_text(picture, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
