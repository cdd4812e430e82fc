"""The commands: what they print and write, and their errors."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

BLOG = ["mixed-tower_2-conv", "mixed-tower_1-conv_2", "mixed_4-tower_1-conv_4"]


def failed(result: tuple[int, str, str], reason: str) -> None:
    """Assert that the exit code is 2, and that standard error is one line that contains ``reason``."""
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert reason in err


def test_peek_writes_the_blogs_pictures(run: Run, chelsea: Path, tmp_path: Path) -> None:
    """Without addresses, ``peek`` writes three pictures, named after photo and tensor."""
    code, out, err = run("peek", chelsea, "--out", tmp_path)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"chelsea.{name}.png" for name in BLOG)
    assert out.count("\n") == 3
    assert "mixed/tower_2/conv, 32 filters of 35x35" in out


def test_peek_json(run: Run, chelsea: Path, tmp_path: Path) -> None:
    """The output is one document with the documented fields."""
    code, out, err = run(
        "peek", chelsea, "Mixed_5b.branch_pool", "--json", "--out", tmp_path, "--npz", tmp_path / "x.npz"
    )
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert set(document) >= {"photo", "photo_sha256", "weights", "tensors"}
    (tensor,) = document["tensors"]
    expected = {
        "address",
        "names",
        "stage",
        "shape",
        "scale",
        "dead",
        "minimum",
        "maximum",
        "macs",
        "receptive_field",
        "png",
    }
    assert set(tensor) >= expected
    assert (tensor["address"], tensor["shape"], tensor["receptive_field"]) == (
        "mixed/tower_2/conv",
        [1, 32, 35, 35],
        [47, 47],
    )
    assert Path(tensor["png"]).exists()
    with np.load(tmp_path / "x.npz", allow_pickle=False) as stored:
        assert stored["mixed/tower_2/conv"].max() == pytest.approx(tensor["maximum"])


def test_peek_blog_scale_with_channels(run: Run, chelsea: Path, tmp_path: Path) -> None:
    """Options change the picture, and a slice is part of its file name."""
    assert run("peek", chelsea, "conv[0:16]", "--scale", "blog", "--rows", 4, "--zoom", 2, "--out", tmp_path)[0] == 0
    with Image.open(tmp_path / "chelsea.conv[0-16].png") as image:
        assert image.size == (149 * 4 * 2, 149 * 4 * 2)


def test_peek_prints_notes_on_repairs(run: Run, tmp_path: Path, chelsea: Path) -> None:
    """Notes on the photo are printed on standard error."""
    with Image.open(chelsea) as image:
        image.save(tmp_path / "odd photo.jpg", "PNG")
    code, _, err = run("peek", tmp_path / "odd photo.jpg", "conv", "--out", tmp_path)
    assert (code, err) == (0, "odd photo.jpg: named .jpg, but it is PNG\n")


def test_peek_at_everything(run: Run, chelsea: Path, tmp_path: Path) -> None:
    """A pattern draws all viewable tensors and names the others."""
    code, out, err = run("peek", chelsea, "**", "--out", tmp_path, "--frame")
    assert (code, out.count("\n"), len(list(tmp_path.iterdir()))) == (0, 130, 130)
    assert err == ("no picture of DecodeJpeg/contents, softmax/logits, softmax with weights 'bundled': left out\n")


def test_tensors(run: Run) -> None:
    """The table and the JSON list the same tensors."""
    code, out, _ = run("tensors", "mixed/**")
    assert (code, out.count("\n")) == (0, 10)
    document = json.loads(run("tensors", "--json")[1])
    assert (document["network"], len(document["tensors"])) == ("inception_v3", 133)
    (record,) = json.loads(run("tensors", "activation_11", "--json")[1])["tensors"]
    assert record["macs_share"] == pytest.approx(0.236, abs=0.0005)
    assert {**record, "macs": 0, "macs_share": 0} == {
        "address": "mixed/tower_2/conv",
        "names": {
            "tf2015": "mixed/tower_2/conv",
            "slim": "Mixed_5b/Branch_3/Conv2d_0b_1x1",
            "torchvision": "Mixed_5b.branch_pool",
            "keras": "activation_11",
        },
        "remark": "Mixed_5b (slim, torchvision) is mixed0 (keras), not mixed_5 or mixed5",
        "kind": "conv",
        "stage": "relu",
        "shape": [32, 35, 35],
        "macs": 0,
        "macs_share": 0,
        "receptive_field": [47, 47],
    }


def test_weights(run: Run) -> None:
    """``list``, ``show`` and ``verify`` work with the bundled weights."""
    assert "bundled" in run("weights", "list")[1]
    assert json.loads(run("weights", "show", "bundled", "--json")[1])["dialect"] == "keras"
    assert "squash to 299 x 299" in run("weights", "show", "bundled")[1]
    code, out, _ = run("weights", "verify")
    assert (code, "376 tensors" in out) == (0, True)


def test_verify_fails_with_1(run: Run, tmp_path: Path) -> None:
    """A failed check gives exit code 1, and a missing file 2."""
    from godeeper.weights.registry import BUNDLED

    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(BUNDLED.read_bytes()[:-1] + b"\xff")
    code, _, err = run("weights", "verify", damaged)
    assert code == 1
    assert "damaged" in err
    failed(run("weights", "verify", tmp_path / "none.safetensors"), "no weights file")


def test_peek_with_bad_weights(run: Run, chelsea: Path, tmp_path: Path) -> None:
    """Weights that are truncated or contain NaN are refused, even if the requested tensor does not need those values."""
    from godeeper.weights.file import write
    from godeeper.weights.registry import BUNDLED, find

    path = tmp_path / "bad.safetensors"
    path.write_bytes(BUNDLED.read_bytes()[:1_000_000])
    failed(run("peek", chelsea, "conv", "--weights", path, "--out", tmp_path), "not a complete safetensors file")
    file = find("bundled")
    with file.parameters() as numbers:
        tensors = {name: numbers.values(name) for name in file.expected}
    tensors["mixed_10/conv/batchnorm/beta"][7] = np.nan
    write(path, tensors, file.description)
    failed(run("peek", chelsea, "conv", "--weights", path, "--out", tmp_path), "mixed_10/conv/batchnorm/beta holds NaN")


BAD: dict[str, tuple[list[str], str]] = {
    "missing": (["peek", "none.jpg"], "no such file"),
    "folder": (["peek", "."], "is a folder"),
    "no argument": (["peek"], "required: PHOTO"),
    "unknown command": (["peak"], "did you mean peek?"),
    "unknown tensor": (["peek", "PHOTO", "mixed/tower_2/cnov"], "nearest: mixed/tower_2/conv"),
    "pattern": (["peek", "PHOTO", "nothing_*"], "no name matches"),
    "channel": (["peek", "PHOTO", "conv[32]"], "channels 0 to 31"),
    "scale": (["peek", "PHOTO", "--scale", "log"], "expected one of shared"),
    "colour": (["peek", "PHOTO", "--colour", "jet"], "expected one of grey"),
    "zoom": (["peek", "PHOTO", "--zoom", "two"], "expected a whole number"),
    "rows": (["peek", "PHOTO", "conv", "--scale", "blog", "--rows", "5"], "is not divisible by 5"),
    "fit": (["peek", "PHOTO", "--fit", "stretch"], "expected one of squash, crop"),
    "weights": (["peek", "PHOTO", "--weights", "imagenet"], "expected one of bundled"),
    "weights file": (["peek", "PHOTO", "--weights", "none.safetensors"], "no weights file"),
    "classifier": (["peek", "PHOTO", "softmax"], "no classifier"),
    "tensors": (["tensors", "nothing"], "no tensor is called"),
    "jpeg bytes": (["peek", "PHOTO", "DecodeJpeg/contents"], "bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str, run: Run, chelsea: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invalid input gives one line and exit code 2, and writes nothing."""
    monkeypatch.chdir(tmp_path)
    arguments, reason = BAD[name]
    failed(run(*[str(chelsea) if argument == "PHOTO" else argument for argument in arguments]), reason)
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_is_a_file(run: Run, chelsea: Path, tmp_path: Path) -> None:
    """If the output folder is a file, the error says so."""
    (tmp_path / "file").write_text("")
    failed(run("peek", chelsea, "conv", "--out", tmp_path / "file"), "cannot write")


