"""HDF5 is read in a child process, so that a damaged file can hang or crash without harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.errors import WeightsError
from godeeper.weights.formats import child, read_foreign

ROOT = Path(__file__).parents[3]
HDF5 = b"\x89HDF\r\n\x1a\n"

Stand = Callable[[str], Path]


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """A function that replaces the code of the child process, and returns a file for the child to read."""
    pytest.importorskip("h5py")

    def put(code: str) -> Path:
        monkeypatch.setattr(child, "command", lambda *_: [sys.executable, "-c", code])
        path = tmp_path / "x.h5"
        path.write_bytes(HDF5 + bytes(500))
        return path

    return put


def said_of(path: Path) -> str:
    """Read a file, and return the one line of its error."""
    with pytest.raises(WeightsError) as caught:
        read_foreign(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def endless(note: Path) -> str:
    """Return Python code that writes its process id to ``note`` and never ends."""
    return f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(1e6)"


def is_gone(process: int) -> bool:
    """Return whether no process has this id, not even as a zombie."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_reader_that_hangs_is_ended(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time limit, the child has been ended, and a one-line error says so."""
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    monkeypatch.setattr(child, "time_limit", lambda _: 1)
    path = stand("while True: pass")
    assert "not a complete HDF5 file (reading it took more than 1 s)" in said_of(path)
    assert is_gone(started[0].pid)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX signals")
def test_a_reader_that_crashes_is_one_line(stand: Stand) -> None:
    """If the child crashes, the one-line error names the signal."""
    path = stand("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert "not a complete HDF5 file (reading it failed with SIGSEGV)" in said_of(path)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"x",
        b"[]",
        b"{}",
        b'{"format": "f", "activation": "", "tensors": [["a", "float32", [2]]]}\n1234',
        b"[" * 99999,
    ],
)
def test_incomplete_output_is_refused(stand: Stand, sent: bytes) -> None:
    """If the child's output is truncated or malformed, the error is one line."""
    assert "download it again" in said_of(stand(f"import os; os.write(1, {sent!r})"))


def test_an_exit_code_is_reported(stand: Stand) -> None:
    """A child that ends with an error code gives one line."""
    assert "reading it failed with exit code 3" in said_of(stand("raise SystemExit(3)"))


def test_large_files_get_more_time(tmp_path: Path) -> None:
    """Large files get more time: for the 92 MiB of InceptionV3, the limit is half a minute plus a minute and a half."""
    path = tmp_path / "x.h5"
    with path.open("wb") as file:
        file.truncate(92 << 20)
    assert child.time_limit(path) == 122


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX signals")
def test_ctrl_c_ends_the_child(tmp_path: Path) -> None:
    """Ctrl-C stops the command at once, and no process remains."""
    pytest.importorskip("h5py")
    path, note = tmp_path / "x.h5", tmp_path / "pid"
    path.write_bytes(HDF5 + bytes(500))
    code = (
        "import signal, sys; from godeeper.weights.formats import child; from godeeper.cli.main import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background\n"
        f"child.command = lambda *_: [sys.executable, '-c', {endless(note)!r}]\n"
        f"raise SystemExit(main(['weights', 'add', {str(path)!r}]))"
    )
    command = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not (note.is_file() and note.read_text()):
        assert command.poll() is None
        time.sleep(0.05)
    command.send_signal(signal.SIGINT)
    assert command.communicate()[1] == "godeeper: stopped\n"
    assert is_gone(int(note.read_text()))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal.alarm")
def test_a_child_ends_by_itself(tmp_path: Path) -> None:
    """If the parent process is gone, the child process is ended by its own alarm."""
    os.mkfifo(tmp_path / "pipe")  # opening it blocks until there is a writer
    command = child.command("keras_zip", tmp_path / "pipe", 1)
    assert subprocess.run(command, env=child.environment(), check=False).returncode == -signal.SIGALRM


def test_modules_of_the_folder_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child imports no file from the working folder, even if the file has a module's name."""
    pytest.importorskip("h5py")
    for name in ("h5py.py", "numpy.py", "json.py"):
        (tmp_path / name).write_text("open('sprung', 'w')")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.h5").write_bytes(HDF5 + bytes(500))
    assert "not a complete HDF5 file" in said_of(Path("x.h5"))
    assert not (tmp_path / "sprung").exists()


def test_numbers_of_every_type_arrive(tmp_path: Path) -> None:
    """Numbers keep their types and shapes; for a value that is not numeric, only its type is returned."""
    h5py = pytest.importorskip("h5py")
    arrays: dict[str, Any] = {
        kind: np.arange(6).reshape(2, 3).astype(kind)
        for kind in ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint16", "uint8", "bool")
    }
    arrays |= {"scalar": np.float32(1.5), "none": np.zeros((0, 3), np.float32)}
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["layer_names"] = ["layer"]
        group = file.create_group("layer")
        for name, values in arrays.items():
            group[name] = values
        group["text"] = ["a", "b"]
        group.attrs["weight_names"] = [*arrays, "text"]
    foreign = read_foreign(tmp_path / "x.h5")
    for name, values in arrays.items():
        np.testing.assert_array_equal(foreign.tensors[name], values)
        assert foreign.types[name] == values.dtype.name
    assert foreign.types["text"] == "object"
    assert foreign.tensors["text"].shape == (2,)


def test_what_claims_too_much_memory_is_refused(tmp_path: Path) -> None:
    """The size of an attribute is checked before memory is reserved."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        file.attrs["layer_names"] = np.zeros(17 << 20, "S1")
    assert "the attribute layer_names claims more than 16 MiB" in said_of(tmp_path / "x.h5")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the files are read in forks")
def test_mangled_files_are_read_or_refused() -> None:
    """HDF5 and .keras files with random faults give at most one line, unless the HDF5 library hangs or crashes."""
    pytest.importorskip("h5py")
    command = [sys.executable, "-m", "tests.unit.weights.mangled_hdf5", "0", "100"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["wrong"] == [], done.stdout
