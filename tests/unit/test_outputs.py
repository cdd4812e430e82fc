"""Outputs of a command: all are written or none, foreign files are kept, and errors are raised before any computation."""

from __future__ import annotations

import errno
import io
import json
import os
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from godeeper.errors import OutputError
from godeeper.marks import TRAILER, ours, photo_of
from godeeper.outputs import Outputs

OURS = b'<!DOCTYPE html>\n<meta name="generator" content="godeeper 0.1">'


def content(folder: Path) -> dict[str, bytes | None]:
    """Return path -> bytes for everything below ``folder``; the value of a subfolder is None."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def write(folder: Path, *names: str, force: bool = False, suffix: bytes = b"") -> None:
    """Write some files as one command does."""
    with Outputs(force=force) as outputs:
        outputs.claim(*(folder / name for name in names))
        for name in names:
            outputs.add(folder / name, f"new {name}".encode() + suffix)


def test_all_are_written(tmp_path: Path) -> None:
    """New files are written, a file that godeeper wrote is replaced, folders are created, and nothing else is left."""
    (tmp_path / "a").write_bytes(OURS)
    write(tmp_path, "a", "b", "new/folder/c")
    assert content(tmp_path) == {
        "a": b"new a", "b": b"new b", "new": None, "new/folder": None, "new/folder/c": b"new new/folder/c",
    }  # fmt: skip


def fifo(path: Path) -> None:
    os.mkfifo(path)


def dangling(path: Path) -> None:
    path.symlink_to("gone")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def link_to_mine(path: Path) -> None:
    (path.parent / "mine").write_text("dear")
    path.symlink_to("mine")


def read_only(path: Path) -> None:
    path.write_bytes(OURS)
    path.chmod(0o444)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_text("dear"), "godeeper did not write it"),
        (lambda path: path.touch(), "godeeper did not write it"),
        (link_to_mine, "godeeper did not write it"),
        (Path.mkdir, "is a folder"),
        (fifo, "is a named pipe, device or socket"),
        (dangling, "is a link to a file that is not there"),
        (loop, "cannot write"),
        (read_only, "read-only"),
    ],
)
def test_existing_files_are_refused_first(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    """An existing file that may not be replaced gives a one-line error before anything is computed, and nothing is changed."""
    make(tmp_path / "out")
    before = content(tmp_path)
    with pytest.raises(OutputError, match=reason) as error:
        Outputs().claim(tmp_path / "other", tmp_path / "out")
    assert "\n" not in str(error.value)
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/null", "device"),
        ("/dev/stdout", "device|did not write"),
        ("/proc/nothing/here.png", "cannot write"),
        ("x" * 300, "too long"),
        ("mine/below", "a file is where a folder is needed"),
        ("nul\0", "cannot write"),
    ],
)
def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, reason: str) -> None:
    """Paths that cannot be written are refused when they are claimed, and no folder is created."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("dear")
    with pytest.raises(OutputError, match=reason):
        Outputs().claim(Path(path))
    assert content(tmp_path) == {"mine": b"dear"}


def test_force(tmp_path: Path) -> None:
    """With ``force``, foreign files are replaced, but folders and inputs are not."""
    (tmp_path / "mine").write_text("dear")
    write(tmp_path, "mine", force=True)
    assert content(tmp_path) == {"mine": b"new mine"}
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        Outputs(force=True).claim(tmp_path / "folder")
    for alias in ("mine", "link", "hard"):
        path = tmp_path / alias
        if alias == "link":
            path.symlink_to("mine")
        if alias == "hard":
            path.hardlink_to(tmp_path / "mine")
        with pytest.raises(OutputError, match="is an input of this command"):
            Outputs(force=True, inputs=["-", tmp_path / "mine"]).claim(path)


def test_a_link_to_a_file_of_ours_stays_a_link(tmp_path: Path) -> None:
    """If an output is a link to a file that godeeper wrote, the link's target is replaced, and the link stays."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "old").write_bytes(OURS)
    (tmp_path / "latest").symlink_to("kept/old")
    write(tmp_path, "latest")
    assert (tmp_path / "latest").is_symlink()
    assert content(tmp_path / "kept") == {"old": b"new latest"}


def test_two_outputs_of_one_name(tmp_path: Path) -> None:
    """The second of two outputs with the same path is refused, because it would overwrite the first."""
    with pytest.raises(OutputError, match="two outputs"):
        Outputs().claim(tmp_path / "a", tmp_path / "b" / ".." / "a")


class Stop(BaseException):
    """An exception that does not derive from Exception, like Ctrl-C."""


@pytest.mark.parametrize("method", ["open", "replace", "hardlink_to", "fsync"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), Stop()])
@pytest.mark.parametrize("countdown", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "after"])
def test_after_any_failure_everything_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, error: BaseException, countdown: int, when: str
) -> None:
    """After a failure before or right after any step, no old file is lost and no new file exists."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(OURS)
    before = content(tmp_path)
    owner = os if method == "fsync" else Path
    real, calls = getattr(owner, method), []

    def failing(*arguments: object, **options: object) -> object:
        mode = arguments[1] if len(arguments) > 1 else "r"
        if method != "open" or mode == "xb":
            calls.append(1)
        if len(calls) == countdown and when == "before":
            calls.append(1)
            raise error
        found = real(*arguments, **options)
        if len(calls) == countdown:
            calls.append(1)
            raise error
        return found

    monkeypatch.setattr(owner, method, failing)
    last = method == "hardlink_to" and (countdown > 2 or isinstance(error, OSError))  # replaces two existing files
    if last:
        write(tmp_path, "a", "b", "new/c")
    else:
        with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
            write(tmp_path, "a", "b", "new/c")
    monkeypatch.undo()
    assert content(tmp_path) == before or (last and content(tmp_path).keys() == {"a", "b", "new", "new/c"})


