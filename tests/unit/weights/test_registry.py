"""Installed weights are the bundled ones and those in the weights folder."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from godeeper.errors import UnknownName
from godeeper.weights.registry import find, installed_paths, weights_folder


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """GODEEPER_CACHE also sets the weights folder; without it, weights are in the user's data folder."""
    assert weights_folder() == tmp_path / "godeeper" / "weights"
    monkeypatch.delenv("GODEEPER_CACHE")
    assert weights_folder() == platformdirs.user_data_path("godeeper", appauthor=False) / "weights"


def test_half_written_files_are_not_listed(own_folder: Path) -> None:
    """Temporary files and partial downloads are not listed."""
    (own_folder / "downloads").mkdir(parents=True)
    for name in (".x.safetensors.ab.part", ".hidden.safetensors", "x.pth", "downloads/y.safetensors"):
        (own_folder / name).write_bytes(b"")
    assert list(installed_paths()) == ["bundled"]


def test_what_is_added_cannot_hide_what_ships(own_folder: Path) -> None:
    """A file named ``bundled.safetensors`` in the weights folder does not replace the bundled weights."""
    own_folder.mkdir(parents=True)
    (own_folder / "bundled.safetensors").write_bytes(b"")
    assert find("bundled").name == "bundled"
    assert find("bundled").path.parent != own_folder


def test_an_official_name_that_is_not_installed_says_how_to_get_it() -> None:
    """The error for an official name that is not installed gives the command that installs it; nothing is downloaded."""
    with pytest.raises(UnknownName, match="godeeper weights add imagenet-keras"):
        find("imagenet-keras")
