"""Damaged weights files: each seed always gives the same file.

Each file starts as a small valid file in one of the formats; for HDF5 see ``mangled_hdf5.py``.  Then bytes are changed,
removed, repeated or set to the limits of integers, or JSON values are replaced.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.unit.weights.conftest import (
    constant,
    field,
    integer,
    long,
    node,
    pickle_of,
    state_dict_pickle,
    text,
)

from godeeper.errors import GodeeperError
from godeeper.weights.convert import convert
from godeeper.weights.file import read
from godeeper.weights.formats import read_foreign
from godeeper.weights.formats.foreign import ForeignWeights

SAMPLE = {"a.b": np.arange(6, dtype=np.float32).reshape(2, 3), "conv/batchnorm/gamma": np.ones(5, np.float32)}
VALUES: list[Any] = [
    None, True, 0, 1, -1, 10**5, 2**31, 2**63, 10**400, 0.5, 1e308, float("nan"), float("inf"), "", "a", "\x00", "\ud800",
    "../x", "/dev/zero", "x" * 5000, [], [[]], {}, [-2, -3], [2.0, 3.0], [1 << 40, 0], [0] * 70, {"a": 1}, ["shard.bin"] * 9,
]  # fmt: skip
ENDS = [
    b"\xff" * 4,
    b"\xff" * 8,
    b"\0" * 8,
    b"\0\0\0\x80",
    b"\xff\xff\xff\x7f",
    b"\xff" * 9 + b"\x01",
    b"\0\0\0\0\0\0\0\x80",
]


@cache
def wholes() -> dict[str, dict[str, bytes]]:
    """Return kind -> name -> content of the files of an intact sample.  The first file is the one that is read."""
    graph = b"".join(field(1, node(name, "Const", value=constant(values))) for name, values in SAMPLE.items())
    return {
        "graph": {"x.pb": graph},
        "tar": {"x.tgz": tar(graph)},
        "zip": {"x.pth": torch_zip()},
        "legacy": {"x.pth": legacy()},
        "safetensors": {"x.safetensors": safetensors({})},
        "tfjs": {"model.json": json.dumps(manifest()).encode(), "shard.bin": raw()},
        "own": {"x.own": safetensors({"godeeper": json.dumps(description())})},
    }


def raw() -> bytes:
    return b"".join(values.tobytes() for values in SAMPLE.values())


def tar(graph: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("classify_image_graph_def.pb")
        info.size = len(graph)
        archive.addfile(info, io.BytesIO(graph))
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def torch_zip(pickled: bytes | None = None) -> bytes:
    data = {f"s/data/{key}": values.tobytes() for key, values in enumerate(SAMPLE.values())}
    return zipped({"s/data.pkl": pickled or state_dict_pickle(SAMPLE), **data})


def legacy() -> bytes:
    parts = [pickle_of(long(0x1950A86A20F9469CFC6C)), pickle_of(integer(1001)), pickle_of(b"}")]
    keys = pickle_of(b"](" + b"".join(text(str(key)) for key in range(len(SAMPLE))) + b"e")
    stored = [struct.pack("<q", values.size) + values.tobytes() for values in SAMPLE.values()]
    return b"".join([*parts, state_dict_pickle(SAMPLE, legacy=True), keys, *stored])


def header() -> dict[str, Any]:
    entries: dict[str, Any] = {}
    start = 0
    for name, values in SAMPLE.items():
        entries[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [start, start + values.nbytes]}
        start += values.nbytes
    return entries


def safetensors(metadata: dict[str, str], entries: Any = None) -> bytes:
    told = json.dumps({**({"__metadata__": metadata} if metadata else {}), **(entries or header())}).encode()
    return struct.pack("<Q", len(told)) + told + raw()


def manifest() -> dict[str, Any]:
    weights: list[dict[str, Any]] = [
        {"name": name, "shape": list(values.shape), "dtype": "float32"} for name, values in SAMPLE.items()
    ]
    weights[0]["quantization"] = {"dtype": "float32", "scale": 1.5, "min": 0}
    return {"weightsManifest": [{"paths": ["shard.bin"], "weights": weights}]}


def description() -> dict[str, Any]:
    return {
        "format": 1, "name": "x", "architecture": "inception_v3", "dialect": "torchvision", "preprocessing": {"size": 299},
        "labels": ["a", "b"], "source": "s", "licence": "l", "notes": "", "quantised": {}, "sha256": "0" * 64, "scope": "",
        "aliases": {},
    }  # fmt: skip


def mangled(seed: int) -> tuple[str, dict[str, bytes]]:
    """Return (kind, files) with the damage that ``seed`` selects."""
    dice = random.Random(seed)
    kind = list(wholes())[seed % len(wholes())]
    files = dict(wholes()[kind])
    name = next(iter(files))
    if dice.random() < 0.5 and kind in IN_JSON:
        files[name] = IN_JSON[kind](dice)
    else:
        files[name] = bytes_changed(files[name], dice)
    if kind == "tar":
        files[name] = gzip.compress(files[name], 1)
    return kind, files


def bytes_changed(payload: bytes, dice: random.Random) -> bytes:
    """Return ``payload`` with bytes changed, deleted, duplicated, or overwritten with the limits of integers."""
    found = bytearray(payload)
    for _ in range(dice.choice([1, 1, 2, 8])):
        start, length = dice.randrange(max(1, len(found))), dice.choice([1, 2, 4, 8, 40])
        piece = bytes(found[start : start + length])
        change = dice.choice([dice.randbytes(length), b"", piece * 2, piece * 200, dice.choice(ENDS)])
        inserted = dice.random() < 0.3
        found[start : start if inserted else start + (len(change) or length)] = change
    return bytes(found)


def replaced(value: Any, dice: random.Random) -> Any:
    """Return a copy of a JSON value with one value in it replaced."""
    if isinstance(value, dict | list) and value and dice.random() < 0.85:
        key = dice.choice(list(value) if isinstance(value, dict) else range(len(value)))
        copy = value.copy()
        copy[key] = replaced(value[key], dice)
        return copy
    return dice.choice(VALUES)


IN_JSON: dict[str, Callable[[random.Random], bytes]] = {
    "safetensors": lambda dice: json_file(replaced(header(), dice)),
    "tfjs": lambda dice: json.dumps(replaced(manifest(), dice)).encode(),
    "own": lambda dice: safetensors({"godeeper": json.dumps(replaced(description(), dice))}),
}


def json_file(entries: Any) -> bytes:
    told = json.dumps(entries).encode()
    return struct.pack("<Q", len(told)) + told + raw()


def outcome(path: Path, reader: Callable[[Path], ForeignWeights] = read_foreign) -> str:
    """Return an empty string if the file is read or refused with a one-line error, and otherwise a description of the fault."""
    try:
        if path.suffix == ".own":
            read(path).verify()
        else:
            convert(reader(path), "x", source="s")
    except GodeeperError as error:
        return "several lines: " + str(error) if "\n" in str(error) else ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""
