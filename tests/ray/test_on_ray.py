"""``--on ray``: the same bytes as a local run, even if processes are killed, and one line for each error."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.ray.conftest import some

from godeeper.classifier.file import packed
from godeeper.cli.main import main
from godeeper.features.executors.executor import executor_named
from godeeper.features.executors.kept import KeptChunks, chunks_folder
from godeeper.features.executors.on_ray import OnRay
from godeeper.features.pipeline import entries_of
from godeeper.features.stream import stream
from godeeper.network import Network
from godeeper.retraining import retrain

pytest.importorskip("ray")
pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]  # Ray warns of its own changes, in threads too

ADDRESS = "mixed/join"
PHOTOS = 70


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command; return its exit code, standard output and standard error."""
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.usefixtures("_ray")
def test_embed(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``embed`` writes the Parquet file, JSON and messages of a local run; other tests compare the bytes of ``.npz`` files."""
    out = tmp_path / "out.parquet"
    command = ["embed", str(photos), "--out", str(out), "--features", ADDRESS, "--json"]
    here = *run(command, capsys), out.read_bytes()
    there = *run([*command, "--on", "ray"], capsys), out.read_bytes()
    assert there == here
    assert here[0] == 1  # one photo is damaged
    assert not list(chunks_folder().iterdir())


@pytest.mark.usefixtures("_ray")
def test_index(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``index`` writes the bytes and messages of a local run; each run starts with an empty store."""
    folder, out = some(photos, range(8, 20), tmp_path / "few"), tmp_path / "few.index"
    made = []
    for name, more in (("here", []), ("there", ["--on", "ray"])):
        monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / name))
        made.append((*run(["index", str(folder), "--out", str(out), "--json", *more], capsys), out.read_bytes()))
    assert made[1] == made[0]
    assert made[0][0] == 1  # one photo is damaged


@pytest.mark.usefixtures("_ray")
def test_chunks_and_workers(photos: Path, net: Network) -> None:
    """The features and batches are those of a local run for small chunks and several workers; other tests use one worker."""
    paths = sorted(map(str, photos.rglob("*.png")))[:25]
    done: list[int] = []
    with OnRay("ray", chunk=3, cores=1) as executor:
        there = list(stream(net, paths, [ADDRESS], executor=executor, progress=done.append))
    here = list(stream(net, paths, [ADDRESS]))
    assert [batch.names for batch in there] == [batch.names for batch in here]
    for one, other in zip(there, here, strict=True):
        np.testing.assert_array_equal(one.features[ADDRESS], other.features[ADDRESS])
        assert (one.errors, one.notes) == (other.errors, other.notes)
    assert (done[0], done[-1]) == (0, len(paths))
    assert done == sorted(done)


