"""The API: the records of the command line, exact values, correct pictures."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.unit.web.client import BOUNDARY, form

from godeeper.cli.main import main
from godeeper.peek.colour import table
from godeeper.peek.peek import Peek
from godeeper.peek.records import PeekedTensorRecord
from godeeper.web.state import json_response

if TYPE_CHECKING:
    from tests.unit.web.client import Answer, Client, Field
    from tests.unit.web.conftest import Served

    from godeeper.network import Network

DATA, PHOTO = "/api/photos/demo", "/photo/demo"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the JSON that a command prints."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def pixels(answer: Answer) -> Image.Image:
    """Return the picture in a response."""
    assert answer.status == 200
    image = Image.open(io.BytesIO(answer.body))
    image.load()
    return image


def close(got: Any, expected: Any) -> None:
    """Assert that two JSON documents are the same, apart from the rounding of numbers."""
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        for key in expected:
            close(got[key], expected[key])
    elif isinstance(expected, list):
        assert len(got) == len(expected)
        for pair in zip(got, expected, strict=True):
            close(*pair)
    elif isinstance(expected, float):
        assert got == pytest.approx(expected, rel=1e-4, abs=1e-5)
    else:
        assert got == expected


def test_peek_is_the_command_lines(
    client: Client, chelsea: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """POST /api/peek returns the record of ``godeeper peek --json``, with working links as pictures."""
    addresses = ["mixed/tower_2/conv:0", "mixed_10/join"]
    expected = printed(capsys, "peek", str(chelsea), *addresses, "--out", str(tmp_path), "--scale", "filter")
    fields = [("address", None, each.encode()) for each in addresses]
    file = ("photo", "chelsea.jpg", chelsea.read_bytes())
    got = client.send([file, *fields, ("scale", None, b"filter")], "/api/peek").json
    links = [tensor.pop("png") for tensor in got["tensors"]]
    for tensor in expected["tensors"]:
        tensor.pop("png")
    close(got, expected | {"photo": "chelsea.jpg"})
    for link in links:
        assert pixels(client.get(link)).text["godeeper:scale"] == "filter"  # type: ignore[attr-defined]  # of a PNG


def test_peek_shows_the_three_tensors_of_the_blog_by_default(client: Client, chelsea: Path) -> None:
    """Without an address, ``/api/peek`` uses the command's default."""
    got = client.send([("photo", "chelsea.jpg", chelsea.read_bytes())], "/api/peek").json
    assert [tensor["address"] for tensor in got["tensors"]] == [
        "mixed/tower_2/conv",
        "mixed/tower_1/conv_2",
        "mixed_4/tower_1/conv_4",
    ]


@pytest.mark.parametrize(
    ("address", "status"), [("nothing", 404), ("DecodeJpeg", 422), ("conv[99]", 422), ("softmax", 404), ("[", 422)]
)
def test_peek_says_what_it_cannot_show(address: str, status: int, client: Client, chelsea: Path) -> None:
    """If a peek cannot be shown, the response is one line with the appropriate status."""
    fields = [("photo", "x.jpg", chelsea.read_bytes()), ("address", None, address.encode())]
    assert client.send(fields, "/api/peek").status == status


