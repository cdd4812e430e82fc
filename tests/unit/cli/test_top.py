"""``godeeper top``: output, files, errors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from godeeper.cli.main import main


@pytest.fixture
def album(tmp_path: Path, chelsea: Path) -> Path:
    """A folder with a photo in a subfolder."""
    (tmp_path / "album" / "trip").mkdir(parents=True)
    shutil.copy(chelsea, tmp_path / "album" / "trip" / "cat.jpg")
    return tmp_path / "album"


def test_json(album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON lists the photos of each filter with their value and cell; the picture is at the stated path."""
    code = main(["top", str(album), "Mixed_5b.branch_pool[3,7]", "--json", "--out", str(tmp_path)])
    document = json.loads(capsys.readouterr().out)
    assert (code, document["photos"], document["errors"]) == (0, 1, [])
    assert [each["address"] for each in document["filters"]] == ["mixed/tower_2/conv[3]", "mixed/tower_2/conv[7]"]
    for each in document["filters"]:
        assert Path(each["png"]).is_file()
        assert [Path(photo["photo"]).name for photo in each["top"]] == ["cat.jpg"]
        assert each["top"][0]["value"] > 0


def test_people(album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text has a line for the picture, each photo and each unreadable photo; the exit code is 1."""
    (album / "bad.jpg").write_text("hello")
    code = main(["top", str(album), "conv_2[7]", "--out", str(tmp_path)])
    out, err = capsys.readouterr()
    assert code == 1
    assert out.splitlines()[0] == f"{tmp_path / 'top.conv_2[7].png'}: conv_2[7]"
    assert out.splitlines()[1].endswith("cat.jpg")
    assert (err.count("\n"), "not a photo" in err) == (1, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["mixed/join"], "name some, such as mixed/join[0:8]"),
        (["mixed/tower_2/conw[1]"], "no tensor is called"),
        (["conv[1]", "--top", "0"], "expected at least 1 photo"),
        (["conv[1]", "--weights", "none"], "unknown weights"),
    ],
)
def test_invalid_requests(album: Path, words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid request gives a one-line error that states what was expected."""
    code = main(["top", str(album), *words])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert reason in err
