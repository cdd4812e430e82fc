"""``godeeper weights add`` and ``godeeper classify`` as a user types them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.cli.main import main
from godeeper.cli.progress import line
from godeeper.weights.file import expected_tensors

PHOTO = str(Path(__file__).parents[3] / "examples" / "chelsea.jpg")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Store weights and caches in a folder for this test only."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "godeeper"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "godeeper" / "weights"


@pytest.fixture(scope="session")
def graph_numbers() -> dict[str, Any]:
    """Random weights of the whole network under the 2015 graph's names and layout."""
    random = np.random.default_rng(0)
    shapes = expected_tensors(in_dialect(INCEPTION_V3, "2015"), with_classifier=True)
    return {
        name: random.uniform(0.01, 0.02, shape if len(shape) < 4 else [shape[axis] for axis in (2, 3, 1, 0)]).astype(
            "<f4"
        )
        for name, shape in shapes.items()
    }


@pytest.fixture
def theirs(graph_numbers: dict[str, Any], tmp_path: Path) -> Path:
    """The same weights as a third-party safetensors file."""
    header: dict[str, Any] = {}
    end = 0
    for name, values in graph_numbers.items():
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [end, end + values.nbytes]}
        end += values.nbytes
    head = json.dumps(header).encode()
    path = tmp_path / "theirs.safetensors"
    path.write_bytes(
        b"".join([struct.pack("<Q", len(head)), head, *(values.tobytes() for values in graph_numbers.values())])
    )
    return path


def test_add_list_and_classify(theirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Added weights are listed, and classify a photo, with text and JSON output."""
    assert main(["weights", "add", str(theirs), "--name", "mine"]) == 0
    said = capsys.readouterr().out
    assert "names of the 2015 graph" in said
    assert "mine: installed as" in said
    assert main(["weights", "list"]) == 0
    listed = capsys.readouterr().out
    assert "mine" in listed.partition("official releases, not installed")[0]
    assert main(["classify", "--weights", "mine", PHOTO, "--top", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert main(["classify", "--weights", "mine", PHOTO, "none.jpg", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["weights"] == "mine"
    first, second = document["photos"]
    assert first["error"] is None
    assert [set(guess) for guess in first["top"]] == [{"label", "probability"}] * 5
    assert second["top"] == []
    assert "no such file" in second["error"]


def test_labels_are_shown(theirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text shows the first few labels and their number, and the JSON all labels; without a classifier, the text says so."""
    assert main(["weights", "add", str(theirs), "--name", "mine"]) == 0
    capsys.readouterr()
    assert main(["weights", "show", "mine"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("labels:"))
    assert main(["weights", "show", "mine", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["labels"]) == document["classes"]
    assert (
        line.split(maxsplit=1)[1]
        == f"{', '.join(document['labels'][:5])}, … ({document['classes']}; --json prints all)"
    )
    assert main(["weights", "show", "bundled"]) == 0
    assert "none: these weights have no classifier" in capsys.readouterr().out


@pytest.mark.parametrize("place", [".", "folder"])
@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("mine.pth", b"PK\x03\x04"),
        ("mine.pth", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."),
        ("mine.h5", b"\x89HDF\r\n\x1a\n"),
        ("mine.pb", b"\x0a\x06\x0a\x01a\x12\x01b"),
        ("mine.tgz", b"\x1f\x8b\x08"),
        ("model.json", b'{"modelTopology": {}}'),
        ("mine.safetensors", struct.pack("<Q", 2) + b"{}"),
    ],
)
def test_a_foreign_file_must_be_added_first(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
    name: str,
    start: bytes,
) -> None:
    """For weights that must be added first, the error gives the command that adds them, and does not call the file damaged."""
    monkeypatch.chdir(tmp_path)
    (Path(place) / name).parent.mkdir(exist_ok=True)
    (Path(place) / name).write_bytes(start)
    given = str(Path(place) / name)
    assert main(["weights", "show", given]) == 2
    assert f"add it first: godeeper weights add {given}\n" in capsys.readouterr().err


def test_weights_of_one_class_do_not_classify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights with a single class, which older versions installed, are refused, because every photo would get 100 %."""
    from dataclasses import replace

    from godeeper.weights.file import expected_tensors, write
    from godeeper.weights.registry import find, weights_folder

    bundled = find("bundled")
    network = replace(bundled.blueprint, classes=1)
    tensors = {
        name: np.ones(shape, np.float32) for name, shape in expected_tensors(network, with_classifier=True).items()
    }
    described = replace(bundled.description, name="old", labels=("cat",), quantised={})
    write(weights_folder() / "old.safetensors", tensors, described)
    assert main(["classify", "--weights", "old", PHOTO]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "'old' have one class" in captured.err
    assert captured.err.count("\n") == 1


def test_the_list_offers_what_is_not_installed(capsys: pytest.CaptureFixture[str]) -> None:
    """Releases that are not installed are listed separately; the JSON also states how each file is checked."""
    assert main(["weights", "list"]) == 0
    below = capsys.readouterr().out.partition("official releases, not installed")[2]
    assert "imagenet-torchvision" in below
    assert main(["weights", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    checks = {each["name"]: each["check"] for each in document["official"]}
    assert checks["imagenet-2015"] == "none published, pinned on first use"
    assert checks["imagenet-torchvision"] == "first 8 digits of SHA-256"


def test_weights_without_a_classifier_cannot_classify(capsys: pytest.CaptureFixture[str]) -> None:
    """``classify`` with the bundled weights fails with one line that says they have no classifier, and exit code 2."""
    assert main(["classify", "--weights", "bundled", PHOTO]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "have no classifier" in captured.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["weights", "add", "page.pb"], "a web page, not weights"),
        (["weights", "add", "none.pth"], "No such file"),
        (["weights", "add", "imagnet"], "imagenet-torchvision"),
        (["weights", "add", "page.pb", "--scaling", "x"], "unknown scaling"),
        (["classify", "--weights", "imagenet-keras", PHOTO], "godeeper weights add imagenet-keras"),
        (["classify", "--weights", "none", PHOTO], "unknown weights"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Invalid input gives exit code 2, one line on standard error, and nothing on standard output."""
    Path("page.pb").write_text("<!doctype html><title>404</title>")
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert said in captured.err


def test_a_damaged_file_does_not_hide_the_others(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both ``list`` and ``verify`` continue after an unreadable file, and exit with code 1."""
    own_folder.mkdir(parents=True)
    (own_folder / "broken.safetensors").write_bytes(b"\0" * 20)
    assert main(["weights", "list"]) == 1
    captured = capsys.readouterr()
    assert "bundled" in captured.out
    assert "broken.safetensors" in captured.err
    assert main(["weights", "verify"]) == 1
    assert "bundled" in capsys.readouterr().out


def test_progress_says_how_much_has_come() -> None:
    """The progress of a download is a bar if the total size is known, and otherwise the number of bytes."""
    assert line(20_000_000, 40_000_000).endswith(" 50 %  20 of 40 MB")
    assert line(3_000_000, 0) == "3 MB"
