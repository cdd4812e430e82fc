"""All commands use the same exit codes, and their output is safe to print."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.conftest import ROOT

from godeeper.escaping import escaped, json_text

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

HOSTILE = "\x1b[31mred\r\n\u202egpj\x07\x9b2J\x7f"

COMMANDS = {
    "classify": ("classify", "{cars}", "{folder}"),
    "explain": ("explain", "{cars}", "{folder}", "--out", "{out}"),
    "embed": ("embed", "{folder}", "--out", "{out}/features.npz", "--features", "conv"),
    "top": ("top", "{folder}", "conv[0]", "--out", "{out}"),
    "doctor": ("doctor", "{folder}"),
    "retrain": ("retrain", "{folder}", "--out", "{out}/x.godeeper", "--features", "mixed/join"),
}
"""Name of each command that takes a folder of photos -> its arguments."""


@pytest.fixture
def folder(tmp_path: Path, chelsea: Path) -> Path:
    """Two classes of two photos."""
    photo = Image.open(chelsea).resize((90, 60))
    for label, angles in (("a", (0, 90)), ("b", (180, 270))):
        place = tmp_path / "photos" / label
        place.mkdir(parents=True)
        for angle in angles:
            photo.rotate(angle, expand=True).save(place / f"{angle}.png")
    return tmp_path / "photos"


def code_of(command: str, run: Run, cars: Path, folder: Path, out: Path) -> int:
    """Return the exit code of a command for everything in a folder."""
    out.mkdir()
    return run(*(word.format(cars=cars, folder=folder, out=out) for word in COMMANDS[command]))[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_exit_codes(command: str, run: Run, cars: Path, folder: Path, tmp_path: Path) -> None:
    """The exit code is 0 if all photos can be used, 1 if one cannot, and 2 if none can."""
    codes = [code_of(command, run, cars, folder, tmp_path / "all")]
    (folder / "b" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    codes.append(code_of(command, run, cars, folder, tmp_path / "some"))
    for path in folder.rglob("*.png"):
        path.write_bytes(b"\x89PNG")
    codes.append(code_of(command, run, cars, folder, tmp_path / "none"))
    assert codes == [0, 1, 2]


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_written_where_no_photo_can_be_read(
    command: str, run: Run, cars: Path, folder: Path, tmp_path: Path
) -> None:
    """If no photo can be read, the exit code is 2 and no file is written."""
    for path in folder.rglob("*.png"):
        path.write_bytes(b"\x89PNG")
    assert code_of(command, run, cars, folder, tmp_path / "out") == 2
    assert list((tmp_path / "out").iterdir()) == []


def test_a_duplicate_is_not_a_fault(run: Run, cars: Path, folder: Path, tmp_path: Path) -> None:
    """If a class contains the same pixels twice, only one copy is used, and the exit code is still 0."""
    (folder / "a" / "again.png").write_bytes((folder / "a" / "0.png").read_bytes())
    assert [code_of(command, run, cars, folder, tmp_path / command) for command in ("doctor", "retrain")] == [0, 0]


def test_a_photo_in_two_classes_is_a_fault(run: Run, cars: Path, folder: Path, tmp_path: Path) -> None:
    """A photo in two classes is used in neither."""
    (folder / "b" / "same.png").write_bytes((folder / "a" / "0.png").read_bytes())
    assert code_of("doctor", run, cars, folder, tmp_path / "out") == 1


PROGRAMS = {
    "tensors": ("tensors",),
    "tensors --json": ("tensors", "--json"),
    "weights list": ("weights", "list"),
    "--help": ("--help",),
    "--version": ("--version",),
    "peek --help": ("peek", "--help"),
    "peek": ("peek", "examples/chelsea.jpg", "conv", "--out", "{out}"),
    "doctor": ("doctor", "{folder}"),
    "top": ("top", "{folder}", "conv[0]", "--out", "{out}"),
}


@pytest.mark.parametrize("redirected", [">/dev/full", ">&-"])
@pytest.mark.parametrize("command", PROGRAMS)
def test_output_that_cannot_be_written(command: str, redirected: str, folder: Path, tmp_path: Path) -> None:
    """Output that cannot be written gives one line and exit code 2."""
    done = program(command, redirected, folder, tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("godeeper: cannot write to standard output: ")


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", "<&-"])
def test_other_streams_do_not_matter(redirected: str, folder: Path, tmp_path: Path) -> None:
    """A command works even if streams that it does not need are closed or full."""
    done = program("peek", redirected, folder, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "conv.png" in done.stdout


@pytest.mark.parametrize("command", ["doctor", "top"])
def test_a_folder_with_standard_error_closed(command: str, folder: Path, tmp_path: Path) -> None:
    """A command that would draw a progress bar works with standard error closed."""
    done = program(command, "2>&-", folder, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("command", ["tensors", "--help"])
def test_a_closed_pipe_is_not_an_error(command: str, folder: Path, tmp_path: Path) -> None:
    """It is not an error if a program such as ``head`` closes the pipe."""
    done = program(command, "| true", folder, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_standard_input_that_is_closed(folder: Path, tmp_path: Path) -> None:
    """With standard input closed, the photo ``-`` is refused with a one-line error."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m godeeper peek - conv --out {tmp_path} <&-"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "cannot read from standard input" in done.stderr


def program(command: str, redirected: str, folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a new process, with its streams redirected by a shell, and return the finished process."""
    words = " ".join(word.format(folder=folder, out=out) for word in PROGRAMS[command])
    shell = f"set -o pipefail; {sys.executable} -m godeeper {words} {redirected}"
    return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


@pytest.mark.parametrize("command", COMMANDS)
def test_names_cannot_move_the_cursor(command: str, run: Run, cars: Path, folder: Path, tmp_path: Path) -> None:
    """Classes and files may have any name; the printed names contain no control character."""
    (folder / "a").rename(folder / f"a{HOSTILE}")
    (folder / "b" / f"{HOSTILE}.png").write_bytes(b"\x89PNG")
    out = tmp_path / "out"
    out.mkdir()
    _, printed, complained = run(*(word.format(cars=cars, folder=folder, out=out) for word in COMMANDS[command]))
    assert printed + complained
    assert all(line == escaped(line) for line in (printed + complained).splitlines())
    assert "\r" not in printed + complained


def test_arguments_cannot_move_the_cursor(run: Run) -> None:
    """An unknown option is printed without control characters too."""
    for arguments in (["peek", HOSTILE], ["tensors", HOSTILE], [HOSTILE], ["tensors", f"--{HOSTILE}"]):
        code, _, complained = run(*arguments)
        assert code == 2
        assert complained == escaped(complained.removesuffix("\n")) + "\n"


def test_json_shows_no_control_characters() -> None:
    """The printed JSON is the same document, without raw control characters."""
    document = {"name": f"Zürich 東京 {HOSTILE}\udce9"}
    text = json_text(document, indent=2)
    assert json.loads(text) == document
    assert text.replace("\n", "") == escaped(text.replace("\n", ""))
    assert "Zürich 東京" in text


def test_commands_print_through_one_module() -> None:
    """No command calls ``print`` itself, and only the progress bar draws on a terminal."""
    bare = re.compile(r"(?<![\w.])print\(|sys\.std(out|err)\.write|sys\.stdin")
    cli = ROOT / "src" / "godeeper" / "cli"
    found = [path.name for path in sorted(cli.glob("*.py")) if bare.search(path.read_text())]
    assert found == ["progress.py", "terminal.py"]
