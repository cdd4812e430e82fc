"""``godeeper completion``: the generated scripts, run by their shells."""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from godeeper.cli.completion import TABLES, command_of
from godeeper.cli.main import COMMANDS, main, make_parser
from godeeper.cli.shells import every

CASES = {
    "pe": ["peek"],
    "weights a": ["add"],
    "cache ": ["show", "trim", "clear"],
    "help re": ["retrain"],
    "completion ": ["bash", "zsh", "fish"],
    "peek --sca": ["--scale"],
    "cache trim --t": ["--to"],
    "peek a.jpg --scale s": ["shared", "signed"],
    "peek --scale shared a.jpg mixed_7/jo": ["mixed_7/join"],
    "peek a.jpg conv mixed_7/jo": ["mixed_7/join"],
    "retrain x --precision ": ["fp32", "int8", "auto"],
    "embed x --precision ": ["fp32", "int8"],
    "export x --to o": ["onnx", "openvino"],
    "weights add imagenet-to": ["imagenet-torchvision"],
    "weights show bund": ["bundled"],
}


def shell(name: str) -> str:
    """Return the path of the shell; skip the test if the shell is not installed."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    return program


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Path:
    """The script for the shell that the test names, in a folder with files to complete."""
    assert main(["completion", request.param]) == 0
    path = tmp_path / f"godeeper.{request.param}"
    path.write_text(capsys.readouterr().out)
    (tmp_path / "my photo.jpg").write_bytes(b"")
    (tmp_path / "photos").mkdir()
    return path


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash(script: Path) -> None:
    """At Tab, Bash stores the expected completions in its array."""
    lines = [f"source {script}"]
    for line in CASES:
        words = ["godeeper", *line.split(" ")]
        lines.append(
            f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _godeeper; echo ${{COMPREPLY[*]}}"
        )
    lines.append("COMP_WORDS=(godeeper peek a.jpg --scale = f); COMP_CWORD=5; _godeeper; echo ${COMPREPLY[*]}")
    done = subprocess.run([shell("bash"), "--norc", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60)
    found = [line.split() for line in done.stdout.splitlines()]
    assert dict(zip(CASES, found, strict=False)) == CASES
    assert found[-1] == ["filter"]


@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish(script: Path) -> None:
    """For a command line, fish lists the expected completions, including files where the command accepts them."""
    program = shell("fish")
    cases = CASES | {"peek my": ["my photo.jpg"], "tensors my": [], "peek --out ph": ["photos/"]}
    lines = [f"source {script}", *(f"complete -C {shlex.quote(f'godeeper {line}')}; echo ." for line in cases)]
    done = subprocess.run(
        [program, "--no-config", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, cwd=script.parent
    )
    answers = re.split(r"^\.$", done.stdout, flags=re.MULTILINE)[:-1]
    found = {
        line: sorted(each.partition("\t")[0].replace("\\", "") for each in part.splitlines() if each)
        for line, part in zip(cases, answers, strict=True)
    }
    assert found == {line: sorted(words) for line, words in cases.items()}


TYPED = {
    "godeeper pe": "godeeper peek ",
    "godeeper weights ad": "godeeper weights add ",
    "godeeper peek --sca": "--scale",
    "godeeper peek a.jpg --scale sha": "--scale shared ",
    "godeeper peek a.jpg mixed_7/jo": "mixed_7/join ",
    "godeeper peek my": "my\\ photo.jpg ",
    "godeeper peek a.jpg --out ph": "--out photos/",
    "godeeper export x --to op": "--to openvino ",
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("script", ["bash", "zsh"], indirect=True)
def test_at_the_terminal(script: Path) -> None:
    """Tab completes in a shell that runs in a terminal."""
    import pty

    if script.suffix == ".bash":
        command, prepare = [shell("bash"), "--norc", "-i"], f"PS1=; source {script}"
    else:
        command = [shell("zsh"), "-f", "-i"]
        prepare = f"PS1=; unset zle_bracketed_paste; autoload -U compinit; compinit -u -D; source {script}"
    terminal, inside = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "300", "HOME": str(script.parent)}
    with subprocess.Popen(
        command, stdin=inside, stdout=inside, stderr=inside, cwd=script.parent, env=environment, start_new_session=True
    ) as started:
        os.close(inside)
        os.write(terminal, f"{prepare}; echo re''ady\n".encode())
        assert "ready\r" in read_until(terminal, "ready\r")
        for typed, expected in TYPED.items():
            os.write(terminal, f"{typed}\t".encode())
            assert expected in read_until(terminal, expected)
            os.write(terminal, b"\x15")  # Ctrl-U clears the line
        os.write(terminal, b"exit\n")
        started.wait(timeout=10)
    os.close(terminal)


def read_until(terminal: int, expected: str, patience: float = 10) -> str:
    """Read a terminal's output until it contains a text, and return it."""
    shown, end = b"", time.monotonic() + patience
    while expected.encode() not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536)
    return shown.decode(errors="replace")


def test_everything_is_in_it() -> None:
    """The script contains each command with each of its options, and no options that do not exist."""
    root = command_of(make_parser(), ())
    assert [child.words[0] for child in root.children] == list(COMMANDS)
    names = {
        f"{' '.join(each.words)} {name}" for each in every(root) for option in each.options for name in option.names
    }
    assert "weights add --scaling" in names
    for place in TABLES:
        assert any(f" {name}".endswith(f" {place}") for name in names), place


def test_nothing_else_imports_it() -> None:
    """Only ``godeeper completion`` imports the generators of the scripts."""
    code = "from godeeper.cli.main import make_parser; make_parser(); import sys; print('godeeper.cli.shells' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).stdout == b"False\n"
