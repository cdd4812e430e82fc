"""Commands never replace files that they did not write, and refuse to do so before they compute anything."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from godeeper.cli.main import main

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

COMMANDS: list[tuple[list[str], list[str]]] = [
    (["peek", "photo.jpg", "conv", "--out", "out", "--npz", "out/numbers.npz"], ["photo.conv.png", "numbers.npz"]),
    (["map", "--module", "mixed_7", "--out", "out/map.svg"], ["map.svg"]),
    (["map", "--module", "mixed_7", "--out", "out/map.html"], ["map.html"]),
    (["embed", "photo.jpg", "--features", "conv", "--out", "out/data.npz"], ["data.npz"]),
    (["explain", "cars.godeeper", "photo.jpg", "--class", "a/b", "--out", "out"], ["photo.a-b.evidence.png"]),
    (["top", "photos", "conv[3]", "--out", "out"], ["top.conv[3].png"]),
    (["retrain", "photos", "--features", "conv", "--out", "out/data.godeeper"], ["data.godeeper", "data.html", "data.json"]),
    (["export", "cars.godeeper", "--to", "onnx", "--photos", "photo.jpg", "--out", "out/c.onnx"], ["c.onnx", "c.onnx.json"]),
    (["export", "cars.godeeper", "--to", "openvino", "--photos", "photo.jpg", "--out", "out/c.xml"], ["c.xml", "c.bin", "c.xml.json"]),
    (["poster", "photo.jpg", "--out", "out"], ["index.html", "poster.dzi", "poster.json", "poster_files"]),
]  # fmt: skip
"""The arguments of a command, and the files that the command writes into the folder ``out``."""

IDS = [f"{words[0]}-{files[0]}" for words, files in COMMANDS]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chelsea: Path, cars: Path) -> Path:
    """A working folder with a photo, a classifier and a small folder of classes."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(chelsea, "photo.jpg")
    shutil.copy(cars, "cars.godeeper")
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        Path("photos", name).mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((40, 40)).save(f"photos/{name}/{number}.png")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("words", "files"), COMMANDS, ids=IDS)
def test_ours_is_replaced(run: Run, here: Path, words: list[str], files: list[str]) -> None:
    """The first run writes all files, and the second run recognises and replaces them."""
    for _ in range(2):
        code, _, err = run(*words)
        assert code == 0, err
        assert names(here / "out") == sorted(files)


@pytest.mark.parametrize(("words", "files"), COMMANDS, ids=IDS)
def test_others_files_stay(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], files: list[str]
) -> None:
    """A file that godeeper did not write is kept: the command checks every output before the network runs, and writes nothing."""
    if words[0] != "explain":  # ``explain`` names its pictures after its results
        monkeypatch.setattr("godeeper.engine.onnxruntime.Session.__init__", lambda *_, **__: pytest.fail("too late"))
    for name in files:
        (here / "out").mkdir()
        (here / "out" / name).write_text("dear")
        before = names(here)
        code, out, err = run(*words)
        assert (code, out, err.count("\n")) == (2, "", 1) or words[0] == "explain"
        assert ("godeeper did not write it" in err) or "is not a poster" in err
        assert (here / "out" / name).read_text() == "dear"
        assert names(here / "out") == [name]
        assert names(here) == before
        shutil.rmtree(here / "out")


@pytest.mark.parametrize(("words", "files"), COMMANDS, ids=IDS)
def test_forced(run: Run, here: Path, words: list[str], files: list[str]) -> None:
    """``--force`` replaces the existing file, and nothing else."""
    (here / "out").mkdir()
    for name in (*files, "mine"):
        (here / "out" / name).write_text("dear")
    assert run(*words, "--force")[0] == 0
    assert names(here / "out") == sorted([*files, "mine"])
    assert [
        name
        for name in names(here / "out")
        if (here / "out" / name).is_file() and (here / "out" / name).read_bytes() == b"dear"
    ] == ["mine"]


@pytest.mark.parametrize(("words", "files"), COMMANDS, ids=IDS)
def test_a_file_where_a_folder_is_needed(run: Run, here: Path, words: list[str], files: list[str]) -> None:
    """A file in place of an output folder gives a one-line error."""
    (here / "out").write_text("dear")
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert (here / "out").read_text() == "dear"
    assert files


@pytest.mark.parametrize(
    "words",
    [
        ["peek", "photo.jpg", "conv", "--npz", "photo.jpg"],
        ["peek", "photo.jpg", "conv", "--npz", "./photos/../photo.jpg", "--force"],
        ["embed", "a.npz", "--features", "conv", "--out", "a.npz", "--force"],
        ["map", "--photo", "a.svg", "--out", "a.svg", "--force"],
    ],
)
def test_a_photo_is_never_written_over(run: Run, here: Path, words: list[str]) -> None:
    """A photo is not overwritten under another spelling of its path, nor with ``--force``."""
    for name in ("a.npz", "a.svg"):
        shutil.copy("photo.jpg", name)
    before = Path("photo.jpg").read_bytes()
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "is an input of this command" in err
    assert all((here / name).read_bytes() == before for name in ("photo.jpg", "a.npz", "a.svg"))


def test_two_photos_of_one_name(run: Run, here: Path) -> None:
    """Photos of the same name get pictures with different names, and a repeated run uses the same name again."""
    Path("x").mkdir()
    Image.open("photo.jpg").rotate(180).save("x/photo.jpg")
    Image.open("photo.jpg").rotate(90).save("photo.png")
    made = []
    for photo in ("photo.jpg", "x/photo.jpg", "photo.png", "x/photo.jpg", "photo.jpg"):
        document = json.loads(run("peek", photo, "conv", "--out", "out", "--json")[1])
        made.append(document["tensors"][0]["png"])
        assert document["photo_sha256"][:8] in made[-1] or made[-1] == str(Path("out/photo.conv.png"))
    assert len(set(made)) == 3 == len(names(here / "out"))
    assert made[3:] == [made[1], made[0]]
    pictures = {
        json.loads(run("explain", "cars.godeeper", photo, "--class", "a/b", "--out", "out", "--json")[1])["photos"][0][
            "png"
        ]
        for photo in ("photo.jpg", "x/photo.jpg")
    }
    assert len(pictures) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["peek", "{photo}", "mixed/tower_2/conv"],
        ["map", "--out", "map.svg"],
        ["poster", "{photo}", "--out", "poster"],
        ["embed", "{photo}", "--out", "photo.npz"],
    ],
)
def test_the_working_folder_was_removed(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that writes into a deleted working folder ends with one line."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 30), (200, 60, 20)).save(photo)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main([word.format(photo=photo) for word in words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("godeeper: ")
    assert said.count("\n") == 1
