"""Third-party safetensors files are read, in half precision too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.errors import WeightsError
from godeeper.weights.formats import read_foreign

SAMPLE: dict[str, Any] = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "h": np.array([1.5], np.float16),
    "n": np.array(3),
}


def test_reads_every_type_to_the_bit(safetensors_file: Callable[..., Path]) -> None:
    """Values of every type are read bit for bit as they were written."""
    foreign = read_foreign(safetensors_file(SAMPLE))
    for name, values in SAMPLE.items():
        np.testing.assert_array_equal(foreign.tensors[name], values)


def test_bfloat16_is_widened_exactly(safetensors_file: Callable[..., Path]) -> None:
    """The value 0.15625 in bfloat16 is read exactly."""
    foreign = read_foreign(safetensors_file({"b": np.array([0x3E20], np.uint16)}))
    np.testing.assert_array_equal(foreign.tensors["b"], np.array([0.15625], np.float32))


def test_reads_what_safetensors_writes(tmp_path: Path) -> None:
    """Files that the safetensors package wrote are read correctly."""
    from safetensors.numpy import save_file

    save_file(SAMPLE, tmp_path / "s.safetensors", metadata={"format": "pt"})
    foreign = read_foreign(tmp_path / "s.safetensors")
    assert set(foreign.tensors) == set(SAMPLE)
    np.testing.assert_array_equal(foreign.tensors["a"], SAMPLE["a"])


@pytest.mark.parametrize("size", [4, 20, 100, -1])
def test_a_cut_file_is_refused(safetensors_file: Callable[..., Path], size: int) -> None:
    """A file truncated anywhere gives a one-line error."""
    path = safetensors_file(SAMPLE)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(WeightsError) as caught:
        read_foreign(path)
    assert "\n" not in str(caught.value)


def test_eight_bit_floats_are_refused_by_name(tmp_path: Path) -> None:
    """8-bit floating-point values are refused with the name of their type."""
    header = b'{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'
    path = tmp_path / "f8.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    with pytest.raises(WeightsError, match="a is stored as F8_E4M3"):
        read_foreign(path)
