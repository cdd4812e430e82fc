"""README.md and docs/: a reader who follows a page block by block gets no error."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from tests.docs.pages import COMMAND, PAGES, ROOT, blocks, script

from godeeper.cli.main import make_parser

UNINSTALL = ROOT / "docs" / "reference" / "files-and-folders.md"
WITHOUT_GODEEPER = ROOT / "docs" / "how-to" / "use-an-exported-model.md"
"""This page runs ONNX Runtime without godeeper, so ONNX Runtime's telemetry is on, as the page states."""
LAST = [ROOT / "docs" / "how-to" / "manage-the-cache.md", UNINSTALL]
"""These pages empty the cache that all pages share."""
FOLLOWED = sorted(
    (page for page in PAGES if any(block.runs for block in blocks(page))),
    key=lambda page: (page in LAST, page == UNINSTALL),
)
MOST_NOT_RUN = 8
HOME_MAY_HOLD = (".cache/godeeper/", ".local/share/godeeper/")
"""Everything that godeeper stores outside the given folders, according to docs/reference/files-and-folders.md."""


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``.venv`` like that of ``make demo``, but with this interpreter's packages and the source instead of downloads."""
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    paths = [ROOT / "src", *(path for path in sys.path if path.endswith("-packages"))]
    (packages / "packages.pth").write_text("".join(f"{path}\n" for path in paths))
    command = folder / "bin" / "godeeper"
    command.write_text(f"#!{folder}/bin/python\nfrom godeeper.__main__ import run\n\nrun()\n")
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new user's home, shared by all pages, so that graphs and features are computed once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def clone(tmp_path: Path, environment: Path) -> Path:
    """The files of a clone that a page needs, with its environment."""
    for name in ("Makefile", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / ".venv").symlink_to(environment)
    (environment / "core").touch()
    return tmp_path


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_can_be_followed(page: Path, clone: Path, home: Path) -> None:
    """Every block works, in order, in one new shell in a clone, without any other preparation."""
    variables = {
        "HOME": str(home),
        "PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin",
        "BROWSER": "true",
        "LC_ALL": "C.UTF-8",
    }
    written = script(page, free_port())
    with subprocess.Popen(
        ["bash", "-c", written],
        cwd=clone,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            said, _ = shell.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            raise
    assert shell.returncode == 0, said[-3000:]
    if page == WITHOUT_GODEEPER:
        shutil.rmtree(home / ".cache" / "Microsoft", ignore_errors=True)
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert all(name.startswith(HOME_MAY_HOLD) for name in left), sorted(left)
    if page == UNINSTALL:
        assert not left
    pictures = re.findall(r"\]\(\S*pictures/(\S+\.evidence\.png)\)", page.read_text("utf-8"))
    for picture in pictures:  # pictures that the page's own commands write
        assert (clone / picture).is_file()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_few_blocks_are_not_run() -> None:
    """A block that is not run states a reason, and few are not run; blocks of plain text contain no commands."""
    every = [block for page in PAGES for block in blocks(page)]
    left_out = [block for block in every if block.mark.startswith("not run")]
    assert all(block.reason for block in left_out)
    assert len(left_out) <= MOST_NOT_RUN
    for page in PAGES:
        if page.name != "commands.md":
            assert not [
                block.text for block in blocks(page) if block.language in ("", "text") and COMMAND.search(block.text)
            ]


def test_commands_that_are_not_run_are_understood() -> None:
    """Commands that need downloads or the reader's files are parsed without an error, so their options exist."""
    lines = [
        line
        for page in PAGES
        for block in blocks(page)
        if block.reason
        for line in block.text.splitlines()
        if line.startswith("godeeper ")
    ]
    assert lines
    for line in lines:
        make_parser().parse_args(shlex.split(line, comments=True)[1:])


def test_extras_on_pages_exist() -> None:
    """Each extra in an install command such as `pip install -e '.[parquet]'` is defined in pyproject.toml.

    The package is not published yet, so a command without a clone is marked "once published".
    """
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for page in PAGES:
        text = page.read_text("utf-8")
        for line in text.splitlines():
            if "'godeeper[" in line:
                assert "once published" in line, (page, line)
        for extra in re.findall(r"'(?:\.|godeeper)\[(\w+)\]'", text):
            assert extra in known, (page, extra)
