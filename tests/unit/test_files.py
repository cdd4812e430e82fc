"""Files are written completely or not at all."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from godeeper.errors import OutputError
from godeeper.files import NOT_A_FILE, open_regular, read_regular, write_atomically


def test_written_whole(tmp_path: Path) -> None:
    """A written file has the given content and the usual permissions, and no other file is left."""
    path = tmp_path / "new" / "file.bin"
    write_atomically(path, b"content")
    assert path.read_bytes() == b"content"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whichever step fails, the old content stays and no temporary file is left."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    owner = {"fsync": os, "replace": Path}[step]
    monkeypatch.setattr(owner, step, full)
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(path, b"new")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file.bin", b"old")]


def test_ctrl_c_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt in the middle removes the temporary file."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("godeeper.files.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file.bin", b"new")
    assert list(tmp_path.iterdir()) == []


def test_an_overlong_name(tmp_path: Path) -> None:
    """A name that the file system refuses is an output error."""
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(tmp_path / ("x" * 300), b"new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["new.png", "folder/new.png"])
def test_a_file_in_the_way(tmp_path: Path, below: str) -> None:
    """If a file exists where a folder is needed, the error says so."""
    (tmp_path / "taken").write_bytes(b"old")
    with pytest.raises(OutputError, match="a file is where a folder is needed"):
        write_atomically(tmp_path / "taken" / below, b"new")
    assert (tmp_path / "taken").read_bytes() == b"old"


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    """The bytes of a regular file are returned unchanged."""
    (tmp_path / "file").write_bytes(b"content")
    assert read_regular(tmp_path / "file") == b"content"


def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """A named pipe is refused, because opening it would wait for a writer forever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=NOT_A_FILE):
        open_regular(tmp_path / "pipe")


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is refused, with the same reason on every system."""
    monkeypatch.chdir(tmp_path)  # a relative path, because the length of a socket's path is limited
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(OSError, match=NOT_A_FILE):
            open_regular("socket")


def test_a_device_is_refused() -> None:
    """A device is refused, because reading /dev/zero would never end."""
    with pytest.raises(OSError, match=NOT_A_FILE):
        open_regular("/dev/zero")


def test_a_folder_and_a_missing_file_have_their_own_errors(tmp_path: Path) -> None:
    """A folder and a missing file raise different errors, so that messages can distinguish them."""
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "missing")