def test_a_full_disk(tmp_path: Path) -> None:
    """If an output exceeds the system's limit on file sizes, nothing is changed."""
    (tmp_path / "a").write_bytes(OURS)
    before, limits = content(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            write(tmp_path, "a", "b", suffix=b"large" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert content(tmp_path) == before


def test_a_file_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """A file that appeared in the meantime is kept, and nothing is written."""
    outputs = Outputs()
    outputs.claim(tmp_path / "a", tmp_path / "b")
    outputs.add(tmp_path / "a", b"new")
    outputs.add(tmp_path / "b", b"new")
    (tmp_path / "b").write_text("dear")
    with pytest.raises(OutputError, match="did not write"):
        outputs.commit()
    outputs.close()
    assert content(tmp_path) == {"b": b"dear"}


def png(**texts: str) -> bytes:
    buffer, notes = io.BytesIO(), PngImagePlugin.PngInfo()
    for key, text in texts.items():
        notes.add_itxt(key, text)
    Image.new("L", (2, 2)).save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return buffer.getvalue()


def npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{key: np.array(value) for key, value in arrays.items()})  # type: ignore[arg-type]  # numpy's own names
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (png(Software="godeeper 0.1.0"), True),
        (png(Software="GIMP"), False),
        (png(), False),
        (png(Software="godeeper 0.1.0")[:20], False),
        (npz(provenance='{"weights": "bundled"}', photos=["a"]), True),
        (npz(provenance="my own", photos=["a"]), False),
        (npz(photos=["a"]), False),
        (archive("classifier.json", "head.safetensors"), True),
        (archive("classifier.json"), False),
        (archive("archive/extra/godeeper.json"), True),
        (b"PK\x03\x04 not a zip", False),
        (OURS, True),
        (b"<!DOCTYPE html><p>about godeeper", False),
        (b"<svg><desc>Drawn by godeeper 0.1.0.</desc>", True),
        (b"<svg><!-- Generator: godeeper 0.1 -->", True),
        (b"<svg><!-- Generator: Inkscape -->", False),
        (json.dumps({"provenance": {"godeeper": "0.1"}}).encode(), True),
        (json.dumps({"godeeper": "0.1", "certificate": {}}).encode(), True),
        (json.dumps({"godeeper": "0.1"}).encode(), False),
        (b"[1, 2]", False),
        (b'{"provenance": 1}', False),
        (b'{"provenance": ', False),
        (b"{" * 100_000, False),
        (b"\x08\x08\x12\x08godeeper:", True),
        (b"\x08\x08\x12\x07pytorch:", False),
        (b"PAR1 ... godeeper {}\x0f\0\0\0PAR1", True),
        (b"PAR1 ... pandas {}\x0f\0\0\0PAR1", False),
        (b"PAR1", False),
        (b'<?xml version="1.0"?><net name="x"><godeeper>', True),
        (b'<?xml version="1.0"?><net name="x">', False),
        (b"", False),
        (bytes(100), False),
    ],
)
def test_marks(tmp_path: Path, payload: bytes, expected: object) -> None:
    """Files that godeeper wrote are recognised by content under any name; other and damaged files are not."""
    (tmp_path / "file.bin").write_bytes(payload)
    assert ours(tmp_path / "file.bin") is expected


def test_the_numbers_of_openvino(tmp_path: Path) -> None:
    """OpenVINO's weights files are recognised by a trailer, or, from earlier versions, by the ``.xml`` next to them."""
    (tmp_path / "a.bin").write_bytes(b"1234" + TRAILER)
    (tmp_path / "b.bin").write_bytes(b"1234")
    assert (ours(tmp_path / "a.bin"), ours(tmp_path / "b.bin")) == (True, False)
    (tmp_path / "b.xml").write_text('<?xml version="1.0"?>\n<net name="b"><rt_info><godeeper>')
    assert ours(tmp_path / "b.bin")


def test_pictures_of_two_photos(tmp_path: Path) -> None:
    """The first photo has the plain name, in later runs too; another photo of that name has its hash in the file name."""

    def make(sha256: str) -> str:
        with Outputs() as outputs:
            path = outputs.picture(tmp_path, "cat", "conv.png", sha256)
            outputs.add(path, png(Software="godeeper 0.1", **{"godeeper:photo-sha256": sha256}))
        return path.name

    first, second = "a" * 64, "b" * 64
    assert [make(each) for each in (first, second, first, second)] == [
        "cat.conv.png", "cat-bbbbbbbb.conv.png", "cat.conv.png", "cat-bbbbbbbb.conv.png",
    ]  # fmt: skip
    assert photo_of(tmp_path / "cat.conv.png") == first
    with Outputs() as outputs:
        names = [outputs.picture(tmp_path, "dog", "conv.png", first)]
        outputs.add(names[0], b"")
        names.append(outputs.picture(tmp_path, "dog", "conv.png", second))
        assert [path.name for path in names] == ["dog.conv.png", "dog-bbbbbbbb.conv.png"]
