"""Read the imports within godeeper from its source, between files and between folders, and find cycles."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "godeeper"

Graph = Mapping[str, set[str]]
"""The names that each name imports."""


def modules() -> dict[str, Path]:
    """Return dotted name within godeeper -> path; a package's path is its ``__init__.py``."""
    names = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def file_graph() -> dict[str, set[str]]:
    """Return the modules that each module imports, including deferred imports and those for types."""
    known = modules()
    return {name: imported_modules(path, known) - {name} for name, path in known.items()}


def imported_modules(path: Path, known: Iterable[str]) -> set[str]:
    """Return the modules of godeeper that a file imports; ``from . import name`` means the module ``name`` if it exists."""
    here, found = path.relative_to(SOURCE).parts[:-1], set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
            package = ".".join(filter(None, base))
            names = [f"{package}.{alias.name}".strip(".") for alias in node.names]
            found |= {name if name in known else package for name in names}
    return found


def folder_graph(files: Graph, folder: str = "") -> dict[str, set[str]]:
    """Return the imports between the direct children of a folder: its files and its sub-folders, each as one node."""
    prefix = f"{folder}." if folder else ""

    def child(name: str) -> str:
        return name.removeprefix(prefix).partition(".")[0] if name.startswith(prefix) else ""

    graph: dict[str, set[str]] = {}
    for name, imported in files.items():
        if child(name):
            graph.setdefault(child(name), set()).update({child(each) for each in imported} - {"", child(name)})
    return graph


def folders(files: Graph) -> list[str]:
    """Return every folder with a module in it; the top-level folder has an empty name."""
    return sorted({name.rpartition(".")[0] for name in files if name})


def reachable(graph: Graph, start: str) -> set[str]:
    """Return everything that ``start`` imports, directly or not."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def circles(graph: Graph) -> set[frozenset[str]]:
    """Return the groups of names that import one another, directly or not (strongly connected components)."""
    reach = {name: reachable(graph, name) for name in graph}
    return {frozenset(other for other in reach[name] if name in reach[other]) for name in graph if name in reach[name]}


def without_shortcuts(graph: Graph) -> dict[str, set[str]]:
    """Return the acyclic graph without the arrows that a longer path implies (transitive reduction)."""
    return {
        name: {each for each in direct if not any(each in reachable(graph, other) for other in direct - {each})}
        for name, direct in graph.items()
    }
