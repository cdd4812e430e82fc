"""Full disks, a lack of memory and a cluster without free cores give a one-line error or the bytes of a local run."""

from __future__ import annotations

import os
import resource
import shlex
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

from godeeper.cli.main import main
from godeeper.errors import ClusterError
from godeeper.features.batch import Batch, decoded, encoded
from godeeper.features.executors import worker
from godeeper.features.executors.kept import KeptChunks, chunks_folder
from godeeper.features.executors.on_ray import OnRay
from godeeper.features.pipeline import Stages, entries_of
from godeeper.features.stream import feature_stages, least_side, stream
from godeeper.network import Network

pytest.importorskip("ray")
pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]  # Ray warns of its own changes, in threads too

ADDRESS = "mixed/join"
MOUNT = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
has_mounts = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*MOUNT, "true"], capture_output=True, check=False).returncode != 0,
    reason="needs Linux with user namespaces",
)


def embed_with_full_disk(disk: Path, kilobytes: int, photos: Path, out: Path) -> tuple[int, str, str]:
    """Run ``embed --on ray`` while ``disk`` is a file system of ``kilobytes`` kB; return exit code, output and
    messages.

    The output ends with the names of incomplete files on that file system, which exists only during the run.
    """
    disk.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "godeeper", "embed", str(photos), "--out", str(out), "--features", ADDRESS]
    script = f"""
        mount -t tmpfs -o size={kilobytes}k tmpfs {shlex.quote(str(disk))} || exit 99
        {shlex.join([*command, "--on", "ray"])}
        code=$?
        find {shlex.quote(str(disk))} -name '*.part'
        exit $code
    """
    done = subprocess.run([*MOUNT, script], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def local_bytes(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of the file that a local run writes."""
    out = tmp_path_factory.mktemp("here") / "here.npz"
    assert main(["embed", str(photos), "--out", str(out), "--features", ADDRESS]) == 1  # one photo is damaged
    return out.read_bytes()


def kept() -> list[Path]:
    """Return the files of finished chunks."""
    return [path for path in chunks_folder().rglob("*") if path.is_file()]


@has_mounts
def test_a_full_cache_folder(photos: Path, local_bytes: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Driver and workers continue without their caches, and leave no incomplete file there."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("GODEEPER_CACHE", str(cache))
    code, said, words = embed_with_full_disk(cache, 40, photos, tmp_path / "there.npz")
    assert (code, said.count("\n")) == (1, 1), words
    assert (tmp_path / "there.npz").read_bytes() == local_bytes


@has_mounts
@pytest.mark.usefixtures("_ray")
def test_a_full_disk_for_the_output(
    photos: Path, local_bytes: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends with a one-line error and keeps finished chunks; a second run writes the bytes of a local run."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "cache"))
    disk = tmp_path / "full"
    code, said, words = embed_with_full_disk(disk, 16, photos, disk / "there.npz")
    assert (code, said, words.count("\n")) == (2, "", 1), words
    assert "No space left" in words
    assert kept()
    out = tmp_path / "there.npz"
    assert main(["embed", str(photos), "--out", str(out), "--features", ADDRESS, "--on", "ray"]) == 1
    assert out.read_bytes() == local_bytes
    assert not kept()


@has_mounts
def test_no_room_for_ray(photos: Path, tmp_path: Path) -> None:
    """A full /tmp, where Ray has its sockets, gives a one-line error within seconds."""
    started = time.monotonic()
    disk = Path("/tmp")  # noqa: S108 (Ray's folder; only the processes of this test see it full)
    if tmp_path.is_relative_to(disk):
        pytest.skip("the photos are in /tmp, which this test fills: set TMPDIR to another folder")
    code, said, words = embed_with_full_disk(disk, 32, photos, tmp_path / "there.npz")
    assert (code, said, words.count("\n")) == (2, "", 1), words
    assert "/tmp is full" in words  # noqa: S108
    assert time.monotonic() - started < 20


@dataclass(frozen=True)
class Tight:
    """Work whose address space is limited in chunks that contain item 40."""

    stages: Stages[Batch]
    more: int

    def __call__(self, entries: Sequence[Any]) -> list[Batch]:
        before = resource.getrlimit(resource.RLIMIT_AS)
        if any(entry.position == 40 for entry in entries):
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + self.more, before[1]))
        try:
            return self.stages(entries)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.usefixtures("_ray")
def test_a_worker_exceeds_its_limit(photos: Path, tmp_path: Path, net: Network) -> None:
    """The run ends with a one-line error, no photo counts as damaged, and a second run gives the features of a local run."""
    paths = sorted(map(str, photos.rglob("*.png")))
    paths[40] = str(tmp_path / "large.png")
    Image.new("RGB", (5000, 5000)).save(paths[40])
    entries = list(entries_of(paths))
    stages = feature_stages(net, [ADDRESS], least_side(net))
    keep = KeptChunks("tight", encoded, decoded)
    with OnRay("ray") as executor:
        with pytest.raises(ClusterError, match="ran out of memory"):
            list(executor.map(Tight(stages, 1 << 24), entries, kept=keep))
        assert len(kept()) < 3
        there = [batch for chunk in executor.map(stages, entries, kept=keep) for batch in chunk]
    here = list(stream(net, paths, [ADDRESS]))
    features, expected = (np.concatenate([each.features[ADDRESS] for each in one]) for one in (there, here))
    np.testing.assert_array_equal(features, expected)
    assert [error for batch in there for error in batch.errors.values()] == [
        error for batch in here for error in batch.errors.values()
    ]
    keep.remove()


@dataclass(frozen=True)
class Kill:
    """Work that is killed at item 7, like a process that uses too much memory."""

    def __call__(self, items: Sequence[int]) -> list[int]:
        if 7 in items:
            os.kill(os.getpid(), signal.SIGKILL)
        return list(items)


@dataclass(frozen=True)
class KillAtStart:
    """Work that kills each worker while it starts."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.kill, (0, signal.SIGKILL)


@pytest.mark.usefixtures("_ray")
@pytest.mark.parametrize("work", [Kill(), KillAtStart()])
def test_workers_are_killed_each_time(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """If every attempt is killed, the run ends with a one-line error after a fixed number of attempts."""
    monkeypatch.setattr(worker, "MOST_ATTEMPTS", 2)
    with OnRay("ray", chunk=2, cores=2) as executor, pytest.raises(ClusterError, match="killed") as raised:
        list(executor.map(work, range(20)))
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("_ray")
def test_no_free_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the cluster cannot start a worker, the command says what it waits for, and then ends with a one-line error."""
    monkeypatch.setenv("GODEEPER_RAY_WAIT", "3")
    said: list[str] = []
    expected = pytest.raises(ClusterError, match=r"no worker could start in 3 s.*1000 cores.*GODEEPER_RAY_WAIT")
    with OnRay("ray", cores=1000, status=said.append) as executor, expected:
        list(executor.map(Kill(), range(4)))
    assert said[0] == "waiting for 1000 free cores of the cluster at ray"
    assert said[-1] == ""
