"""Recognises files that godeeper wrote, by a mark in each output format.

=====================  ==================================================================
``.png``               a text chunk ``Software`` that begins with godeeper
``.npz``               an array ``provenance`` that names the weights
``.parquet``           the key ``godeeper`` in the footer
``.index``             the first line
``.svg``, ``.html``    a generator line; in older files, a fixed text
``.json``              ``provenance`` with godeeper's version, or ``godeeper`` and ``certificate``
``.godeeper``          the members of a classifier's file
``.onnx``              the producer's name
``.xml``               ``godeeper`` in OpenVINO's ``rt_info``
``.bin``               a trailer; in older exports, the mark of the ``.xml`` beside it
``.safetensors``       the key ``godeeper`` in the header's metadata
``.pt2``               the extra file ``godeeper.json``
=====================  ==================================================================

Files are recognised by content, not by extension; the exception is ``.bin``.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from .files import open_regular

TRAILER = b"\0written by godeeper\n"
"""The end of OpenVINO's ``.bin``; OpenVINO reads values by offset, so it ignores a trailer."""

HEAD = 1 << 16
LARGEST_TEXT = 1 << 26  # bytes; larger texts are not read
PNG = b"\x89PNG\r\n\x1a\n"
TEXT_CHUNKS = (b"tEXt", b"iTXt")


def ours(path: Path) -> bool:
    """Whether godeeper wrote the file at ``path``; False if it cannot be read."""
    try:
        with open_regular(path) as file:
            head = file.read(HEAD)
            return any(known(path, file, head) for known in KNOWN)
    except (OSError, ValueError, LookupError, RecursionError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return False


def is_png(_: Path | None, file: BinaryIO, head: bytes) -> bool:
    """Whether the file is a PNG with godeeper's text chunk."""
    return head.startswith(PNG) and texts(file).get("Software", "").startswith("godeeper ")


def is_archive(_: Path, file: BinaryIO, head: bytes) -> bool:
    """Whether the file is a classifier, an ``.npz`` or a torch program written by godeeper."""
    if not head.startswith(b"PK"):
        return False
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        if {"classifier.json", "head.safetensors"} <= names or any(
            each.endswith("extra/godeeper.json") for each in names
        ):
            return True
        if "provenance.npy" not in names:
            return False
        with archive.open("provenance.npy") as member:
            return b"weights" in member.read(HEAD).replace(b"\0", b"")  # numpy stores each character in four bytes


def is_page(_: Path, file: BinaryIO, head: bytes) -> bool:
    """Whether the file is HTML or SVG written by godeeper."""
    if not head.lstrip().startswith(b"<"):
        return False
    if b'<meta name="generator" content="godeeper' in head or b"<!-- Generator: godeeper " in head:
        return True
    if b"Drawn by godeeper " in head:  # older maps have no generator line
        return True
    report = b"img-src data:; style-src 'unsafe-inline'" in head
    return report and b"<dt>godeeper</dt>" in whole(file)


def is_openvino(_: Path, file: BinaryIO, head: bytes) -> bool:
    """Whether the file is the ``.xml`` of an OpenVINO export."""
    return head.startswith(b"<?xml") and b"<net " in head and b"<godeeper>" in whole(file)


def is_numbers(path: Path, file: BinaryIO, head: bytes) -> bool:
    """Whether the file is the ``.bin`` of an OpenVINO export."""
    if path.suffix != ".bin" or not head:
        return False
    file.seek(-min(len(head), len(TRAILER)), 2)
    return file.read() == TRAILER or ours(path.with_suffix(".xml"))


def is_json(_: Path, file: BinaryIO, head: bytes) -> bool:
    """Whether the file is the JSON of a report or of an export."""
    if not head.lstrip().startswith(b"{") or b"\0" in head:
        return False
    document = json.loads(whole(file))
    provenance = document.get("provenance")
    return (isinstance(provenance, dict) and "godeeper" in provenance) or {"godeeper", "certificate"} <= document.keys()


def is_onnx(_: Path, file: BinaryIO, head: bytes) -> bool:  # noqa: ARG001
    """Whether the file is an ONNX graph with godeeper as its producer."""
    return b"\x12\x08godeeper" in head[:32]


def is_weights(_: Path, file: BinaryIO, head: bytes) -> bool:  # noqa: ARG001
    """Whether the file contains installed weights."""
    return head[8:].startswith(b'{"__metadata__":{"godeeper":')


def is_filter_index(_: Path, file: BinaryIO, head: bytes) -> bool:  # noqa: ARG001
    """Whether the file is a filter index, of any version."""
    return head.startswith(b"godeeper index ")


def is_parquet(_: Path, file: BinaryIO, head: bytes) -> bool:
    """Whether the file is a Parquet table with godeeper's key in its footer."""
    if not head.startswith(b"PAR1"):
        return False
    end = file.seek(-8, 2)
    length = int.from_bytes(file.read(4), "little")
    file.seek(max(0, end - min(length, LARGEST_TEXT)))
    return b"godeeper" in file.read(length)


KNOWN: tuple[Callable[[Path, BinaryIO, bytes], bool], ...] = (
    is_png, is_archive, is_page, is_openvino, is_numbers, is_json, is_onnx, is_weights, is_parquet, is_filter_index,
)  # fmt: skip


def whole(file: BinaryIO) -> bytes:
    """The content of a file; empty if it is longer than any text that godeeper writes."""
    if file.seek(0, 2) > LARGEST_TEXT:
        return b""
    file.seek(0)
    return file.read()


def is_our_picture(path: Path) -> bool:
    """Whether the file is a picture that godeeper drew; False if it cannot be read."""
    try:
        with open_regular(path) as file:
            return is_png(path, file, file.read(len(PNG)))
    except (OSError, ValueError):
        return False


def photo_of(path: Path) -> str | None:
    """The SHA-256 of the photo that a picture by godeeper shows; None for other files."""
    try:
        with open_regular(path) as file:
            return texts(file).get("godeeper:photo-sha256")
    except (OSError, ValueError):
        return None


def texts(file: BinaryIO) -> dict[str, str]:
    """Key -> text of the uncompressed text chunks that precede a PNG's pixels."""
    file.seek(0)
    if file.read(len(PNG)) != PNG:
        return {}
    found = {}
    for kind, content in chunks(file):
        if kind in TEXT_CHUNKS:
            key, _, rest = content.partition(b"\0")
            text = rest if kind == b"tEXt" else rest[2:].split(b"\0", 2)[-1]
            found[key.decode("latin-1")] = text.decode("utf-8", "replace")
    return found


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each chunk before a PNG's pixels; the content is empty if it is long."""
    while len(start := file.read(8)) == 8:
        length, kind = int.from_bytes(start[:4]), start[4:]
        if kind == b"IDAT":
            return
        content = file.read(length) if length <= HEAD else b""
        yield kind, content
        file.seek(length - len(content) + 4, 1)
