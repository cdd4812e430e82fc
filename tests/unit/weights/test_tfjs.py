"""TensorFlow.js models are read from their manifest and shards, quantised or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.errors import WeightsError
from godeeper.weights.formats import read_foreign
from godeeper.weights.install import Options, add


def test_reads_shards_cut_within_a_tensor(tfjs_files: Callable[..., Path]) -> None:
    """A tensor that begins in one shard and ends in the next is complete."""
    sample = {"conv2d_1/kernel": np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4), "b": np.ones(3, np.float32)}
    foreign = read_foreign(tfjs_files(sample))
    for name, values in sample.items():
        np.testing.assert_array_equal(foreign.tensors[name], values)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_quantised_numbers_are_restored(tfjs_files: Callable[..., Path], kind: Any) -> None:
    """A quantised value means stored · scale + min, computed in double precision and rounded to single precision."""
    stored = np.array([0, 1, 200], kind)
    foreign = read_foreign(tfjs_files({"a": stored}, quantised={"a": (0.1, -3.0)}))
    np.testing.assert_array_equal(foreign.tensors["a"], (stored.astype(np.float64) * 0.1 - 3.0).astype(np.float32))


def test_float16_is_read(tfjs_files: Callable[..., Path]) -> None:
    """Half-precision values, which have no scale, are read exactly."""
    foreign = read_foreign(tfjs_files({"a": np.array([1.5, -2], np.float16)}))
    np.testing.assert_array_equal(foreign.tensors["a"], [1.5, -2])


def test_a_missing_shard_is_named(tfjs_files: Callable[..., Path], tmp_path: Path) -> None:
    """If a shard is missing, the error names the missing file."""
    path = tfjs_files({"a": np.ones(4, np.float32)})
    (tmp_path / "group1-shard2of2.bin").unlink()
    with pytest.raises(WeightsError, match=r"group1-shard2of2\.bin"):
        read_foreign(path)


def test_a_cut_shard_is_refused(tfjs_files: Callable[..., Path], tmp_path: Path) -> None:
    """A shard that lacks bytes at its end is refused."""
    path = tfjs_files({"a": np.ones(4, np.float32)})
    shard = tmp_path / "group1-shard2of2.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="a has 15 bytes, expected 16"):
        read_foreign(path)


def test_a_quantised_model_is_adopted(tfjs_files: Callable[..., Path], numbers_of: Any, as_keras: Any) -> None:
    """An 8-bit TensorFlow.js model is dequantised and converted to godeeper's layout, with a note."""
    ours = {name: np.round(values * 100).astype(np.uint8) for name, values in numbers_of("keras").items()}
    theirs = as_keras(ours)
    path = tfjs_files(theirs, quantised=dict.fromkeys(theirs, (0.01, 0.25)))
    added = add(path, Options(name="mine"))
    with added.file.parameters() as numbers:
        for name, values in ours.items():
            np.testing.assert_array_equal(numbers.values(name), (values * 0.01 + 0.25).astype(np.float32))
    assert any("uint8 quantised, restored" in note for note in added.notes)


@pytest.mark.parametrize("name", ["../secret.bin", "/etc/hostname", "a/b.bin", ".."])
def test_a_shard_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """A manifest cannot make godeeper read files outside its folder."""
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"weightsManifest": [{"paths": [name], "weights": []}]}))
    with pytest.raises(WeightsError, match="outside of its own folder"):
        read_foreign(path)


@pytest.mark.parametrize("content", ["{}", '{"weightsManifest": 3}', '{"weightsManifest": [{}]}', "{ not json"])
def test_another_json_is_refused(tmp_path: Path, content: str) -> None:
    """JSON that is not a model is refused with a one-line error."""
    path = tmp_path / "model.json"
    path.write_text(content)
    with pytest.raises(WeightsError, match="cannot read the manifest"):
        read_foreign(path)
