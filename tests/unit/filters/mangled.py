"""Damaged index files: each seed always gives the same file, with one or more faults.

There are three kinds: changed bytes, other values in the header, and other numbers in the arrays.  Files of the last two
kinds have a correct hash, so they reach the code after the hash check.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.unit.weights.mangled import bytes_changed, replaced

from godeeper.blueprint.address import resolve_one
from godeeper.errors import GodeeperError
from godeeper.filters.index import MAGIC, read_index
from godeeper.filters.lookup import look_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

ADDRESSES = ("conv[0:8]", "mixed_4/tower_1/conv_4[17]", "mixed/join[86,200]")
START = len(MAGIC) + 32 + 8
WORDS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\1\0\0\0")
"""Four-byte values: the limits of integers, and the floating-point numbers NaN and infinity."""


def header_of(content: bytes) -> dict[str, Any]:
    """Return the header of an index."""
    found: dict[str, Any] = json.loads(content[START : START + int.from_bytes(content[START - 8 : START], "little")])
    return found


def sealed(content: bytes, header: Any, arrays: Mapping[str, NDArray[Any]] | None = None) -> bytes:
    """Return the index with another header, other numbers at the start of ``arrays``, and a correct hash."""
    size = int.from_bytes(content[START - 8 : START], "little")
    body = bytearray(content[START + size + -(START + size) % 64 :])
    table = header_of(content)["arrays"]
    for name, values in (arrays or {}).items():
        place = table[name]["offset"]
        body[place : place + values.nbytes] = values.tobytes()
    text = json.dumps(header).encode()
    whole = len(text).to_bytes(8, "little") + text + b"\0" * (-(START + len(text)) % 64) + body
    return MAGIC + hashlib.sha256(whole).digest() + whole


def mangled(content: bytes, seed: int) -> bytes:
    """Return the index with the faults that ``seed`` selects."""
    dice = random.Random(seed)
    header = header_of(content)
    match dice.randrange(5):
        case 0:
            return bytes_changed(content, dice)
        case 1:
            return sealed(content, replaced(header, dice))
        case 2:
            name = dice.choice([name for name in header if name != "arrays"])
            return sealed(content, header | {name: replaced(header[name], dice)})
        case _:
            name = dice.choice([name for name in header["arrays"] if name != "names" or dice.random() < 0.1])
            word = dice.choice((*WORDS, dice.randbytes(4), b"../."))
            length = header["arrays"][name]["bytes"] // 4 * 4
            values = np.frombuffer(word * (min(length, dice.choice((4, 400, length))) // 4), np.uint8)
            return sealed(content, header, {name: values})


def outcome(path: Path) -> str:
    """Return "" if an index is refused with a one-line error or its filters can be written as JSON, and otherwise the fault."""
    try:
        index = read_index(path)
        for address in ADDRESSES:
            tensor = resolve_one(index.blueprint, address)
            for found in index.filters(tensor):
                json.dumps([found.mean, found.active, dict(found.classes)], allow_nan=False)
            for each in look_up(index, tensor, 1, None):
                json.dumps([each.record(), each.origin.record()], allow_nan=False)
    except GodeeperError as error:
        return "several lines: " + str(error) if "\n" in str(error) else ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""
