"""``godeeper contributions``: text, JSON, pictures, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

ADDRESS = "mixed/tower/conv_1[22]"


def test_json(run: Run, chelsea: Path) -> None:
    """The JSON document has the bias and all terms, which add up to the value."""
    code, out, err = run("contributions", chelsea, "mixed_4/conv[3]", "--json")
    document = json.loads(out)
    assert (code, err, document["address"], document["channel"]) == (0, "", "mixed_4/conv", 3)
    assert (document["rest"], document["png"], len(document["terms"])) == (0, None, 768)
    assert document["bias"] + sum(term["value"] for term in document["terms"]) == pytest.approx(
        document["value"], abs=1e-4
    )
    assert document["terms"][0].keys() >= {"address", "channel", "value", "origin", "taps", "window", "share"}
    assert document["listeners"][0].keys() == {"address", "channel", "weight", "value", "cell"}


def test_text(run: Run, chelsea: Path) -> None:
    """The text has the sum, the greatest terms of both signs, the sum of the other terms, and the filters that read this filter."""
    code, out, err = run("contributions", chelsea, "mixed/join[86]", "--at", "3,4", "--top", "2", "--depth", "2")
    assert (code, err) == (0, "note: mixed/join[86] is a copy of mixed/tower/conv_1[22]\n")
    assert out.startswith(f"{ADDRESS} at row 3, column 4, before the ReLU:\n")
    for words in (
        "bias of the filter",
        "biases of the filters between, 2 convolutions back",
        "greatest against",
        "other terms",
    ):
        assert words in out


def test_the_printed_numbers_add_up(run: Run, chelsea: Path) -> None:
    """Biases, positive and negative terms add up to the value, to the printed digits."""
    _, out, _ = run("contributions", chelsea, ADDRESS, "--depth", "3")
    value, *parts = (float(line.split()[0]) for line in out.splitlines()[1:6])
    assert value == pytest.approx(sum(parts), abs=2e-4)


def test_a_silent_filter(run: Run, chelsea: Path) -> None:
    """For an inactive filter, the text says that the filter is inactive and contributes nothing to later filters."""
    code, out, _ = run("contributions", chelsea, "mixed_8/tower/conv_1[7]")
    assert (code, "(inactive: the ReLU returns 0)" in out, "so it contributes nothing to them" in out) == (
        0,
        True,
        True,
    )


def test_the_channels_of_the_photo(run: Run, chelsea: Path) -> None:
    """The photo's channels are named by colour."""
    _, out, _ = run("contributions", chelsea, "conv[3]")
    assert "Mul[0] (red)" in out


def test_a_picture_in_a_folder_or_a_file(run: Run, chelsea: Path, tmp_path: Path) -> None:
    """In a folder, the file is named after photo and filter.  The picture contains its provenance."""
    code, out, _ = run("contributions", chelsea, ADDRESS, "--out", tmp_path / "new")
    path = tmp_path / "new" / "chelsea.mixed-tower-conv_1[22].contributions.png"
    assert (code, out.splitlines()[-1]) == (0, f"picture: {path}")
    with Image.open(path) as image:
        assert image.text["godeeper:address"] == ADDRESS  # type: ignore[attr-defined]
        assert image.text["godeeper:photo"] == "chelsea.jpg"  # type: ignore[attr-defined]
    code, out, _ = run("contributions", chelsea, ADDRESS, "--out", tmp_path / "why.png", "--json")
    assert (code, json.loads(out)["png"]) == (0, str(tmp_path / "why.png"))
    assert (tmp_path / "why.png").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["mixed/tower_2/pool[3]"], "is a pool"),
        (["softmax[3]"], "a class of the classifier"),
        (["mixed/conv"], "names 64 filters"),
        (["mixed/conv[64]"], "channels 0 to 63"),
        (["mixed/konv[1]"], "no tensor is called"),
        (["mixed/conv[1]", "--at", "35,0"], "outside the map"),
        (["mixed/conv[1]", "--at", "3"], "expected ROW,COLUMN"),
        (["mixed/conv[1]", "--at", "3,x"], "expected ROW,COLUMN"),
        (["mixed/conv[1]", "--depth", "0"], "1 or more"),
        (["mixed/conv[1]", "--top", "0"], "at least 1 term"),
        (["mixed/conv[1]", "--top", "101"], "1 to 100 terms"),
        (["mixed/conv[1]", "--out", "a.jpg"], "ends in .png, or a folder"),
        (["mixed/conv[1]", "--weights", "none"], "unknown weights"),
    ],
)
def test_invalid_requests(
    run: Run, chelsea: Path, words: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invalid request gives a one-line error and exit code 2, and writes no file."""
    monkeypatch.chdir(tmp_path)
    code, out, err = run("contributions", chelsea, *words, *([] if "--out" in words else ["--out", "new/why.png"]))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert reason in err
    assert list(tmp_path.iterdir()) == []


def test_a_photo_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    """An unreadable photo gives a one-line error, and nothing is written."""
    (tmp_path / "bad.jpg").write_text("hello")
    code, out, err = run("contributions", tmp_path / "bad.jpg", ADDRESS, "--out", tmp_path / "new")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert not (tmp_path / "new").exists()


def test_a_file_of_yours_stays(run: Run, chelsea: Path, tmp_path: Path) -> None:
    """An existing file is replaced only with --force."""
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"mine")
    assert run("contributions", chelsea, ADDRESS, "--out", mine)[0] == 2
    assert mine.read_bytes() == b"mine"
    assert run("contributions", chelsea, ADDRESS, "--out", mine, "--force")[0] == 0
