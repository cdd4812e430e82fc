"""``godeeper filter``: text, JSON, errors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from godeeper.cli.main import main
from godeeper.filters import sample


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line of an error, after checking that standard output is empty."""
    assert main(["filter", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_sample(chelsea: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an index, the sample pictures are used and named; the JSON has every part."""
    code = main(["filter", "mixed/join[250]", "--photo", str(chelsea), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["sample"], found["address"], found["photos"]) == (0, True, "mixed/tower_2/conv[26]", 100)
    assert found["notes"] == ["mixed/join[250] is a copy of mixed/tower_2/conv[26]"]
    assert [each["value"] for each in found["top"]] == sorted((each["value"] for each in found["top"]), reverse=True)
    assert found["on_photo"]["value"] > 0
    assert found["colour_or_shape"]["verdict"] == "colour"
    assert len(found["colour_or_shape"]["greyed"]["ratios"]) == sample.TOP


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The text states the source of the photos, and says that the filter has no name."""
    assert main(["filter", "mixed/tower_2/conv[26]", "--index-only"]) == 0
    out, err = capsys.readouterr()
    assert "100 sample pictures that come with godeeper" in err
    assert "no name: nothing is significant among 6 top photos; only classes were tested" in out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["mixed/tower_2/pool[1]"], "a pool, which has no weights"),
        (["mixed_3/join[700]"], "a pool, which has no weights"),
        (["conv[0:3]"], "names 3 filters: expected one"),
        (["conv[77]"], "0 to 31"),
        (["conv[7]", "--index", "none.index"], "cannot read this index"),
        (["conv[7]", "--photos", "nowhere"], "no such folder"),
        (["conv[7]", "--photo", "none.jpg"], "no such file"),
        (["conv[7]", "--weights", "imagenet-nonsense"], "imagenet-nonsense"),
    ],
)
def test_errors(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Invalid input gives one line that says what to do."""
    assert reason in refused(words, capsys)


def test_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An index is refused if it is truncated, or if its photos are unknown, moved or changed."""
    content = sample.INDEX.read_bytes()
    (tmp_path / "cut.index").write_bytes(content[:-1000])
    assert "damaged or cut off" in refused(["conv[7]", "--index", str(tmp_path / "cut.index")], capsys)
    (tmp_path / "whole.index").write_bytes(content)
    words = ["conv[7]", "--index", str(tmp_path / "whole.index")]
    assert "--photos FOLDER" in refused(words, capsys)
    assert "does not exist" in refused([*words, "--photos", str(tmp_path)], capsys)
    shutil.copytree(sample.PICTURES, tmp_path / "pictures")
    for path in (tmp_path / "pictures").rglob("*.jpg"):
        shutil.copy(sample.PICTURES / "food" / "orange.jpg", path)
    assert "has changed since it was indexed" in refused([*words, "--photos", str(tmp_path / "pictures")], capsys)
    assert main(["filter", *words, "--index-only"]) == 0
