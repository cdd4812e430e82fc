"""Every command refuses files that are not photos, at once and without starting a program."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

DATA = ROOT / "tests" / "data" / "photos"
EPS = DATA / "eps_named.jpg"


@pytest.fixture
def folder(tmp_path: Path, chelsea: Path) -> Path:
    """Two classes, each with a photo and a PostScript file with a photo's extension."""
    for label in ("a", "b"):
        place = tmp_path / "photos" / label
        place.mkdir(parents=True)
        (place / "eps.jpg").write_bytes(EPS.read_bytes() + label.encode())
        Image.open(chelsea).rotate(ord(label)).save(place / "fine.png")
    return tmp_path / "photos"


COMMANDS = {
    "peek": ("peek", "{photo}", "--out", "{out}"),
    "poster": ("poster", "{photo}", "--out", "{out}/poster"),
    "map": ("map", "--photo", "{photo}", "--out", "{out}/map.svg"),
    "classify": ("classify", "{cars}", "{photo}"),
    "explain": ("explain", "{cars}", "{photo}", "--out", "{out}"),
    "embed": ("embed", "{photo}", "--out", "{out}/features.npz", "--features", "conv"),
    "top": ("top", "{folder}", "conv[0]", "--out", "{out}"),
    "embed a folder": ("embed", "{folder}", "--out", "{out}/features.npz", "--features", "conv"),
    "doctor": ("doctor", "{folder}"),
    "retrain": ("retrain", "{folder}", "--out", "{out}/x.godeeper", "--features", "mixed/join"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_starts_a_program(
    command: str, ghostscript: Path, folder: Path, cars: Path, tmp_path: Path, run: Run
) -> None:
    """PostScript called .jpg is refused by every command, and Ghostscript is not started."""
    places = {"photo": EPS, "folder": folder, "out": tmp_path / "out", "cars": cars}
    (tmp_path / "out").mkdir()
    code, out, err = run(*(word.format(**places) for word in COMMANDS[command]))
    if command != "retrain":  # retrain prints only the number of photos that it left out; its report has the reasons
        assert code == (1 if "{folder}" in COMMANDS[command] else 2)
        assert "PostScript" in out + err
    assert not ghostscript.exists()


@pytest.fixture(params=["pipe", "socket", "device", "link to a pipe"])
def unreadable(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Files that block or never end when they are read."""
    monkeypatch.chdir(tmp_path)  # a socket's path is limited to about a hundred bytes
    path = tmp_path / "odd.jpg"
    if request.param == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("odd.jpg")
            yield path
        return
    if request.param == "device":
        path.symlink_to("/dev/zero")
    else:
        pipe = path if request.param == "pipe" else tmp_path / "pipe"
        os.mkfifo(pipe)
        if pipe != path:
            path.symlink_to(pipe)
    yield path


SINGLE = ("peek", "poster", "map", "classify", "explain", "embed")


@pytest.mark.parametrize("command", SINGLE)
def test_pipes_devices_and_sockets_are_refused_at_once(
    command: str, unreadable: Path, cars: Path, tmp_path: Path, run: Run
) -> None:
    """Pipes, devices and sockets that are passed as PHOTO are refused with a one-line error."""
    places = {"photo": unreadable, "out": tmp_path, "cars": cars}
    code, out, err = run(*(word.format(**places) for word in COMMANDS[command]))
    assert code == 2
    assert "is a named pipe, device or socket" in out + err


@pytest.mark.parametrize("command", ["top", "embed a folder", "doctor", "classify"])
def test_in_folders_they_are_skipped_and_reported(
    command: str, folder: Path, cars: Path, tmp_path: Path, run: Run
) -> None:
    """Within a folder, pipes and devices are skipped with a message, and the other files are used."""
    (folder / "a" / "eps.jpg").unlink()
    (folder / "b" / "eps.jpg").unlink()
    os.mkfifo(folder / "a" / "pipe.jpg")
    (folder / "b" / "device.jpg").symlink_to("/dev/zero")
    places = {"photo": folder, "folder": folder, "out": tmp_path, "cars": cars}
    code, out, err = run(*(word.format(**places) for word in COMMANDS[command]))
    assert code == 1, err
    assert (out + err).count("is a named pipe, device or socket") == 2
    assert stat.S_ISFIFO((folder / "a" / "pipe.jpg").stat().st_mode)
