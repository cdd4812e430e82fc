"""Photos at ``file://``, ``s3://`` and ``gs://`` addresses, and a cluster at a ``ray://`` address."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.ray.conftest import some

from godeeper.cli.main import main
from godeeper.photos.remote import photo_at

pytest.importorskip("ray")
pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]  # Ray warns of its own changes, in threads too

ADDRESS = "mixed/join"
LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="module")
def few(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smaller folder, also called ``photos``, with some of the photos and a file that is not a photo."""
    folder = some(photos, range(4, 28), tmp_path_factory.mktemp("few") / "photos")
    (folder / "dark" / "notes.txt").write_text("no photo")
    return folder


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Run a fake S3 in this process, and yield the query string that its addresses need."""
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"endpoint_override={LOOPBACK}:{port}&scheme=http&region=us-east-1"
    server.stop()


@pytest.fixture(scope="module")
def gs(few: Path) -> Iterator[str]:
    """The address of the few photos in a fake Google Cloud Storage on this machine."""
    command = [sys.executable, str(Path(__file__).with_name("fake_gcs.py")), str(few.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        port = int(server.stdout.readline())
        yield f"gs://anonymous@bucket/photos?endpoint_override={LOOPBACK}:{port}&scheme=http&retry_limit_seconds=5"
        server.kill()


def fill(address: str, folder: Path) -> None:
    """Copy a folder's files to an address."""
    from pyarrow import fs

    files, top = fs.FileSystem.from_uri(address)
    files.create_dir(top.partition("/")[0])
    for path in folder.rglob("*.*"):
        with files.open_output_stream(f"{top}/{path.relative_to(folder).as_posix()}") as file:
            file.write(path.read_bytes())


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command; return its exit code, standard output and standard error."""
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.usefixtures("_ray")
def test_embed(photos: Path, tmp_path: Path, s3: str) -> None:
    """``file://`` and ``s3://`` folders give the features of the local folder, with the addresses as names."""
    fill(f"s3://bucket/all?{s3}&allow_bucket_creation=true", photos)
    shown = [str(photos), f"file://{photos}", "s3://bucket/all"]
    arrays = []
    for number, place in enumerate([str(photos), f"file://{photos}", f"s3://bucket/all?{s3}"]):
        out = tmp_path / f"{number}.npz"
        on = ["--on", "ray"] if number else []
        assert main(["embed", place, "--out", str(out), "--features", ADDRESS, *on]) == 1  # one photo is damaged
        with np.load(out) as file:
            arrays.append((file["photos"].tolist(), file[ADDRESS]))
    for (names, features), place in zip(arrays, shown, strict=True):
        assert names == [name.replace(shown[0], place) for name in arrays[0][0]]
        np.testing.assert_array_equal(features, arrays[0][1])


