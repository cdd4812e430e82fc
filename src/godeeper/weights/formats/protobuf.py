"""Lists the fields of protocol buffers in a file, without reading their content.

Source: the wire format in the documentation of protocol buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MOST_FIELDS = 20_000
LONGEST_HEAD = 20
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5


class ProtobufField(NamedTuple):
    """A field of a message.

    ``kind``: its wire type.  ``value``: its integer, 0 for other types.  ``start`` and ``length``: its bytes in the file.
    """

    number: int
    kind: int
    value: int
    start: int
    length: int


def protobuf_fields(file: BinaryIO, start: int, length: int, most: int = MOST_FIELDS) -> Iterator[ProtobufField]:
    """Yield at most ``most`` fields of a message; stops at bytes that are not a field."""
    end = start + length
    for _ in range(most):
        if start >= end:
            return
        file.seek(start)
        head = memoryview(file.read(LONGEST_HEAD))
        try:
            key, used = varint(head, 0)
            value, size = 0, {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(key & 7, 0)
            if key & 7 == VARINT:
                value, used = varint(head, used)
            elif key & 7 == BYTES:
                size, used = varint(head, used)
            elif not size:
                return
        except (ValueError, IndexError):
            return
        yield ProtobufField(key >> 3, key & 7, value, start + used, min(size, end - start - used))
        start += used + size


def content(file: BinaryIO, part: ProtobufField, most: int = 512) -> bytes:
    """The first ``most`` bytes of a field."""
    file.seek(part.start)
    return file.read(min(part.length, most))


def varint(message: memoryview, position: int) -> tuple[int, int]:
    """An integer stored with seven bits per byte, and the position after it; raises ``ValueError`` or ``IndexError``."""
    value = shift = 0
    while shift < 70:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise ValueError("an integer without an end")
