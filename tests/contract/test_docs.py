"""The documentation: every block is run, every link leads somewhere, generated pages are fresh."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from godeeper.cli.main import main, make_parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
OWN_FILES = [
    ROOT / "docs" / name
    for name in (
        "how-to/bring-your-own-weights.md",
        "retrain.md",
        "how-to/use-an-exported-model.md",
        "how-to/explain-a-verdict.md",
    )
]
RUN_ELSEWHERE = [  # by test_page.py of tests/unit/export and tests/unit/explain
    ROOT / "docs" / "how-to" / name for name in ("use-an-exported-model.md", "explain-a-verdict.md")
]
WRITTEN = [page for page in PAGES if "reference" not in page.parts and page not in RUN_ELSEWHERE]


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of one language on a page."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands(page: Path) -> list[str]:
    """The godeeper commands in a page's shell blocks."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line.removeprefix(".venv/bin/") for line in lines if re.match(r"(\.venv/bin/)?godeeper ", line)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the repository's examples in it, to run things in."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def label(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize(
    "page", [page for page in WRITTEN if blocks(page, "python") and page not in OWN_FILES], ids=label
)
def test_python_blocks_run(page: Path, folder: Path) -> None:
    """A page's Python, from the first block to the last, in one process."""
    code = "\n".join(blocks(page, "python"))
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, timeout=120)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", [page for page in WRITTEN if commands(page) and page not in OWN_FILES], ids=label)
def test_commands_run(page: Path) -> None:
    """Every command on a page does what it is there for."""
    for command in commands(page):
        assert main(shlex.split(command, comments=True)[1:]) == 0, command


def test_commands_on_the_readers_own_files_are_understood() -> None:
    """What needs downloads or the reader's files is at least a command with the options it has."""
    every = [command for page in OWN_FILES for command in commands(page)]
    assert len(every) > 10
    for command in every:
        make_parser().parse_args(shlex.split(command, comments=True)[1:])


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_links_lead_somewhere(page: Path) -> None:
    """No link or picture points to a file that is not there."""
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="argparse lays its help out a little differently in each Python"
)
def test_generated_pages_are_fresh() -> None:
    """The command `make docs` would change nothing."""
    script = ROOT / "scripts" / "make_docs.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_doctests() -> None:
    """The examples in docstrings do what they show."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--doctest-modules",
            "-p",
            "no:cacheprovider",
            "--import-mode=importlib",
            "src/godeeper",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