def test_a_full_disk(run: Run, chelsea: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk gives one line, and leaves no incomplete file."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("godeeper.files.os.fsync", full)
    failed(run("peek", chelsea, "conv", "--out", tmp_path), "No space left")
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_where(run: Run) -> None:
    """With --debug the exception is raised instead of printed as one line."""
    from godeeper.errors import PhotoError

    with pytest.raises(PhotoError):
        run("peek", "none.jpg", "--debug")


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "godeeper", *arguments], capture_output=True, timeout=60, **options)


def test_standard_input(chelsea: Path, tmp_path: Path) -> None:
    """A photo can be read from standard input."""
    done = process("peek", "-", "conv", "--out", str(tmp_path), input=chelsea.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "stdin.conv.png").exists()
    assert process("peek", "-", "conv", "--out", str(tmp_path), input=b"").returncode == 2


def test_the_same_picture_twice(chelsea: Path, tmp_path: Path) -> None:
    """A second process, which uses the cache, writes the same bytes."""
    written = []
    for folder in ("first", "second"):
        process("peek", str(chelsea), "mixed/tower_2/conv", "--out", str(tmp_path / folder), check=True)
        written.append((tmp_path / folder / "chelsea.mixed-tower_2-conv.png").read_bytes())
    assert written[0] == written[1]


