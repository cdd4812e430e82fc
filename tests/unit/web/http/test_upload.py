"""Uploads: readable photos are stored, all other files get a one-line error, and the server continues."""

from __future__ import annotations

import io
import socket
import struct
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from tests.unit.web.client import BOUNDARY, Answer, Client, form
from tests.unit.web.conftest import serving

from godeeper.web.compute.backend import Backend
from godeeper.web.http.connections import Limits
from godeeper.web.http.upload import UploadReader, UploadTimer, shown_name

if TYPE_CHECKING:
    from tests.unit.web.conftest import Served

    from godeeper.network import Network

FORM = f"multipart/form-data; boundary={BOUNDARY}"


def picture(format: str, mode: str = "RGB", *, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """Return the bytes of a picture of noise; a large picture is grey."""
    buffer = io.BytesIO()
    Image.effect_noise(size, 60 if max(size) < 1000 else 0).convert(mode).save(buffer, format, **options)
    return buffer.getvalue()


def huge_header(width: int = 50_000, height: int = 50_000) -> bytes:
    """Return a PNG of a few bytes whose header states this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def animation() -> bytes:
    """Return a GIF of three frames."""
    buffer = io.BytesIO()
    frames = [Image.new("L", (40, 30), shade) for shade in (0, 128, 255)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


GOOD = {
    "jpeg": (picture("JPEG"), ""),
    "png": (picture("PNG"), ""),
    "webp": (picture("WEBP"), ""),
    "grey": (picture("PNG", "L"), ""),
    "cmyk": (picture("JPEG", "CMYK"), "CMYK"),
    "palette": (picture("PNG", "P"), ""),
    "animated": (animation(), "first of 3 frames"),
    "transparent": (picture("PNG", "RGBA"), ""),
    "one pixel": (b"P6 1 1 255\n\xff\0\0", ""),
}
"""Name -> the bytes of a valid photo, and a part of the photo's notes."""

BAD = {
    "empty": (b"", "the file is empty"),
    "text": (b"hello, this is no photo", "not a photo (it looks like text)"),
    "html": (b"<html><script>alert(1)</script>", "not a photo"),
    "zip": (b"PK\3\4" + bytes(200), "not a photo"),
    "truncated": (picture("PNG")[:-400], "damaged or cut short"),
    "truncated jpeg": (picture("JPEG")[:-300], "damaged or cut short"),
    "header alone": (b"\x89PNG\r\n\x1a\n", "cat.jpg"),
    "huge header": (huge_header(), "megapixels"),
    "JPEG 2000 of many pixels": (
        picture("JPEG2000", size=(4000, 2001)),
        "the page takes at most 8 megapixels and 8 MiB",
    ),
    "JPEG 2000 of many bytes": (picture("JPEG2000") + bytes(8 << 20), "the page takes at most 8 megapixels and 8 MiB"),
    "endless row": (huge_header(60_000_000, 1), "at most 100,000 per side"),
    "floats": (picture("TIFF", "F"), "floating-point"),
}
"""Name -> the bytes of a file that is not a photo, and a part of the error message."""


@pytest.mark.parametrize("kind", GOOD)
def test_photos_are_stored(kind: str, client: Client) -> None:
    """A photo in any supported format is stored, with notes on how it was converted."""
    data, note = GOOD[kind]
    answer = client.send([("photo", "cat.jpg", data)])
    assert answer.status == 201
    assert note in " ".join(answer.json["notes"])
    assert client.get(answer.json["url"]).status == 200


def refusal(answer: Answer, status: int) -> str:
    """Check that an upload was refused with ``status`` in one line, and return that line."""
    assert answer.status == status
    assert answer.json["status"] == status
    message: str = answer.json["error"]
    assert "\n" not in message
    assert "Traceback" not in answer.text
    return message


@pytest.mark.parametrize("kind", BAD)
def test_other_files_are_refused(kind: str, client: Client) -> None:
    """A file that is not a readable photo gets a 422 with one line, and the server continues."""
    data, message = BAD[kind]
    assert message in refusal(client.send([("photo", "cat.jpg", data)]), 422)
    assert client.get("/api/health").status == 200


FORMS: dict[str, tuple[str, bytes, int, str]] = {
    "no form": ("application/json", b"{}", 415, "expected multipart/form-data"),
    "no type": ("", b"x", 415, "expected multipart/form-data"),
    "plain form": ("application/x-www-form-urlencoded", b"photo=x", 415, "expected multipart/form-data"),
    "no boundary": ("multipart/form-data", form([]), 400, "boundary"),
    "wrong boundary": (
        "multipart/form-data; boundary=other",
        form([("photo", "x", b"1")]),
        400,
        "cannot read the form",
    ),
    "empty boundary": ("multipart/form-data; boundary=", form([]), 400, "cannot read the form"),
    "boundary too long": (f"multipart/form-data; boundary={'b' * 9000}", form([]), 400, "cannot read the form"),
    "nothing": (FORM, b"", 400, "ends too early"),
    "no parts": (FORM, form([]), 422, "the form holds nothing"),
    "not ended": (FORM, form([("photo", "x.jpg", picture("JPEG"))])[:-30], 400, "ends too early"),
    "noise": (FORM, bytes(range(256)) * 40, 400, "cannot read the form"),
    "no photo": (FORM, form([("image", "x.jpg", b"1")]), 422, "expected one file called 'photo'"),
    "photo is text": (FORM, form([("photo", None, b"1")]), 422, "expected one file called 'photo'"),
    "two photos": (FORM, form([("photo", "a", b"1"), ("photo", "b", b"2")]), 400, "Too many files"),
    "many fields": (FORM, form([(f"f{n}", None, b"1") for n in range(5000)]), 400, "fields"),
    "long field": (FORM, form([("tab", None, b"1" * 100_000)]), 400, "maximum size"),
    "long tab": (FORM, form([("tab", None, b"1" * 65), ("photo", "x.png", picture("PNG"))]), 422, "tab of 65"),
    "no name": (
        FORM,
        f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\n1\r\n--{BOUNDARY}--".encode(),
        400,
        "name",
    ),
    "many headers": (FORM, f"--{BOUNDARY}\r\n{'X: 1' * 50_000}\r\n".encode(), 400, "cannot read the form"),
}
"""Name -> content type, body, status, a part of the error message."""


@pytest.mark.parametrize("kind", FORMS)
def test_broken_forms_are_refused(kind: str, client: Client) -> None:
    """A broken form gets a 4xx with one line, and the server continues."""
    content, body, status, message = FORMS[kind]
    headers = {"Content-Type": content} if content else {}
    assert message in refusal(client.ask("POST", "/api/photos", body, headers), status)
    assert client.get("/api/health").status == 200


def test_too_large_is_refused_before_it_is_read(client: Client) -> None:
    """A Content-Length beyond the limit is refused at once."""
    answer = client.ask("POST", "/api/photos", b"", {"Content-Type": FORM, "Content-Length": str(200 * 10**6)})
    assert "64 MiB" in refusal(answer, 413)


def test_too_large_is_refused_while_it_arrives(served: Served) -> None:
    """A chunked body of 200 MB is refused when it reaches the limit."""
    piece = b"x" * (1 << 20)
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'.encode()
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(request_head(served.port, "Transfer-Encoding: chunked"))
        for chunk in (head, *([piece] * 200)):
            connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        connection.sendall(b"0\r\n\r\n")
        answer = received(connection)
    assert b"413" in answer.partition(b"\r\n")[0]
    assert b"64 MiB" in answer
    assert served.client.get("/api/health").status == 200


def request_head(port: int, more: str) -> bytes:
    """Return the head of an upload."""
    return f"POST /api/photos HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {FORM}\r\n{more}\r\n\r\n".encode()


def received(connection: socket.socket) -> bytes:
    """Return the bytes received until the response is complete, or the connection is closed."""
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
            if b"}" in answer:
                break
    except OSError:
        pass
    return answer


def test_a_slow_body_times_out(net: Network) -> None:
    """A client that stops sending gets a 408, and does not block others."""
    backend = Backend(net.weights, net.preprocess)
    with (
        serving(backend, upload_reader=UploadReader(UploadTimer(idle=0.3))) as slow,
        socket.create_connection(("127.0.0.1", slow.port), timeout=30) as connection,
    ):
        connection.sendall(request_head(slow.port, "Content-Length: 1000") + b"--")
        assert b"408" in received(connection).partition(b"\r\n")[0]
        assert slow.client.send([("photo", "x.png", picture("PNG"))]).status == 201


def test_slow_headers_are_disconnected(net: Network) -> None:
    """A connection that never finishes its request is closed."""
    backend = Backend(net.weights, net.preprocess)
    with (
        serving(backend, limits=Limits(head=0.3)) as slow,
        socket.create_connection(("127.0.0.1", slow.port), timeout=30) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert connection.recv(100) == b""
        assert slow.client.get("/api/health").status == 200


def test_an_upload_cut_off_leaves_nothing(served: Served) -> None:
    """If a client disconnects in the middle of its photo, no data is left in the server."""
    kept = len(served.backend.photos.cache)
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(request_head(served.port, "Content-Length: 100000") + form([("photo", "x", b"1")])[:60])
    assert served.client.get("/api/health").status == 200
    assert len(served.backend.photos.cache) == kept


def test_no_photo_is_written_to_the_disk(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo of several megabytes stays in memory while it is read: no temporary file is created."""
    import tempfile

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, fail)
    noise = io.BytesIO()
    Image.effect_noise((2000, 2000), 90).save(noise, "BMP")
    assert client.send([("photo", "noise.bmp", noise.getvalue())]).status == 201


def test_browsers_without_a_script_are_sent_on(client: Client, chelsea: Path) -> None:
    """An upload from a browser without JavaScript is redirected to the photo's page, or gets an error page."""
    accept = {"Accept": "text/html,application/xhtml+xml"}
    sent = client.send([("photo", "cat.jpg", chelsea.read_bytes())], headers=accept)
    assert (sent.status, sent.headers["location"][:7]) == (303, "/photo/")
    failed = client.send([("photo", "cat.jpg", b"")], headers=accept)
    assert failed.status == 422
    assert failed.headers["content-type"].startswith("text/html")
    assert "the file is empty" in failed.text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("cat.jpg", "cat.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.jpg", "cat.jpg"),
        ("猫\u202e\x00\n.jpg", "猫.jpg"),
        ("", "photo"),
        ("..", "photo"),
        ("/", "photo"),
        ("x" * 500, "x" * 119 + "…"),
        (None, "photo"),
    ],
)
def test_names_are_text_to_show(given: str | None, expected: str) -> None:
    """Folders, control characters and excess length are removed from a client's file name."""
    assert shown_name(given) == expected


def test_many_uploads_at_once(client: Client, chelsea: Path) -> None:
    """Sixteen uploads at the same time are all stored."""
    data = chelsea.read_bytes()
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.send([("photo", "cat.jpg", data)]).status))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [201] * 16


@pytest.mark.parametrize("length", ["9" * 400, "9" * 5000, "²", "-1", "1e3"])
def test_announced_lengths(length: str, client: Client) -> None:
    """A Content-Length that is not a number, or has too many digits, is refused."""
    answer = client.ask("POST", "/api/photos", b"", {"Content-Type": FORM, "Content-Length": length})
    assert 400 <= answer.status < 500
