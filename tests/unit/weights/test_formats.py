"""Formats are recognised by content, and a file without weights is refused with an error that names its kind."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.errors import WeightsError
from godeeper.weights.formats import read_foreign

PAGES = [
    b"<!DOCTYPE html><html><body>404</body></html>",
    b"\n\n  <html><head>",
    b"\xef\xbb\xbf<HTML>",
    b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", ["graph.pb", "weights.pth", "model.safetensors", "keras.h5"])
def test_a_web_page_is_named_as_such(tmp_path: Path, page: bytes, name: str) -> None:
    """A server's error page, saved under a weights file's name, is recognised."""
    path = tmp_path / name
    path.write_bytes(page)
    with pytest.raises(WeightsError, match="a web page, not weights"):
        read_foreign(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer"),
        (b"GIF89a", "not weights in a known format"),
        (b"\x1f\x8b not gzip", "not a complete tar archive"),
        (b"PK\x03\x04 not a zip", "not a complete zip archive"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """A file of another kind is refused with a one-line error that says what is wrong."""
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=said) as caught:
        read_foreign(path)
    assert "\n" not in str(caught.value)


def test_another_zip_is_refused(tmp_path: Path) -> None:
    """A zip archive of photos is refused."""
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photo.jpg", b"")
    with pytest.raises(WeightsError, match="a zip archive without weights"):
        read_foreign(path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """A missing file and a folder each give a one-line error."""
    for path, said in ((tmp_path / "none.pth", "No such file"), (tmp_path, "is a folder")):
        with pytest.raises(WeightsError, match=said):
            read_foreign(path)


SAMPLE = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "conv/batchnorm/gamma": np.ones(5, np.float32)}


@pytest.mark.parametrize("kind", ["torch", "legacy", "safetensors", "graph", "tfjs"])
def test_no_damage_is_more_than_one_line(
    kind: str, torch_file: Any, safetensors_file: Any, graph_file: Any, tfjs_files: Any
) -> None:
    """A file with random bytes changed, added or removed is read, or refused with a one-line error."""
    writers: dict[str, Callable[[], Path]] = {
        "torch": lambda: torch_file(SAMPLE),
        "legacy": lambda: torch_file(SAMPLE, legacy=True),
        "safetensors": lambda: safetensors_file(SAMPLE),
        "graph": lambda: graph_file(SAMPLE),
        "tfjs": lambda: tfjs_files(SAMPLE),
    }
    path = writers[kind]()
    whole = path.read_bytes()
    random = np.random.default_rng(2015)
    for _ in range(300):
        place, length = int(random.integers(len(whole))), int(random.integers(1, 5))
        change = [random.bytes(length), b"", whole[place : place + 1] + random.bytes(length)][random.integers(3)]
        path.write_bytes(whole[:place] + change + whole[place + length :])
        try:
            read_foreign(path)
        except WeightsError as error:
            assert "\n" not in str(error)  # noqa: PT017 (not every change is noticed)
