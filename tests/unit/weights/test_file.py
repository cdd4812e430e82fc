"""Weights files: the bundled file matches its description, and a bad file is refused with an error that names the fault."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from godeeper.errors import UnknownName, WeightsError
from godeeper.weights.file import Description, WeightsFile, expected_tensors, read, write
from godeeper.weights.registry import BUNDLED, find, installed_paths

BUNDLED_SHA256 = "4594c32db7487089512ad42aa79738267bae4d59c3a6e3416c497d3a458166a7"

Tensors = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def bundled() -> WeightsFile:
    return find("bundled")


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return load_file(BUNDLED)


def test_the_file_is_what_the_script_makes() -> None:
    """The bundled file has the SHA-256 that scripts/bundle_weights.py prints."""
    assert hashlib.sha256(BUNDLED.read_bytes()).hexdigest() == BUNDLED_SHA256


def test_shapes_and_types(bundled: WeightsFile, tensors: Tensors) -> None:
    """There are 376 eight-bit tensors with the blueprint's shapes: 21,751,136 weights, and three numbers per filter."""
    assert {name: tensor.shape for name, tensor in tensors.items()} == bundled.expected
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.uint8)}
    assert (len(tensors), sum(tensor.size for tensor in tensors.values())) == (376, 21_802_784)
    bundled.verify()


def test_description(bundled: WeightsFile) -> None:
    """The bundled file states its content, source and licence."""
    said = bundled.description
    assert (said.architecture, said.dialect, said.labels) == ("inception_v3", "keras", ())
    assert "nsfwjs@4.3.0" in said.source
    assert said.licence.startswith("MIT")
    assert "fine-tuned" in said.notes
    assert len(said.sha256) == 64


def test_values(bundled: WeightsFile, tensors: Tensors) -> None:
    """A stored value q means q · scale + minimum, computed in double precision and rounded to single precision."""
    name = "conv/conv2d_params"
    scale, minimum = bundled.description.quantised[name]
    expected = (tensors[name].astype(np.float64) * scale + minimum).astype(np.float32)
    with bundled.parameters() as numbers:
        np.testing.assert_array_equal(numbers.values(name), expected)


def small(
    tmp_path: Path, tensors: Tensors, bundled: WeightsFile, change: Callable[[Tensors], None], **fields: Any
) -> Path:
    """Write a copy of the bundled file with changed tensors and a matching hash, and return its path."""
    changed = dict(tensors)
    change(changed)
    path = tmp_path / "changed.safetensors"
    description = replace(bundled.description, **fields)
    try:
        write(path, changed, description)
    except WeightsError:
        assert path.exists()  # the file was written, and refused when it was read back
    return path


def drop(name: str) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.__delitem__(name)


def put(name: str, value: NDArray[Any]) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.update({name: value})


NAMES = list(expected_tensors(find("bundled").blueprint, with_classifier=False))
KERNEL = "mixed/conv/conv2d_params"
BAD: dict[str, tuple[Callable[[Tensors], None], dict[str, Any], str]] = {
    "missing": (drop(KERNEL), {}, f"1 missing .{KERNEL}"),
    "strange": (put("dense_1/kernel", np.zeros(3, np.uint8)), {}, "1 unknown .dense_1/kernel"),
    "transposed": (
        put(KERNEL, np.zeros((192, 64, 1, 1), np.uint8)),
        {},
        r"shape \(192, 64, 1, 1\), expected \(64, 192, 1, 1\)",
    ),
    "nan": (put(KERNEL, np.full((64, 192, 1, 1), np.nan, np.float32)), {}, "NaN"),
    "infinite": (put(KERNEL, np.full((64, 192, 1, 1), np.inf, np.float32)), {}, "infinity"),
    "no scale": (lambda _: None, {"quantised": {}}, "scale and minimum are missing"),
    "scale nan": (lambda _: None, {"quantised": {name: (float("nan"), 0.0) for name in NAMES}}, "NaN"),
    "half": (put(KERNEL, np.zeros((64, 192, 1, 1), np.float16)), {}, "float16, expected float32 or uint8"),
    "other network": (lambda _: None, {"architecture": "resnet50"}, "architecture 'resnet50'"),
    "other dialect": (lambda _: None, {"dialect": "caffe"}, "dialect 'caffe'"),
    "other format": (lambda _: None, {"format": 99}, "format 99"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_content(name: str, tmp_path: Path, tensors: Tensors, bundled: WeightsFile) -> None:
    """For each fault in a file's content, the error names the tensor or the field."""
    change, fields, reason = BAD[name]
    path = small(tmp_path, tensors, bundled, change, **fields)
    with pytest.raises(WeightsError, match=reason) as caught:
        read(path).verify()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("length", [0, 7, 100, 100_000, 21_000_000])
def test_truncated(length: int, tmp_path: Path) -> None:
    """A file that is truncated anywhere is refused when it is opened."""
    path = tmp_path / "cut.safetensors"
    path.write_bytes(BUNDLED.read_bytes()[:length])
    with pytest.raises(WeightsError, match="not a complete safetensors file"):
        read(path)


def test_one_bit_flipped(tmp_path: Path) -> None:
    """A flipped bit anywhere in the values is detected."""
    content = bytearray(BUNDLED.read_bytes())
    content[-1000] ^= 4
    path = tmp_path / "flipped.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        read(path).verify()


def test_somebody_elses_safetensors(tmp_path: Path) -> None:
    """A safetensors file that godeeper did not write, and one with broken metadata, have different errors."""
    path = tmp_path / "other.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(WeightsError, match="without godeeper's metadata"):
        read(path)
    save_file({"weight": np.zeros(3, np.float32)}, path, metadata={"godeeper": json.dumps({"format": 1})})
    with pytest.raises(WeightsError, match="cannot read the metadata"):
        read(path)


def test_writing_is_deterministic(tmp_path: Path, tensors: Tensors, bundled: WeightsFile) -> None:
    """The same content gives the same bytes as the bundled file, which another process wrote."""
    path = tmp_path / "again.safetensors"
    write(path, tensors, replace(bundled.description, sha256=""))
    assert path.read_bytes() == BUNDLED.read_bytes()


def test_expected_tensors_of_a_whole_classifier() -> None:
    """With gamma and a classifier, the expected tensors are those that the blueprint's parameters require."""
    from godeeper.blueprint.dialects import in_dialect
    from godeeper.blueprint.inception_v3 import INCEPTION_V3

    shapes = expected_tensors(in_dialect(INCEPTION_V3, "2015"), with_classifier=True)
    assert shapes["softmax/weights"] == (2048, 1008)
    assert len(shapes) == 94 * 5 + 2


def test_registry() -> None:
    """The bundled weights are installed, and an unknown name does not fall back to them."""
    assert list(installed_paths()) == ["bundled"]
    with pytest.raises(UnknownName, match="expected one of bundled"):
        find("imagenet")


def test_description_is_frozen(bundled: WeightsFile) -> None:
    """The description cannot be changed."""
    with pytest.raises(AttributeError):
        bundled.description.name = "other"  # type: ignore[misc]
    assert isinstance(bundled.description, Description)
