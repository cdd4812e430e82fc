"""Damaged and hostile weights files are refused with a one-line error, with bounded time and memory."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import pytest
from tests.unit.weights import mangled

from godeeper.errors import WeightsError
from godeeper.weights.formats import read_foreign

DEEP = 200_000


def test_mangled_files_are_read_or_refused(tmp_path: Path) -> None:
    """Files with random faults, in every format but HDF5, are read or give a one-line error."""
    wrong = []
    for seed in range(2000):
        _, files = mangled.mangled(seed)
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        if said := mangled.outcome(tmp_path / next(iter(files))):
            wrong.append(f"{seed}: {said[:200]}")
    assert not wrong


def nested_json() -> bytes:
    told = b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}"
    return struct.pack("<Q", len(told)) + told


def overlapping() -> bytes:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return mangled.json_file({"a": entry, "b": entry})


CASES = {
    "a pickle of nested tuples": (
        "x.pth",
        mangled.torch_zip(b"\x80\x02})" + b"\x85" * DEEP + b"K\x01s."),
        "nested more",
    ),
    "nested JSON": ("x.safetensors", nested_json(), "not a complete safetensors file"),
    "sides of infinite length": (
        "x.safetensors",
        mangled.json_file({"a": {"dtype": "F32", "shape": [float("inf")], "data_offsets": [0, 8]}}),
        "not a complete safetensors file",
    ),
    "tensors on each other": ("x.safetensors", overlapping(), "overlap"),
    "a manifest of nested JSON": ("model.json", b'{"a":' + b"[" * DEEP, "cannot read the manifest"),
    "one shard many times": (
        "model.json",
        json.dumps({"weightsManifest": [{"paths": ["s"] * 1000, "weights": []}]}).encode(),
        "1 of them different",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_hostile_files_are_refused(tmp_path: Path, case: str) -> None:
    """Each hostile file gives an error of one line that says what is wrong."""
    name, content, said = CASES[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=said):
        read_foreign(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unpacked size of a tar archive is limited, regardless of the sizes that its members state."""
    monkeypatch.setattr("godeeper.weights.formats.frozen_graph.MOST_ARCHIVE_BYTES", 1 << 20)
    path = tmp_path / "x.tgz"
    path.write_bytes(gzip.compress(bytes(3 << 20)))
    with pytest.raises(WeightsError, match="unpacks to more than 1 MiB"):
        read_foreign(path)