@pytest.mark.usefixtures("_ray")
def test_index_doctor_and_retrain(
    few: Path, tmp_path: Path, s3: str, gs: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``doctor`` and ``retrain`` on S3, and ``index`` on Google Cloud Storage, give the results of the local folder."""
    fill(f"s3://bucket/photos?{s3}&allow_bucket_creation=true", few)
    trained: list[Any] = []
    indexes: list[bytes] = []
    for number, place in enumerate([str(few), f"s3://bucket/photos?{s3}", gs]):
        monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / f"cache-{number}"))
        on = ["--on", "ray"] if number else []
        if place != gs:
            file = tmp_path / f"{number}.godeeper"
            code, said, _ = run(["doctor", place, "--json", *on], capsys)
            assert run(["retrain", place, "--out", str(file), "--features", "conv", *on], capsys)[0] == code == 1
            checkup = json.loads(said)
            assert checkup.pop("folder") == place.partition("?")[0]
            pictures = file.with_suffix(".html").read_text().count("data:image/jpeg")
            trained.append((file.read_bytes(), checkup, pictures))
        if "s3" not in place:
            index = tmp_path / f"{number}.index"
            assert run(["index", place, "--out", str(index), *on], capsys)[0] == 1  # one photo is damaged
            indexes.append(index.read_bytes())
    assert trained[0][-1] > 0
    assert trained[1] == trained[0]
    assert indexes[1] == indexes[0]


@pytest.mark.usefixtures("_ray")
def test_a_list_of_addresses(few: Path, tmp_path: Path, s3: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A list may contain addresses of photos; ``doctor`` then finds the photos and classes of the folder."""
    fill(f"s3://bucket/listed?{s3}&allow_bucket_creation=true", few)
    names = [path.relative_to(few).as_posix() for path in sorted(few.rglob("*.png"))]
    table = tmp_path / "list.csv"
    table.write_text(
        "path,label\n" + "".join(f"s3://bucket/listed/{name}?{s3},{name.partition('/')[0]}\n" for name in names)
    )
    files = []
    for command in ([str(few)], [str(table), "--on", "ray"]):
        _, said, _ = run(["doctor", *command, "--json"], capsys)
        files.append([(each["pixels_sha256"], each["class"], each["status"]) for each in json.loads(said)["files"]])
    assert files[1] == files[0]


def test_an_address_in_parts() -> None:
    """An address is split into file system and path, and joined to the same address again."""
    for address, path in (
        ("s3://bucket/a%20b/1.jpg?region=x", "bucket/a b/1.jpg"),
        ("gs://anonymous@bucket/1.jpg", "bucket/1.jpg"),
        ("file:///photos/1.jpg", "/photos/1.jpg"),
    ):
        photo = photo_at(address)
        assert (photo.path, photo.whole_address) == (path, address)


@pytest.mark.parametrize("command", ["embed", "index", "doctor", "retrain"])
def test_without_ray(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Without ``--on ray``, an address is refused, and the message says why."""
    out = {"embed": ["--out", "out.npz"], "index": ["--out", "o.index"], "retrain": ["--out", "o.godeeper"]}
    code, _, words = run([command, f"file://{tmp_path}", *out.get(command, [])], capsys)
    assert (code, words.count("\n")) == (2, 1)
    assert "--on ray" in words


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["file:///photos", "--labels", "list.csv", "--on", "ray"], "expected the list alone"),
        (["list.csv"], "read with --on ray only"),
        (["file:///no/such/folder", "--on", "ray"], "cannot read it"),
    ],
)
def test_refusals(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    reason: str,
) -> None:
    """Invalid input gives a one-line error, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("path,label\nfile:///photos/1.jpg,cat\n")
    code, _, words = run(["retrain", *arguments, "--out", "out.godeeper"], capsys)
    assert (code, words.count("\n")) == (2, 1)
    assert reason in words
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]


def test_a_cluster_at_an_address(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run on a cluster at a ``ray://`` address writes the bytes of a local run."""
    here, there = tmp_path / "here.npz", tmp_path / "there.npz"
    command = ["embed", str(photos), "--features", ADDRESS, "--out"]
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)  # godeeper sets it if there is a token
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with cluster(cores=1) as address:
        code, words = in_process([*command, str(there), "--on", address], {})
        assert code == 1, words  # one photo is damaged
    assert main([*command, str(here)]) == 1
    assert there.read_bytes() == here.read_bytes()


def in_process(arguments: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a command, again if Ray was too slow to accept it on a busy machine; return its exit code and its messages."""
    command = [sys.executable, "-m", "godeeper", *arguments]
    for _ in range(3):
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | environment, timeout=180, check=False
        )
        if "cannot use Ray at" not in done.stderr:
            break
    return done.returncode, done.stderr


def free_port() -> int:
    """Return a port on which nothing listens."""
    with closing(socket.socket()) as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def wait_for_port(port: int, seconds: float = 60) -> None:
    """Wait until something listens on the port."""
    until = time.monotonic() + seconds
    while True:
        with suppress(OSError):
            socket.create_connection((LOOPBACK, port), 1).close()
            return
        assert time.monotonic() < until
        time.sleep(0.1)


@contextmanager
def cluster(cores: int) -> Iterator[str]:
    """Start a cluster of one node on loopback, yield its address, and stop it."""
    start = "from ray.scripts.scripts import main; main()"
    gcs, client = free_port(), free_port()
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token"}
    settings |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # its effect: Ray listens on loopback only
    streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory(prefix="gdtest-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        options = ["--num-cpus", str(cores), "--port", str(gcs), "--ray-client-server-port", str(client)]
        options += ["--node-ip-address", LOOPBACK, "--include-dashboard", "false", "--temp-dir", folder]
        command = [sys.executable, "-c", start, "start", "--head", "--block", *options]
        with subprocess.Popen(command, env=os.environ | settings, start_new_session=True, **streams) as process:
            try:
                wait_for_port(client)
                yield f"ray://{LOOPBACK}:{client}"
            finally:
                os.killpg(process.pid, signal.SIGKILL)  # after SIGTERM, Ray would take 20 seconds to end
                for number in left(folder):
                    with suppress(ProcessLookupError):
                        os.kill(number, signal.SIGKILL)


def left(folder: str) -> list[int]:
    """Return the ids of the Ray processes that have this folder in their command lines."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if folder in line and "ray" in line]
