"""``godeeper doctor``: table, JSON, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.unit.photos.scenes import jpeg, scene, sharp, write

from godeeper.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of one good photo each."""
    write(tmp_path / "a" / "good.png", sharp(scene(1)))
    write(tmp_path / "b" / "good.png", sharp(scene(2)))
    return tmp_path


def test_good_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of good photos gives one summary line and exit code 0."""
    assert main(["doctor", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{folder}: 2 used, 0 quarantined; 2 classes"
    assert lines[0] == (
        "note: 2 of 2 classes have few different photos: 'a' has 1, 'b' has 1; expected at least 10 per class"
    )


def test_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has a row for each quarantined photo, kind of repair and group; the exit code is 1."""
    (folder / "a" / "empty.jpg").touch()
    write(folder / "a" / "named.jpg", sharp(scene(3)), format="PNG")
    write(folder / "b" / "near.png", jpeg(sharp(scene(2)), 50))
    assert main(["doctor", str(folder)]) == 1
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()[1:4]]
    assert [row[:2] for row in rows] == [["quarantined", "1"], ["repaired", "1"], ["used", "2"]]
    assert rows[0][2].split() == ["the", "file", "is", "empty;", "expected", "a", "photo", "a/empty.jpg"]
    assert rows[1][2].split() == ["named", ".jpg,", "but", "it", "is", "PNG", "a/named.jpg"]
    assert rows[2][2].endswith("b/good.png, b/near.png")


def test_repairs_alone_are_not_a_failure(folder: Path) -> None:
    """The exit code is 0 if every photo was used or repaired."""
    write(folder / "a" / "named.jpg", sharp(scene(3)), format="PNG")
    assert main(["doctor", str(folder)]) == 0


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output is one JSON document with every file, and with the classes that have too few photos."""
    (folder / "a" / "empty.jpg").touch()
    assert main(["doctor", str(folder), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [each["file"] for each in document["files"]] == ["a/empty.jpg", "a/good.png", "b/good.png"]
    assert document["photos"] == {"used": 2, "repaired": 0, "quarantined": 1}
    assert len(document["few"]) == 1


def test_missing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing folder gives exit code 2 and one line."""
    assert main(["doctor", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_photo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without photos gives exit code 2 and one line."""
    assert main(["doctor", str(tmp_path)]) == 2
    assert "contains no photos" in capsys.readouterr().err


def test_nothing_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If no photo is usable, the table has the reasons, and the exit code is 2."""
    write(tmp_path / "loose.png", scene(1))
    assert main(["doctor", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "has no class" in captured.out
    assert captured.err.startswith(f"godeeper: {tmp_path}: no photo can be used")


def test_names_do_nothing_to_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in a file's name are printed as text."""
    (folder / "a" / "evil\x1b[2J\n.jpg").touch()
    main(["doctor", str(folder)])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"evil\x1b[2J\n.jpg" in out


@pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_names_that_are_not_utf_8(folder: Path, options: list[str]) -> None:
    """A file name that is not UTF-8 works in the table and in the JSON."""
    (folder / "a" / os.fsdecode(b"\xff.jpg")).touch()
    done = subprocess.run(
        [sys.executable, "-m", "godeeper", "doctor", str(folder), *options], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, b"")
    if options:
        names = [each["file"] for each in json.loads(done.stdout)["files"]]
        assert os.fsencode(names[1]) == b"a/\xff.jpg"


def test_a_flat_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without class folders is reported in one line; photos next to class folders are reported in one row."""
    for number in range(8):
        Image.new("RGB", (40, 40), (30 * number, 90, 10)).save(tmp_path / f"cat-{number}.png")
    for words in (["doctor", str(tmp_path)], ["retrain", str(tmp_path), "--out", str(tmp_path / "x.godeeper")]):
        assert main(words) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert "8 photos and no class folders: move each photo" in err
    (tmp_path / "dog").mkdir()
    Image.new("RGB", (40, 40), (1, 2, 3)).save(tmp_path / "dog" / "1.png")
    assert main(["doctor", str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("has no class") == 1


def test_repaired_photos_are_among_the_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line counts repaired photos as used; the JSON has separate fields for repaired and used photos."""
    for number in range(4):
        path = tmp_path / "ab"[number % 2] / f"{number}.png"
        write(path, sharp(scene(number + 1)))
        if number:
            path.rename(path.with_suffix(".jpg"))
    assert main(["doctor", str(tmp_path)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"{tmp_path}: 4 used (3 of them repaired), 0 quarantined; 2 classes"
    assert main(["doctor", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["photos"] == {"used": 1, "repaired": 3, "quarantined": 0}