def test_a_pipe_that_is_closed(tmp_path: Path) -> None:
    """It is not an error if ``head`` closes the pipe."""
    command = f"{sys.executable} -m godeeper tensors | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == b"0"
    assert done.stderr == b""


MOMENTS = (
    "godeeper.cli.main",
    "numpy._core._multiarray_umath",
    "numpy._core.multiarray",
    "numpy",
    "PIL._imaging",
    "godeeper.network",
    "onnxruntime.capi.onnxruntime_pybind11_state",
    "onnxruntime",
)
"""Ctrl-C is sent when the import of one of these modules has finished, which usually happens within another import."""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("wait", [0, 0.02, 0.3])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c(chelsea: Path, tmp_path: Path, moment: str, wait: float) -> None:
    """A command that is interrupted by Ctrl-C prints no traceback, and leaves either complete files or none."""
    command = ["-X", "importtime", "-m", "godeeper", "peek", str(chelsea), "mixed*/join", "--out", str(tmp_path)]
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as started:
        assert started.stderr
        for line in started.stderr:
            if line.split(b"|")[-1].strip() == moment.encode():
                break
        else:
            pytest.fail(f"{moment} is not imported")
        time.sleep(wait)
        started.send_signal(signal.SIGINT)
        err = started.stderr.read()
    said = [line for line in err.splitlines() if not line.startswith(b"import time:")]
    assert (started.returncode, said) in [(0, []), (130, [b"godeeper: stopped"]), (-signal.SIGINT, [])]
    if moment != MOMENTS[0]:
        assert started.returncode in (0, 130)
    for path in tmp_path.iterdir():
        assert path.suffix == ".png"
        with Image.open(path) as image:
            image.load()


def test_names_that_can_be_mistaken_get_a_note(run: Run, chelsea: Path, tmp_path: Path) -> None:
    """A note on a name that is easily confused is on standard error, in the JSON and in the picture, but not in a full list."""
    note = "Mixed_7b (slim, torchvision) is mixed_9 (tf2015), not mixed_7 or mixed7"
    assert run("tensors", "Mixed_7b")[2] == f"note: {note}\n"
    assert run("peek", chelsea, "Mixed_7b", "--out", tmp_path)[2] == f"note: {note}\n"
    code, out, err = run("tensors", "Mixed_7b", "--json")
    assert (code, err, json.loads(out)["tensors"][0]["remark"]) == (0, "", note)
    assert run("tensors")[2] == ""
    assert run("tensors", "mixed*/join")[2].count("\n") == 1


def test_the_old_count_of_keras_is_pointed_out(run: Run) -> None:
    """A name that means another tensor in Keras 2.2 gets a note, also with ``--json``; an unknown name is explained."""
    for options in ([], ["--json"]):
        assert "write keras2.2:activation_12 for that one" in run("tensors", "activation_12", *options)[2]
    assert run("tensors", "keras2.2:activation_12", "--json")[2] == ""
    assert "write keras2.2:activation_94" in run("tensors", "activation_94")[2]
