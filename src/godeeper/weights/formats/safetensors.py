"""Reads the safetensors files of other projects, such as timm, including files in half precision.

A file consists of the length of a JSON header, the header, and the bytes of the tensors.  It is parsed here because the
safetensors package returns numpy arrays, and numpy has no bfloat16.  Source: the README of huggingface/safetensors.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from .foreign import ForeignWeights, array_of, damaged, read_whole

FORMAT = "safetensors"
MOST_HEADER_BYTES = 100_000_000  # the limit of the format itself

TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def read(path: Path) -> ForeignWeights:
    """Read all tensors of a file."""
    data = memoryview(read_whole(path))
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MOST_HEADER_BYTES, len(data) - 8):
        raise damaged(path, "safetensors file", f"its header of {length} bytes is missing")
    content = data[8 + length :]
    try:
        header = json.loads(bytes(data[8 : 8 + length]))
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        types = {name: TYPES.get(entry["dtype"], str(entry["dtype"])) for name, entry in entries.items()}
        check_apart(entries)
        tensors = {name: tensor(content, entry, types[name], f"{path}: {name}") for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise damaged(path, "safetensors file", error) from None
    return ForeignWeights(path, FORMAT, tensors, types)


def check_apart(entries: dict[str, dict[str, Any]]) -> None:
    """Raise ``ValueError`` if two tensors share bytes, which the format forbids."""
    places = sorted((*entry["data_offsets"], name) for name, entry in entries.items())
    for (_, end, name), (start, _, following) in pairwise(places):
        if start < end:
            raise ValueError(f"{name[:80]} and {following[:80]} overlap")


def tensor(content: memoryview, entry: dict[str, Any], kind: str, label: str) -> Any:
    """The tensor that an entry of the header describes."""
    start, end = entry["data_offsets"]
    if not 0 <= start <= end <= len(content):
        raise ValueError(f"{label.rpartition(': ')[2]} reaches beyond the end of the file")
    return array_of(content[start:end], kind, tuple(int(side) for side in entry["shape"]), label)
