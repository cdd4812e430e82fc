"""Help, and the errors for invalid arguments."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from godeeper.cli.main import make_parser
from godeeper.peek.colour import COLOURS

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


@pytest.mark.parametrize("words", [[], ["weights"], ["cache"]], ids=["godeeper", "weights", "cache"])
def test_without_arguments_help_is_shown(words: list[str], run: Run) -> None:
    """Without arguments, the program and each command with actions show their help."""
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert (code, out, err) == run(*words, "--help") == run("help", *words)


def test_help_of_a_command(run: Run) -> None:
    """``help`` accepts commands and actions."""
    assert run("help", "peek") == run("peek", "--help")
    assert run("help", "weights", "add") == run("weights", "add", "--help")


def test_help_of_peek_names_every_colour_map(run: Run) -> None:
    """The help names the colour maps as a literal, because importing their table would load NumPy."""
    names = list(COLOURS)
    assert f"{', '.join(names[:-1])} or {names[-1]}" in " ".join(run("help", "peek")[1].split())


MISTYPED = {
    "pek photo.jpg": "did you mean peek?",
    "PEEK photo.jpg": "did you mean peek?",
    "train photos": "did you mean retrain?",
    "clasify photos": "did you mean classify?",
    "help pek": "did you mean peek?",
    "weights ad file": "did you mean add?",
    "help weights ad": "did you mean add?",
    "cache sho": "did you mean show?",
    "help peek me": "this command has no actions",
    "xyzzy": "expected one of peek, poster",
    "peek PHOTO --scael shared": "unknown option '--scael'; did you mean --scale?",
    "peek PHOTO --scael=shared": "did you mean --scale?",
    "tensors conv -photo.jpg": "for a file of that name write ./NAME",
    "tensors conv conv": "unexpected argument 'conv'",
    "PHOTO": "for a photo: godeeper peek PHOTO",
    "peek PHOTO --scale shred": "did you mean shared?",
    "peek PHOTO --colour gray": "did you mean grey?",
    "peek PHOTO --engine onnx_runtime": "did you mean onnxruntime?",
    "peek PHOTO --weights bundle": "did you mean bundled?",
    "peek PHOTO --fit squish": "did you mean squash?",
    "peek PHOTO --filter antialiased": "did you mean antialias?",
    "tensors --network googlnet": "did you mean googlenet?",
    "completion bsh": "'bash', 'zsh', 'fish'",
    "peek PHOTO --zoom two": "argument --zoom: 'two': expected a whole number",
}


@pytest.mark.parametrize("line", MISTYPED)
def test_what_was_meant(line: str, run: Run, chelsea: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt argument gives one line with the nearest match and exit code 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*(str(chelsea) if word == "PHOTO" else word for word in line.split()))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert MISTYPED[line] in err
    assert list(tmp_path.iterdir()) == []


def test_what_target_was_meant(run: Run, cars: Path, tmp_path: Path) -> None:
    """A misspelt export target gets a suggestion too."""
    assert "did you mean onnx?" in run("export", cars, "--to", "onx", "--out", tmp_path / "x.onnx")[2]


LONG = "x" * 5000


@pytest.mark.parametrize(
    "arguments",
    [
        [LONG],
        ["peek", "p", f"--{LONG}"],
        ["peek", "p", f"--f={LONG}"],
        ["peek", "p", f"--json={LONG}"],
        ["peek", "p", "--zoom", LONG],
        ["peek", "p", "--zoom", "9" * 5000],
        ["peek", "p", "--zoom", "a\x1b[2J\nb"],
        ["\x1b[2J\n\u202epek"],
        ["peek", "p", "--f=\x1b[2J\n\u202e"],
        ["peek", "p", "--json=\x1b[2J\n"],
        ["tensors", "conv", f"\x1b{LONG}"],
        ["completion", f"\x1b\n{LONG}"],
        ["completion", "\udcff"],
        ["\udcff\x00"],
    ],
    ids=range(14),
)
def test_errors_are_short_and_escaped(arguments: list[str], run: Run) -> None:
    """Whatever is typed, the message is one line of printable characters and of bounded length."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.removesuffix("\n").isprintable()
    assert len(err) < 500


def parsers() -> list[argparse.ArgumentParser]:
    found, waiting = [], [make_parser()]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].children().values()
    return list(found)


@pytest.mark.parametrize("parser", parsers(), ids=lambda parser: parser.prog)
def test_usage_is_true(parser: argparse.ArgumentParser, run: Run) -> None:
    """The usage of a command shows required arguments outside brackets, and all other arguments in brackets."""
    usage = re.sub(r"\[[^]]*\]", "", " ".join(parser.format_usage().split()).removeprefix(f"usage: {parser.prog}"))
    needed = [
        "/".join(action.option_strings) or str(action.metavar)
        for action in parser._actions
        if action.required and not isinstance(action, argparse._SubParsersAction)
    ]
    for each in needed:
        if parser.prog != "godeeper classify":
            assert each.partition("[")[0] in usage
    listed = [word for word in usage.split() if not word.startswith("-") and word not in ("ACTION", "COMMAND", "...")]
    assert bool(needed) == bool(listed)


def test_usage_of_classify_has_two_forms(run: Run) -> None:
    """The usage has one form for a classifier and photos, and one for weights and photos."""
    lines = run("classify", "--help")[1].splitlines()
    assert "FILE.godeeper PHOTO" in lines[0]
    assert "--weights W PHOTO" in lines[1]


def test_only_the_photo_is_required_by_peek(run: Run) -> None:
    """The usage of ``peek`` requires a photo and no addresses."""
    assert run("peek")[2].startswith("godeeper peek: the following arguments are required: PHOTO; ")
