"""PyTorch files are read bit for bit, and their code is never run."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.errors import WeightsError
from godeeper.weights.formats import read_foreign

SAMPLE = {
    "a": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "half": np.array([0.5, -2, 65504], np.float16),
    "double": np.array([1 / 3]),
    "count": np.array(7, np.int64),
}


class Plant:
    """An object whose pickle calls a function when an ordinary unpickler reads it."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def zipped(path: Path, pickled: bytes) -> Path:
    """Write a zip archive with PyTorch's layout and this pickle, and return its path."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/data/0", bytes(4))
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_reads_every_type_to_the_bit(torch_file: Callable[..., Path], *, legacy: bool) -> None:
    """Files in the zip format and in the older format give the tensors that were written."""
    foreign = read_foreign(torch_file(SAMPLE, legacy=legacy))
    assert set(foreign.tensors) == set(SAMPLE)
    for name, values in SAMPLE.items():
        np.testing.assert_array_equal(foreign.tensors[name], values)
    assert foreign.types == {"a": "float32", "half": "float16", "double": "float64", "count": "int64"}


def test_bfloat16_is_widened_exactly(torch_file: Callable[..., Path]) -> None:
    """1.0, -2.0 and 0.15625 in bfloat16 are read as those numbers."""
    foreign = read_foreign(torch_file({"b": np.array([0x3F80, 0xC000, 0x3E20], np.uint16)}))
    np.testing.assert_array_equal(foreign.tensors["b"], np.array([1.0, -2.0, 0.15625], np.float32))
    assert foreign.types["b"] == "bfloat16"


@pytest.mark.parametrize("wrap", [zipped, Path.write_bytes], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "call",
    [(os.system, "touch {}"), (eval, "open({!r}, 'w')"), (open, "{}", "w"), (os.mkdir, "{}")],
    ids=["system", "eval", "open", "mkdir"],
)
def test_code_in_a_pickle_is_not_run(tmp_path: Path, wrap: Any, call: tuple[Any, ...]) -> None:
    """A pickle that would create a file is refused with one line that names the function, and the file is not created."""
    planted = tmp_path / "planted"
    function, *arguments = call
    payload = {"a": Plant(function, *(argument.format(str(planted)) for argument in arguments))}
    path = tmp_path / "evil.pth"
    wrap(path, pickle.dumps(payload, protocol=2))
    with pytest.raises(WeightsError, match="which was not run; expected tensors only") as caught:
        read_foreign(path)
    assert not planted.exists()
    assert "\n" not in str(caught.value)


def test_the_planted_payload_would_have_worked(tmp_path: Path) -> None:
    """An ordinary unpickler does run this payload, which proves that the previous test is able to fail."""
    planted = tmp_path / "planted"
    pickle.loads(pickle.dumps(Plant(os.mkdir, str(planted)), protocol=2))  # noqa: S301 (the test's own, harmless pickle)
    assert planted.is_dir()


@pytest.mark.parametrize(
    "code",
    [
        b"ccollections\nOrderedDict.__init__.__globals__\n.",
        b"\x80\x04\x8c\x0bcollections\x94\x8c\x14OrderedDict.fromkeys\x94\x93.",
        b"cbuiltins\ngetattr\n.",
        b"ctorch._utils\n_rebuild_device_tensor_from_numpy\n.",
        b"(S'touch x'\nios\nsystem\n.",
    ],
    ids=["globals", "dotted", "getattr", "other-torch", "inst"],
)
def test_only_what_is_listed_can_be_named(tmp_path: Path, code: bytes) -> None:
    """A pickle is refused if it uses an attribute of an allowed name, any function that is not listed, or the old call opcode INST."""
    with pytest.raises(WeightsError, match="was not run"):
        read_foreign(zipped(tmp_path / "x.pth", code))


STATE = b"}(X\x06\x00\x00\x00offsetJ\xff\xff\xff\xffub"
SLOTS = b"(N}(X\x06\x00\x00\x00offsetJ\xff\xff\xff\xffutb"


@pytest.mark.parametrize("build", [STATE, SLOTS], ids=["attributes", "slots"])
def test_a_pickle_cannot_change_a_tensor_once_checked(
    tmp_path: Path, torch_file: Callable[..., Path], build: bytes
) -> None:
    """The opcode BUILD, which sets attributes of existing objects, cannot move a view outside its storage."""
    with zipfile.ZipFile(torch_file({"a": np.zeros(1, np.float32)})) as archive:
        body = archive.read("state/data.pkl")
    with pytest.raises(WeightsError, match="not a complete PyTorch file"):
        read_foreign(zipped(tmp_path / "x.pth", body[:-2] + build + body[-2:]))


@pytest.mark.parametrize("name", ["torch\nFloatStorage", "torch._utils\n_rebuild_tensor_v2", "torch\nSize"])
def test_a_pickle_cannot_change_what_stands_for_a_name(tmp_path: Path, name: str) -> None:
    """A pickle cannot change the names that are allowed for the next file."""
    for build in (
        b"}(X\x04\x00\x00\x00kindX\x04\x00\x00\x00int8ub",
        b"(N}(X\x04\x00\x00\x00kindX\x04\x00\x00\x00int8utb",
    ):
        with pytest.raises(WeightsError, match="not a complete PyTorch file"):
            read_foreign(zipped(tmp_path / "x.pth", b"\x80\x02c" + name.encode() + b"\n" + build + b"."))


@pytest.mark.parametrize("code", [b"]r\xff\xff\xff\x7f", b"]p4000000000\n"], ids=["binary", "text"])
def test_a_pickle_cannot_fill_the_memory(tmp_path: Path, code: bytes) -> None:
    """A few bytes that make an ordinary unpickler reserve tens of gigabytes are refused at once."""
    with pytest.raises(WeightsError, match="memo index"):
        read_foreign(zipped(tmp_path / "x.pth", b"\x80\x02" + code + b"."))


def test_a_pickle_cannot_change_how_it_is_read(tmp_path: Path) -> None:
    """Attributes that a pickle sets on its dictionary, such as another ``items``, are not used."""
    code = b"\x80\x02ccollections\nOrderedDict\n)R}(X\x05\x00\x00\x00itemsK\x01X\x03\x00\x00\x00getK\x01ub."
    with pytest.raises(WeightsError, match="without tensors"):
        read_foreign(zipped(tmp_path / "x.pth", code))


def test_a_training_scripts_wrapping_is_taken_off(tmp_path: Path, torch_file: Callable[..., Path]) -> None:
    """A state dict under ``state_dict`` in another dictionary is found."""
    inner = torch_file({"a": SAMPLE["a"]})
    with zipfile.ZipFile(inner) as archive:
        body, data = archive.read("state/data.pkl"), archive.read("state/data/0")
    wrapped = b"\x80\x02}(X\x05\x00\x00\x00epochK\x03X\x0a\x00\x00\x00state_dict" + body[2:-1] + b"u."
    path = tmp_path / "checkpoint.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", wrapped)
        archive.writestr("x/data/0", data)
    np.testing.assert_array_equal(read_foreign(path).tensors["a"], SAMPLE["a"])


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_cut_anywhere_is_refused(torch_file: Callable[..., Path], share: float, *, legacy: bool) -> None:
    """A file truncated anywhere gives a one-line error."""
    path = torch_file(SAMPLE, legacy=legacy)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError) as caught:
        read_foreign(path)
    assert "\n" not in str(caught.value)


def test_a_window_beyond_its_storage_is_refused(tmp_path: Path, torch_file: Callable[..., Path]) -> None:
    """A tensor that claims more values than its storage has is refused."""
    path = torch_file({"a": np.zeros(4, np.float32)})
    with zipfile.ZipFile(path) as archive:
        body = archive.read("state/data.pkl")
    with pytest.raises(WeightsError, match="reaches beyond the 1 stored values"):
        read_foreign(zipped(tmp_path / "x.pth", body))


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    """An archive that contains code is refused, and the error calls it a TorchScript archive."""
    path = tmp_path / "script.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02}.")
        archive.writestr("m/code/__torch__.py", "")
    with pytest.raises(WeightsError, match="TorchScript archive, which contains code"):
        read_foreign(path)


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    """A file whose dictionary contains no tensors is refused, because that is not a state dict."""
    with pytest.raises(WeightsError, match="without tensors"):
        read_foreign(zipped(tmp_path / "x.pth", pickle.dumps({"epoch": 3}, protocol=2)))


@pytest.mark.peers
@pytest.mark.parametrize("new", [False, True], ids=["legacy", "zip"])
def test_reads_what_pytorch_writes(tmp_path: Path, *, new: bool) -> None:
    """Slices, transposes, parameters and half precision give PyTorch's values."""
    torch = pytest.importorskip("torch")
    whole = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    tensors = {
        "whole": whole,
        "turned": whole.T,
        "part": whole[1:3, ::2],
        "one": torch.tensor(5),
        "none": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(whole * 2),
        "half": whole.half(),
        "brain": whole.bfloat16(),
    }
    torch.save({"state_dict": tensors, "epoch": 3, "lr": 0.1}, tmp_path / "t.pth", _use_new_zipfile_serialization=new)
    foreign = read_foreign(tmp_path / "t.pth")
    for name, values in tensors.items():
        wanted = values.detach().float() if name == "brain" else values.detach()
        np.testing.assert_array_equal(foreign.tensors[name], wanted.numpy())


@pytest.mark.peers
@pytest.mark.parametrize("new", [False, True], ids=["legacy", "zip"])
def test_a_whole_model_is_refused(tmp_path: Path, *, new: bool) -> None:
    """A file of ``torch.save(model)`` is refused without instantiating a class, and the error says what to save instead."""
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), tmp_path / "m.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(WeightsError, match=r"would run torch.nn.modules.container.Sequential.*state_dict\(\)"):
        read_foreign(tmp_path / "m.pth")