def test_tensors_are_the_command_lines(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """GET /api/tensors returns what ``godeeper tensors --json`` prints."""
    assert client.get("/api/tensors").json == printed(capsys, "tensors")
    assert client.get("/api/tensors?pattern=mixed_4/**").json == printed(capsys, "tensors", "mixed_4/**")


def test_classify_is_the_command_lines(
    served: Served, chelsea: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """POST /api/classify returns the record of ``godeeper classify --json``, with the classifier's file name only."""
    assert served.classifier
    path = tmp_path / "pets.godeeper"
    served.classifier.save(path)
    expected = printed(capsys, "classify", str(path), str(chelsea))
    got = served.client.send([("photo", "chelsea.jpg", chelsea.read_bytes())], "/api/classify").json
    expected["classifier"], expected["photos"][0]["photo"] = "pets.godeeper", "chelsea.jpg"
    close(got, expected)


@pytest.mark.parametrize(
    "address", ["mixed/tower_2/conv", "conv/Conv2D", "mixed_10/join", "pool_3", "conv[3,7:12]", "Mul", "mixed_3/pool"]
)
def test_values_are_the_activations(address: str, client: Client, net: Network, chelsea: Path) -> None:
    """The values of a tensor are sent as little-endian float32, (C, H, W)."""
    answer = client.get(f"{DATA}/values/{address}")
    expected = net.peek(chelsea, address).activations[0]
    assert answer.headers["x-shape"] == ",".join(map(str, expected.shape))
    got = np.frombuffer(answer.body, "<f4").reshape(expected.shape)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("scale", "colour"), [("shared", None), ("filter", "viridis"), ("signed", "blue-red"), ("blog", "magma")]
)
def test_levels_are_the_mosaic(scale: str, colour: str | None, client: Client, net: Network, chelsea: Path) -> None:
    """Every value of the mosaic is one pixel, in the requested colour map."""
    query = f"?scale={scale}" + (f"&colour={colour}" if colour else "")
    image = pixels(client.get(f"{PHOTO}/levels/mixed_4/join.png{query}"))
    expected = net.peek(chelsea, "mixed_4/join").mosaic(scale)
    assert np.abs(np.asarray(image).astype(int) - expected.pixels).max() <= 1
    np.testing.assert_array_equal(np.reshape(image.getpalette() or [], (-1, 3)), table(colour or "grey"))


@pytest.mark.parametrize("scale", ["shared", "filter", "percentile", "signed"])
def test_a_map_is_its_tile_of_the_mosaic(scale: str, client: Client) -> None:
    """One filter's picture is cut out of the mosaic, on the same scale."""
    record = client.get(f"{DATA}/tensors/mixed/join?scale={scale}").json
    height, width = record["tile"]
    row, column = divmod(77, record["columns"])
    every = np.asarray(pixels(client.get(f"{PHOTO}/levels/mixed/join.png?scale={scale}")))
    one = np.asarray(pixels(client.get(f"{PHOTO}/map/mixed/join/77.png?scale={scale}")))
    np.testing.assert_array_equal(one, every[row * height : (row + 1) * height, column * width : (column + 1) * width])


def test_a_record_says_what_the_screen_shows(client: Client, net: Network, chelsea: Path) -> None:
    """A tensor's record has its legend, scale ends, grid, receptive field and neighbours."""
    record = client.get(f"{DATA}/tensors/mixed/tower_2/conv").json
    mosaic = net.peek(chelsea, "mixed/tower_2/conv").mosaic()
    assert record["low"] == 0
    assert record["high"] == pytest.approx(float(mosaic.range.high), rel=1e-5)
    assert record["legend"].startswith("one scale for all filters: dark 0, bright ")
    assert (record["rows"], record["columns"], record["tile"]) == (mosaic.rows, mosaic.columns, [35, 35])
    assert record["field"] == {"size": [47, 47], "jump": 8, "padding": [10, 10]}
    assert (record["input_size"], record["used"]) == (299, [0, 0, 451, 300])
    assert record["neighbours"] == {
        "before": ["mixed/tower_2/pool"],
        "after": ["mixed/join"],
        "branch": ["mixed/tower_2/pool", "mixed/tower_2/conv"],
    }
    assert record["previous"]["address"] == "mixed/tower_2/pool"
    assert record["next"]["address"] == "mixed/join"
    for name, url in record["urls"].items():
        if name != "kernel":
            assert client.get(url.format(n=3)).status == 200, url


def test_filters_come_with_what_they_are_sorted_by(client: Client, net: Network, chelsea: Path) -> None:
    """A filter's strength is its maximum, at the cell ``strongest``; its selectivity is from 0 to 1, or null."""
    filters = client.get(f"{DATA}/tensors/conv").json["filters"]
    values = net.peek(chelsea, "conv").activations[0]
    for row in filters:
        place = tuple(row["strongest"])
        assert row["strength"] == pytest.approx(float(values[row["filter"]].max()), rel=1e-4, abs=1e-6)
        assert values[row["filter"]][place] == pytest.approx(row["strength"], rel=1e-4, abs=1e-6)
        assert row["selectivity"] is None if row["maximum"] == 0 else 0 <= row["selectivity"] <= 1


def test_per_filter_scales_have_no_common_ends(client: Client) -> None:
    """If every tile has its own scale, ``low`` and ``high`` are null, and ``ends`` contains text."""
    record = client.get(f"{DATA}/tensors/conv?scale=filter").json
    assert (record["low"], record["high"]) == (None, None)
    assert record["ends"] == ["minimum of each filter", "its maximum"]


def test_the_evidence_adds_up_to_the_logit(client: Client) -> None:
    """The evidence in all grids and the constant add up to the total, which is the logit."""
    verdict = client.get(f"{DATA}/verdict").json
    assert sum(verdict["probabilities"].values()) == pytest.approx(1)
    for row in verdict["classes"]:
        record = client.get(row["urls"]["record"]).json
        grids = sum(float(np.sum(module["grid"])) for module in record["modules"])
        assert grids + record["constant"] == pytest.approx(record["total"])
        assert record["total"] == pytest.approx(row["logit"], abs=1e-3)
        assert pixels(client.get(row["urls"]["picture"])).size == tuple(record["size"])


def test_pictures_of_the_photo(client: Client, chelsea: Path) -> None:
    """The displayed photo, the square that the network sees, a patch, a kernel and a thumbnail are correct."""
    assert pixels(client.get(f"{PHOTO}/photo.jpg")).size == (451, 300)
    assert pixels(client.get(f"{PHOTO}/input.png")).size == (299, 299)
    assert pixels(client.get(f"{PHOTO}/patch/mixed_10/join/5.png")).size == (451, 300)
    assert pixels(client.get(f"{PHOTO}/kernel/conv/5.png")).size == (3, 3)
    assert pixels(client.get(f"{PHOTO}/thumbnail/mixed/join.png?rows=1&columns=3")).size == (36 * 3, 36)
    assert client.get(f"{PHOTO}/kernel/conv_1/5.png").status == 404


def test_a_kernel_needs_no_forward_pass(served: Served) -> None:
    """A kernel is drawn from the weights alone: nothing is computed for the photo."""
    photo = fresh_photo(served.client, 6)
    assert pixels(served.client.get(f"/photo/{photo}/kernel/conv/5.png")).size == (3, 3)
    assert served.client.get(f"/photo/{photo}/kernel/conv/32.png").status == 404
    assert photo not in served.backend.passes.passes


def test_the_record_of_evidence_draws_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record of evidence has legend, limit and size, which are computed without drawing the overlay."""

    def fail(*_: object) -> None:
        raise AssertionError("drawn")

    monkeypatch.setattr("godeeper.explain.picture.overlay_of", fail)
    record = client.get(f"{DATA}/evidence/1?over=cat").json
    assert f"{record['limit']:.3g}" in record["legend"]
    assert record["size"] == [451, 300]


def test_the_export_is_sorted_and_numbered(client: Client) -> None:
    """A sorted mosaic is a peek at the channels in sorted order, and the picture's provenance states that order."""
    image = pixels(client.get(f"{PHOTO}/picture.png?address=mixed/tower_2/conv&sort=strength&scale=filter"))
    record = client.get(f"{DATA}/tensors/mixed/tower_2/conv").json
    strongest = max(record["filters"], key=lambda row: row["strength"])["filter"]
    notes: dict[str, str] = image.text  # type: ignore[attr-defined]  # of a PNG
    assert notes["godeeper:address"].startswith(f"mixed/tower_2/conv[{strongest},")
    assert notes["godeeper:scale"] == "filter"


WRONG = {
    f"{DATA}/tensors/nothing": 404,
    f"{DATA}/tensors/mixed*": 422,
    f"{DATA}/tensors/conv?scale=loud": 422,
    f"{DATA}/tensors/pool_3?scale=blog": 200,
    f"{DATA}/tensors/conv_3?scale=blog": 200,
    f"{DATA}/tensors/ResizeBilinear?scale=blog": 422,
    f"{DATA}/tensors/": 422,
    f"{DATA}/tensors/..": 404,
    f"{DATA}/tensors/../../../../etc/passwd": 404,
    f"{DATA}/tensors/%00": 404,
    f"{DATA}/tensors/%2e%2e%2fconv": 404,
    f"{DATA}/tensors/mixed%2Fjoin": 200,
    f"{DATA}/tensors/%ff%fe": 404,
    f"{DATA}/tensors/猫/conv": 404,
    f"{DATA}/tensors/conv[99]": 422,
    f"{DATA}/tensors/conv[1,1]": 422,
    f"{DATA}/tensors/conv:1": 422,
    f"{DATA}/tensors/conv ": 200,
    f"{DATA}/tensors/{'x' * 5000}": 404,
    f"{DATA}/values/softmax": 404,
    f"{DATA}/values/DecodeJpeg": 422,
    f"{DATA}/evidence/3": 404,
    f"{DATA}/evidence/99999999999999999999": 404,
    f"{DATA}/evidence/-1": 404,
    f"{DATA}/evidence/0?over=dog": 422,
    f"{DATA}/progress?tab={'t' * 65}": 422,
    "/api/photos/..": 404,
    "/api/photos/%00": 404,
    f"/api/photos/{'0' * 32}": 404,
    f"{PHOTO}/map/conv/32.png": 404,
    f"{PHOTO}/map/conv/-1.png": 404,
    f"{PHOTO}/map/conv/{'9' * 5000}.png": 404,
    f"{PHOTO}/tensor/conv/filter/{'9' * 5000}": 404,
    f"{PHOTO}/evidence/{'9' * 5000}.png": 404,
    f"{PHOTO}/thumbnail/conv.png?rows={'9' * 5000}": 422,
    f"{PHOTO}/thumbnail/conv.png?rows=nan": 422,
    f"{PHOTO}/page.html?address=conv&filter=1e9": 422,
    f"{PHOTO}/map/conv/1e3.png": 404,
    f"{PHOTO}/map/conv/99999999999999999999999.png": 404,
    f"{PHOTO}/map/conv/%D9%A3.png": 404,
    f"{PHOTO}/map/conv/猫.png": 404,
    f"{PHOTO}/thumbnail/conv.png?rows=0": 422,
    f"{PHOTO}/thumbnail/conv.png?rows=1000": 422,
    f"{PHOTO}/thumbnail/conv.png?rows=two": 422,
    f"{PHOTO}/levels/conv.png?colour=pink": 422,
    f"{PHOTO}/levels/conv.png?scale=": 422,
    f"{PHOTO}/picture.png": 422,
    f"{PHOTO}/picture.png?address=conv&sort=beauty": 422,
    f"{PHOTO}/page.html?address=conv&filter=32": 422,
    f"{PHOTO}/tensor/conv/filter/32": 404,
    f"{PHOTO}/tensor/conv?sort=beauty": 422,
    f"{PHOTO}/verdict?class=dog": 422,
    "/api/tensors?pattern=nothing*": 404,
    "/api/tensors?pattern=[": 422,
    "/static/../app.py": 404,
    "/static/%2e%2e/app.py": 404,
    "/static/..%2fapp.py": 404,
    "/static/%00": 404,
    "/static": 404,
    "/static/": 404,
    "//evil.example/": 404,
}
"""Path -> the status of its response, which is never a server error."""


@pytest.mark.parametrize("path", WRONG)
def test_odd_paths_are_client_errors(path: str, client: Client) -> None:
    """Paths that leave the tree, or have NUL, encoded slashes or unusual letters, get a 4xx with one line."""
    answer = client.get(path, {"Accept": "application/json"})
    assert answer.status == WRONG[path]
    if answer.status >= 400:
        assert set(answer.json) == {"error", "status"}
        assert "\n" not in answer.json["error"]


def test_unsupported_methods(client: Client) -> None:
    """An unsupported method gets a 405."""
    assert client.get("/api/peek").status == 405
    assert client.get("/api/health", method="DELETE").status == 405
    assert client.get("/api/health", method="HEAD").body == b""


def events(text: str) -> list[tuple[str, Any]]:
    """Return the events of a stream."""
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [(block[0].removeprefix("event: "), json.loads(block[1].removeprefix("data: "))) for block in blocks]


def test_progress_is_a_stream_of_events(client: Client) -> None:
    """The progress stream has an event for each segment, and one event at the end."""
    answer = client.get(f"{DATA}/progress?tab=x")
    assert answer.headers["content-type"].startswith("text/event-stream")
    *steps, last = events(answer.text)
    assert last == ("done", {})
    assert [step["done"] for _, step in steps] == list(range(1, 14))
    assert {step["of"] for _, step in steps} == {13}
    assert "mixed/tower_2/conv" in steps[1][1]["sites"]


def noise(seed: int) -> bytes:
    """Return the file of a random photo."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (60, 60, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def fresh_photo(client: Client, seed: int) -> str:
    """Return the id of a new photo, without a forward pass."""
    name: str = client.send([("photo", "noise.png", noise(seed))]).json["photo"]
    return name


def idle(served: Served) -> None:
    """Wait until no work is in progress."""
    for _ in range(3000):
        if not served.backend.scheduler.jobs:
            return
        time.sleep(0.01)
    raise AssertionError("work goes on")


def test_closing_the_stream_ends_the_work(served: Served) -> None:
    """If the connection is closed after the first step, the forward pass stays incomplete, and the next request is served."""
    photo = fresh_photo(served.client, 1)
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(
            f"GET /api/photos/{photo}/progress HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()
        )
        while b"event: progress" not in connection.recv(65536):
            pass
    idle(served)
    assert 1 <= served.backend.passes.done(photo) < len(served.backend.segments)
    assert served.client.get(f"{DATA}/tensors/conv").status == 200


def test_closing_a_record_ends_the_work(served: Served) -> None:
    """A request for the last tensor, closed at once, does not compute the whole network."""
    photo = fresh_photo(served.client, 2)
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(
            f"GET /api/photos/{photo}/tensors/pool_3 HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()
        )
        while photo not in served.backend.scheduler.jobs:
            time.sleep(0.001)
    idle(served)
    assert served.backend.passes.done(photo) < len(served.backend.segments)


def test_closing_after_an_upload_ends_the_work(served: Served) -> None:
    """If a client disconnects before the response to its upload, the forward pass is not completed."""
    body = form([("photo", "noise.png", noise(5)), ("address", None, b"pool_3")])
    head = (
        f"POST /api/peek HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    photo = hashlib.sha256(noise(5)).hexdigest()[:32]
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        while photo not in served.backend.scheduler.jobs:
            time.sleep(0.001)
    idle(served)
    assert served.backend.passes.done(photo) < len(served.backend.segments)


def test_names_that_are_not_valid_unicode() -> None:
    """A class whose folder name is not valid UTF-8 keeps its name in JSON."""
    answer = json_response({"class": "\udcff"})
    assert json.loads(bytes(answer.body)) == {"class": "\udcff"}


def test_a_second_photo_of_the_tab_ends_the_first_ones_stream(served: Served) -> None:
    """The stream of a tab's first photo ends with the reason when a second photo is uploaded."""
    first, second = (fresh_photo(served.client, seed) for seed in (3, 4))
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(
            f"GET /api/photos/{first}/progress?tab=me HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()
        )
        heard = b""
        while b"event: progress" not in heard:
            heard += connection.recv(65536)
        assert events(served.client.get(f"/api/photos/{second}/progress?tab=me").text)[-1] == ("done", {})
        while b"event: error" not in heard and b"event: done" not in heard:
            heard += connection.recv(65536)
    assert b"now shows another photo" in heard
    assert served.backend.passes.done(first) < len(served.backend.segments)


def test_a_long_record_is_made_beside_the_event_loop(
    client: Client, chelsea: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records are created in the thread pool for rendering, so that other requests are served in the meantime."""
    makers: set[str] = set()
    record = Peek.record

    def noted(self: Peek, *arguments: Any) -> PeekedTensorRecord:
        makers.add(threading.current_thread().name)
        return record(self, *arguments)

    monkeypatch.setattr(Peek, "record", noted)
    fields: list[Field] = [("photo", "x.jpg", chelsea.read_bytes()), ("address", None, b"mixed_*/join")]
    assert client.send(fields, "/api/peek").status == 200
    assert {name.partition("_")[0] for name in makers} == {"render"}