@pytest.mark.usefixtures("_ray")
def test_doctor_retrain_classify(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkup, classifier and verdicts are those of local runs, each with an empty store."""
    folder = some(photos, range(40), tmp_path / "photos")  # two chunks
    results = []
    for on in ("", "ray"):
        monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / f"cache-{on}"))
        option = ["--on", on] if on else []
        checkup = run(["doctor", str(folder), "--json", *option], capsys)
        with executor_named(on) as executor:
            classifier = retrain(folder, features="conv", executor=executor)
        file = tmp_path / "photos.godeeper"
        file.write_bytes(packed(classifier))
        verdicts = run(["classify", str(file), str(folder), "--json", *option], capsys)
        results.append((checkup, file.read_bytes(), verdicts))
    assert results[0] == results[1]


@dataclass(frozen=True)
class KillOnce:
    """Work that kills its process at item 7, but only the first time."""

    marker: Path

    def __call__(self, items: Sequence[int]) -> list[int]:
        if 7 in items and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return [item * item for item in items]


@pytest.mark.usefixtures("_ray")
def test_a_worker_is_killed(tmp_path: Path) -> None:
    """The chunk of a killed worker is repeated, and each item is in the result once."""
    with OnRay("ray", chunk=2, cores=1) as executor:
        results = [each for chunk in executor.map(KillOnce(tmp_path / "killed"), range(20)) for each in chunk]
    assert results == [number * number for number in range(20)]
    assert (tmp_path / "killed").exists()


@pytest.fixture(scope="module")
def many(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A folder whose run takes long enough to be stopped in the middle, and the bytes of a local run.

    Most of the first chunk's photos are small; the photos of later chunks are larger, and no two are equal.
    """
    folder = tmp_path_factory.mktemp("many")
    shutil.copytree(photos / "bright", folder / "bright")
    (folder / "bright" / "damaged.png").write_bytes((photos / "dark" / "10.png").read_bytes())
    (folder / "noise").mkdir()
    random = np.random.default_rng(1)
    for number in range(80):
        noise = random.integers(0, 256, (299, 299, 3), np.uint8)
        Image.fromarray(noise).save(folder / "noise" / f"{number:02}.png", compress_level=0)
    out = tmp_path_factory.mktemp("here") / "here.npz"
    assert main(["embed", str(folder), "--features", ADDRESS, "--out", str(out)]) == 1
    return folder, out.read_bytes()


@pytest.mark.usefixtures("_ray")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_driver_is_stopped(many: tuple[Path, bytes], tmp_path: Path, number: signal.Signals) -> None:
    """A stopped driver leaves no process and no output; a second run reuses finished chunks and writes the bytes of a local run."""
    folder, here = many
    there = tmp_path / "there.npz"
    command = ["embed", str(folder), "--features", ADDRESS, "--out"]
    assert not kept()
    python = [sys.executable, "-m", "godeeper", *command, str(there), "--on", "ray"]
    for _ in range(
        3
    ):  # on a busy machine, Ray may deliver all chunks at once, and the command is done before it is stopped
        with subprocess.Popen(
            python, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            wait_for(lambda: bool(kept()), process)
            process.send_signal(number)
            out, words = process.communicate(timeout=60)
        if not there.exists():
            break
        there.unlink()
    assert (process.returncode, out) == ((130, b"") if number == signal.SIGINT else (-number, b""))
    assert words == (b"godeeper: stopped\n" if number == signal.SIGINT else b"")
    wait_for(lambda: not [line for line in descendants(process.pid) if "Agent" not in line])  # Ray's agents end later
    assert not there.exists()
    times = {path: path.stat().st_mtime_ns for path in kept()}
    assert times
    assert main([*command, str(there), "--on", "ray"]) == 1
    assert there.read_bytes() == here
    assert not kept()


def kept() -> list[Path]:
    """Return the files of finished chunks."""
    return [path for path in chunks_folder().rglob("*") if path.is_file() and not path.name.startswith(".")]


def descendants(session: int) -> list[str]:
    """Return the running processes of a session, and those that Ray started in other sessions."""
    command = ["ps", "-eo", "stat,sid,args"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    running = [line for line in listed if not line.startswith("Z")]
    return [line for line in running if line.split()[1] == str(session) or f"gdray-{session}-" in line]


def wait_for(condition: Any, process: subprocess.Popen[bytes] | None = None, seconds: float = 60) -> None:
    """Wait until a condition holds; fail if the process ends first."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"the condition did not hold within {seconds} seconds"
        assert process is None or process.poll() is None, "the command ended before the signal was sent"
        time.sleep(0.02)


@dataclass(frozen=True)
class Noted:
    """Work that records each entry as a file in a folder."""

    folder: Path

    def __call__(self, entries: Sequence[Any]) -> list[int]:
        for entry in entries:
            with (self.folder / str(entry.position)).open("ab") as file:
                file.write(b".")
        return [entry.position for entry in entries]


@pytest.mark.usefixtures("_ray")
def test_finished_chunks_are_not_repeated(photos: Path, tmp_path: Path) -> None:
    """A second run computes only the chunks that are missing or damaged."""
    entries = list(entries_of(sorted(map(str, photos.rglob("*.png")))[:12]))
    for _ in range(2):
        keep = KeptChunks("recipe", pickle.dumps, pickle.loads)
        with OnRay("ray", chunk=3) as executor:
            assert list(executor.map(Noted(tmp_path), entries, kept=keep)) == [
                list(range(start, start + 3)) for start in range(0, 12, 3)
            ]
        keep.path(entries[:3]).unlink()
        keep.path(entries[3:6]).write_bytes(b"damaged")
    assert [(tmp_path / str(position)).stat().st_size for position in range(12)] == [2] * 6 + [1] * 6
    keep.remove()


def test_nothing_listens(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster that cannot be reached gives a one-line error within seconds, and nothing is written."""
    started = time.monotonic()
    command = ["embed", str(photos), "--out", str(tmp_path / "out.npz"), "--on", "ray://127.0.0.1:9", "--json"]
    code, out, words = run(command, capsys)
    assert (code, out, words.count("\n")) == (2, "", 1)
    assert "ray://127.0.0.1:9" in words
    assert time.monotonic() - started < 20
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("_ray")
def test_nothing_is_left(photos: Path) -> None:
    """No chunk stays in the cache folder, and no photo is changed."""
    assert not kept()
    assert len(list(photos.rglob("*.png"))) == PHOTOS + 2
