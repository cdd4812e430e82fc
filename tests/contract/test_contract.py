"""Rules for the whole project: public names, the direction of imports, help, and no heavy imports at start."""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.import_graph import circles, file_graph, folder_graph, folders

import godeeper
from godeeper.cli.main import main, make_parser

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "godeeper"

PUBLIC = [
    "Classifier",
    "Evidence",
    "evidence",
    "retrain",
    "GodeeperError",
    "Network",
    "Peek",
    "Photo",
    "PhotoClassifier",
    "PhotoFeatures",
    "Preprocess",
    "__version__",
    "decode",
    "load",
]

ABOVE = {
    "progress": 0, "wording": 0,
    "errors": 0, "natural_order": 0, "version": 0, "provenance": 0, "escaping": 0, "memory": 0, "lru": 0,
    "iteration": 0, "cores": 0, "prefetch": 0.5,
    "arguments": 1, "files": 1, "png": 1, "templates": 1, "parallel": 1, "marks": 1.2, "disk_cache": 1.2, "outputs": 1.5,
    "blueprint": 1, "photos": 2, "diagram": 2, "weights": 2, "engine": 3, "features": 3.5, "peek": 4, "poster": 4.5,
    "filters": 4.5, "tf1": 4.5, "network": 5, "training": 6, "classifier": 6.3, "report": 6.5, "retraining": 6.8,
    "export": 7, "explain": 7, "web": 8, "cli": 9,
}  # fmt: skip
"""Top-level file or folder -> level.  Each imports only from lower levels and from itself."""

ACCEPTED_CIRCLES = {
    frozenset({"explain.evidence", "explain.picture"}): "a record draws itself: the picture is imported in its methods",
    frozenset({"peek.peek", "peek.picture"}): "a record draws itself, as above",
    frozenset({"filters.contributions.record", "filters.contributions.picture"}): "a record draws itself, as above",
    frozenset({"report.report", "report.page", "report.photos"}): "a report writes its own page, as above",
    frozenset({"classifier.classifier", "classifier.file", "classifier.estimators", "classifier.class_picture"}): (
        "a classifier saves, loads, converts and visualises itself: these files are imported in its methods"
    ),
    frozenset({"weights.file", "weights.registry"}): "unpickling weights finds the installed file again, in a method",
    frozenset({"weights.formats.frozen_graph", "weights.formats.graph_heads"}): "for the type of a node only",
    frozenset({"cli.completion", "cli.shells"}): "the scripts of the shells are imported only on demand",
}
"""Files that import one another, with the reason.  These imports are inside functions, so no import fails."""

HEAVY = {
    "numpy",
    "PIL",
    "onnx",
    "onnxruntime",
    "safetensors",
    "platformdirs",
    "torch",
    "sklearn",
    "openvino",
    "starlette",
    "uvicorn",
    "jinja2",
}


def test_public_names() -> None:
    """The public names are exactly these, and each is documented."""
    assert sorted(godeeper.__all__) == sorted(PUBLIC)
    for name in godeeper.__all__:
        assert getattr(godeeper, name).__doc__
    with pytest.raises(AttributeError):
        _ = godeeper.nothing


def test_imports_run_one_way() -> None:
    """Every import between top-level files and folders goes from a greater number of ``ABOVE`` to a smaller one."""
    for name, imported in folder_graph(file_graph()).items():
        wrong = [each for each in imported if name != "__main__" and ABOVE[each] >= ABOVE[name]]
        assert not wrong, f"{name} imports {wrong}"


def test_imports_run_one_way_inside_folders_too() -> None:
    """There are no import cycles between the files or sub-folders of a folder, except those in ``ACCEPTED_CIRCLES``."""
    files = file_graph()
    found = {
        frozenset(f"{folder}.{name}".strip(".") for name in circle)
        for folder in folders(files)
        for circle in circles(folder_graph(files, folder))
    }
    assert found | circles(files) == set(ACCEPTED_CIRCLES), "cut the new circle, or remove the row of one that is gone"


def test_contributing_states_the_same_order() -> None:
    """CONTRIBUTING.md lists the levels of ``ABOVE``, lowest first, one level per line."""
    levels = [" ".join(sorted(name for name in ABOVE if ABOVE[name] == level)) for level in sorted(set(ABOVE.values()))]
    order = "```text\n" + "\n".join(levels) + "\n```\n"
    assert order in (ROOT / "CONTRIBUTING.md").read_text("utf-8"), f"put this into CONTRIBUTING.md:\n{order}"


def imported_by(statement: str) -> set[str]:
    """Return the top-level modules that are loaded after ``statement`` in a new process."""
    code = f"{statement}\nimport sys; print(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import godeeper",
        "import godeeper.cli.main; godeeper.cli.main.make_parser()",
        "from godeeper.blueprint.address import resolve",
        "from godeeper.blueprint.cost import parameters",
    ],
)
def test_starting_is_light(statement: str) -> None:
    """godeeper, its help and its blueprint import nothing heavy."""
    assert not imported_by(statement) & HEAVY


def test_a_second_peek_needs_no_onnx(chelsea: Path, tmp_path: Path) -> None:
    """Once the graph is built, a peek imports neither onnx nor a framework."""
    arguments = ["peek", str(chelsea), "conv", "--out", str(tmp_path)]
    assert main(arguments) == 0
    loaded = imported_by(f"from godeeper.cli.main import main; main({arguments})")
    assert "onnxruntime" in loaded
    assert not loaded & {"onnx", "torch", "tensorflow", "sklearn", "matplotlib", "openvino"}


def commands() -> list[list[str]]:
    """Return every command, including sub-commands."""
    found: list[list[str]] = []
    waiting: list[tuple[list[str], argparse.ArgumentParser]] = [([], make_parser())]
    while waiting:
        words, parser = waiting.pop()
        found.append(words)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += [([*words, name], child) for name, child in action.choices.items()]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_shows_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every --help ends with an example that names its command."""
    with pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"godeeper {' '.join(words)}".strip() in text.partition("example:")[2]


def test_every_module_says_what_it_is() -> None:
    """A module begins with a paragraph, and a public function or class has a docstring."""
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        for node in tree.body:
            if (
                isinstance(node, ast.FunctionDef | ast.ClassDef)
                and path.parent.name != "cli"
                and not node.name.startswith("_")
            ):
                assert ast.get_docstring(node), f"{path}: {node.name}"


def test_files_are_short() -> None:
    """No source file is longer than 350 lines, unless its docstring gives the reason in a paragraph "A long file, …"."""
    texts = {path.name: path.read_text("utf-8") for path in SOURCE.rglob("*.py")}
    assert [
        name for name, text in texts.items() if len(text.splitlines()) > 350 and "\n\nA long file, " not in text[:400]
    ] == []


def test_no_outside_address_is_in_the_code() -> None:
    """The package contains no web address to contact, except the addresses of releases that users request by name."""
    for path in set(SOURCE.rglob("*.py")) - {SOURCE / "weights" / "official.py"}:
        text = path.read_text()
        for name in ("http://www.w3.org/2000/svg", "http://schemas.microsoft.com/deepzoom/2008"):
            text = text.replace(name, "")  # identifiers that formats require, not addresses
        assert not re.findall(r"https?://", text), path


def test_the_demonstration_photo_is_the_example() -> None:
    """The page's demonstration photo has the same bytes as the photo in examples/."""
    assert (SOURCE / "web" / "demo.jpg").read_bytes() == (ROOT / "examples" / "chelsea.jpg").read_bytes()
