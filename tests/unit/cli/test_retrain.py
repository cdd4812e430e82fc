"""``godeeper retrain``: its errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from godeeper.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere", "--out", "x.godeeper"], "nowhere"),
        (["empty", "--out", "x.zip"], "ends in .godeeper"),
        (["empty", "--out", "x.godeeper"], "contains no photos"),
        (["empty", "--out", "x.godeeper", "--features", "nothing"], "no tensor is called"),
        (["empty", "--out", "x.godeeper", "--weights", "nothing"], "unknown weights"),
    ],
)
def test_bad_input(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Invalid input gives one line and exit code 2, and writes nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["retrain", *arguments]) == 2
    err = capsys.readouterr().err
    assert reason in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
