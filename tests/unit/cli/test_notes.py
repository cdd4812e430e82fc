"""Notes on repaired photos, long names and counts, as commands print them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from godeeper.cli.common import note_lines

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

LONG = "x" * 5000 + ".jpg"


@pytest.fixture
def turned(tmp_path: Path, chelsea: Path) -> list[Path]:
    """Two photos whose EXIF orientation says that they are rotated."""
    paths = [tmp_path / "1.jpg", tmp_path / "2.jpg"]
    exif = Image.Exif()
    for orientation, path in zip((6, 8), paths, strict=True):
        exif[0x0112] = orientation
        Image.open(chelsea).save(path, exif=exif)
    return paths


def test_classify_prints_one_note_for_each_kind_of_repair(run: Run, cars: Path, turned: list[Path]) -> None:
    """If two photos got the same repair, standard error has one line for both, and the table is unchanged."""
    code, out, err = run("classify", cars, *turned)
    assert (code, len(out.splitlines())) == (0, 3)
    assert err == f"note: turned upright: 2 photos ({turned[0]}, {turned[1]})\n"


def test_classify_has_the_notes_of_each_photo_in_its_json(
    run: Run, cars: Path, turned: list[Path], chelsea: Path
) -> None:
    """With ``--json``, the field ``photo_notes`` lists the repairs, and standard error stays empty."""
    code, out, err = run("classify", cars, turned[0], chelsea, "--json")
    assert (code, err) == (0, "")
    notes = [record["photo_notes"] for record in json.loads(out)["photos"]]
    assert notes == [["turned upright (EXIF orientation 6)"], []]


@pytest.mark.parametrize("command", ["embed", "top"])
def test_embed_and_top_have_the_notes_of_repaired_photos(
    run: Run, turned: list[Path], command: str, tmp_path: Path
) -> None:
    """If two photos got the same repair, standard error has one line for both; with ``--json`` the document has the notes instead."""
    words = {"embed": ["--features", "conv", "--out", tmp_path / "f.npz"], "top": ["conv[0]", "--out", tmp_path / "t"]}
    place = turned[0].parent
    code, _, err = run(command, place, *words[command])
    assert (code, err) == (0, f"note: turned upright: 2 photos ({turned[0]}, {turned[1]})\n")
    code, out, err = run(command, place, *words[command], "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["photo_notes"] == {
        str(path): [f"turned upright (EXIF orientation {number})"] for path, number in zip(turned, (6, 8), strict=True)
    }


def test_csv_has_the_notes_on_standard_error(run: Run, cars: Path, turned: list[Path]) -> None:
    """The CSV on standard output has only a heading and one line for each photo."""
    _, out, err = run("classify", cars, turned[0], "--csv")
    assert len(out.splitlines()) == 2
    assert err == f"note: {turned[0]}: turned upright (EXIF orientation 6)\n"


def test_many_notes_of_one_kind_are_one_line() -> None:
    """A note on many photos is one line with the number of photos and the first five names."""
    (line,) = note_lines((f"{number}.jpg", ["first of 3 frames"]) for number in range(8))
    assert line == "note: first of 3 frames: 8 photos (0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 3 more)"


def test_reduced_decoding_is_not_a_repair() -> None:
    """No note is printed for photos that were decoded at reduced size."""
    assert not note_lines([("a.jpg", ["decoded at 1/2 of its size"])])


@pytest.mark.parametrize("command", ["peek", "classify", "explain", "embed", "doctor", "top"])
def test_errors_shorten_long_names_in_the_middle(run: Run, cars: Path, tmp_path: Path, command: str) -> None:
    """An error with a name of 5,000 characters shows its beginning and its end."""
    arguments = {
        "classify": [cars, LONG],
        "explain": [cars, LONG, "--out", tmp_path],
        "embed": [LONG, "--out", tmp_path / "x.npz", "--features", "conv"],
        "top": [LONG, "conv[0]", "--out", tmp_path],
        "peek": [LONG, "--out", tmp_path],
    }
    code, _, err = run(command, *arguments.get(command, [LONG]))
    assert code == 2
    assert "xxx…xxx" in err
    assert len(err) < 600


def test_counts_are_singular_for_one(run: Run, tmp_path: Path, chelsea: Path) -> None:
    """Counts of one are printed in the singular, so one class is not "1 classes"."""
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    Image.open(chelsea).save(tmp_path / "photos" / "cat" / "1.png")
    _, out, _ = run("doctor", tmp_path / "photos")
    assert out.splitlines()[-1].endswith("1 class")
    _, out, _ = run("embed", chelsea, "--out", tmp_path / "x.npz", "--features", "conv")
    assert ": 1 photo, " in out
