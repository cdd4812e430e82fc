"""``godeeper embed``: the content of its files, and its errors."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from godeeper.cli.main import main
from godeeper.features.recommended import recommended
from godeeper.network import Network, load


@pytest.fixture
def folder(tmp_path: Path, chelsea: Path) -> Path:
    """Three photos in two folders, one of them broken."""
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    (tmp_path / "photos" / "a" / "cat.jpg").write_bytes(chelsea.read_bytes())
    (tmp_path / "photos" / "a" / "broken.jpg").write_bytes(chelsea.read_bytes()[:5000])
    Image.new("RGB", (30, 40), (9, 99, 200)).save(tmp_path / "photos" / "b" / "blue.png")
    return tmp_path / "photos"


def test_npz(folder: Path, net: Network, capsys: pytest.CaptureFixture[str]) -> None:
    """The file has photos and features row by row, in float32, with provenance; a damaged photo is reported and left out."""
    out = folder.parent / "new" / "photos.npz"
    assert main(["embed", str(folder), "--out", str(out), "--features", "Mixed_5b,pool_3", "--json"]) == 1
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["features"] == {"mixed/join": 256, "pool_3": 2048}
    assert list(document["errors"]) == [str(folder / "a" / "broken.jpg")]
    assert len(captured.err.splitlines()) == 1
    with np.load(out) as arrays:
        assert list(arrays["photos"]) == [str(folder / "a" / "cat.jpg"), str(folder / "b" / "blue.png")]
        assert json.loads(str(arrays["provenance"]))["weights_sha256"] == net.weights.sha256
        for address in document["features"]:
            expected = [net.peek(photo, address).activations.mean((2, 3))[0] for photo in arrays["photos"]]
            assert arrays[address].dtype == np.float32
            np.testing.assert_allclose(arrays[address], expected, rtol=1e-4, atol=1e-5)
    assert [path.name for path in out.parent.iterdir()] == ["photos.npz"]


@pytest.mark.parametrize("gone", [["gone"], ["gone", "gone.jpg"], ["gone", "gone"]])
def test_nothing_to_write(gone: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing folder is an error, and no file is written."""
    places = [str(tmp_path / name) for name in gone]
    assert main(["embed", *places, "--out", str(tmp_path / "out.npz"), "--features", "conv"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{places[0]}: no such file" in line
    assert not list(tmp_path.iterdir())


def test_parquet(folder: Path, net: Network) -> None:
    """With pyarrow the Parquet table has the same content."""
    parquet = pytest.importorskip("pyarrow.parquet")
    out = folder.parent / "photos.parquet"
    (folder / "a" / "broken.jpg").unlink()
    main(["embed", str(folder), "--out", str(out)])
    table = parquet.read_table(out)
    assert table.column_names == ["photo", "mixed_4/join"]
    assert table["photo"].to_pylist() == [str(folder / "a" / "cat.jpg"), str(folder / "b" / "blue.png")]
    assert json.loads(table.schema.metadata[b"godeeper"])["weights"] == "bundled"
    expected = net.peek(folder / "b" / "blue.png", "mixed_4/join").activations.mean((2, 3))[0]
    np.testing.assert_allclose(table["mixed_4/join"].to_pylist()[1], expected, rtol=1e-4, atol=1e-5)


def test_no_pyarrow(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without pyarrow, a one-line error names the extra to install, before anything is computed."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["embed", str(folder), "--out", str(folder.parent / "photos.parquet")]) == 2
    assert "godeeper[parquet]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--out", "photos.csv"], r".npz or .parquet"),
        (["--out", "photos.npz", "--features", "mixed/join[3]"], "whole tensors"),
        (["--out", "photos.npz", "--features", "mixed/joint"], "nearest"),
        (["--out", "/proc/no/photos.npz"], "cannot write"),
    ],
)
def test_options_that_do_not_fit(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str], reason: str
) -> None:
    """Options that do not fit together give a one-line error and exit code 2, and no file is left."""
    monkeypatch.chdir(folder.parent)
    assert main(["embed", str(folder), *options]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in folder.parent.iterdir()] == ["photos"]


def test_an_old_file_stays_until_the_new_one_is_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted run replaces no file and leaves no temporary one."""
    out = folder.parent / "photos.npz"
    main(["embed", str(folder), "--out", str(out)])
    old = out.read_bytes()
    monkeypatch.setattr("godeeper.features.file.NpzWriter.add", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["embed", str(folder), "--out", str(out)])
    assert out.read_bytes() == old
    assert sorted(path.name for path in folder.parent.iterdir()) == ["photos", "photos.npz"]


def test_the_default_features(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The recommended tensor is the default; standard error and the JSON state its name."""
    out = folder.parent / "photos.npz"
    assert main(["embed", str(folder / "b"), "--out", str(out), "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["features"] == {"mixed_4/join": 768}
    assert document["default_features"] is True
    assert captured.err.splitlines() == ["godeeper: --features mixed_4/join, the default for weights 'bundled'"]


def test_the_default_of_other_weights(tmp_path: Path, net: Network) -> None:
    """For other weights the default is the last module, even for a copy whose description names the bundled weights."""
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes(net.weights.path.read_bytes())
    assert recommended(net) == "mixed_4/join"
    assert recommended(load(weights=copy)) == "mixed_10/join"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on files' sizes")
def test_a_full_disk(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk is a one-line error, and leaves no files."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "new" / "photos.npz"
    words = ["embed", str(folder), "--out", str(out), "--features", "mixed/join"]
    assert main(words) == 1  # one photo is damaged; cache entries are written without a limit
    shutil.rmtree(out.parent)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        assert main(words) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"godeeper: cannot write {out}: File too large" in capsys.readouterr().err
    assert not out.parent.exists()
