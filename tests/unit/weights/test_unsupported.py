"""Weights files in unsupported formats are identified by their content."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.errors import WeightsError
from godeeper.weights.formats import read_foreign
from godeeper.weights.install import add
from godeeper.weights.registry import find

from .conftest import field, node, varint

TABLE_END = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
TENSORFLOW_NODE = node("conv", "Conv2D", ["input", "kernel"])
GRAPH = field(1, TENSORFLOW_NODE) + field(1, node("relu", "Relu", ["conv"]))
META_INFO = field(2, field(1, field(1, b"Conv2D"))) + field(5, b"1.15.0")


def number(place: int, value: int) -> bytes:
    """Return a protocol buffer field that contains an integer."""
    return varint(place << 3) + varint(value)


def eight_bits(name: str, operation: str, **attributes: bytes) -> bytes:
    """Return a graph with a plain node and an 8-bit node."""
    return GRAPH + field(1, node(name, operation, **attributes))


CAFFE_LAYER = field(1, b"conv1") + field(2, b"Convolution") + field(7, bytes(64))
OLD_CAFFE_LAYER = field(2, b"data") + field(3, b"conv1") + field(4, b"conv1") + number(5, 4)

FILES = [
    ("saved_model.pb", number(1, 1) + field(2, field(1, META_INFO) + field(2, GRAPH)), "SavedModel", "mine.keras"),
    ("renamed.h5", number(1, 1) + field(2, field(2, GRAPH)), "SavedModel", "mine.keras"),
    ("cut.pb", b"\x08\x01\x12\xff\xff\xff\x7f\x0a\x10", "SavedModel", "mine.keras"),
    ("model.ckpt.index", bytes([0, 0, 2]) + bytes(60) + TABLE_END, "TensorFlow checkpoint", "freeze"),
    ("inception_v3.ckpt", bytes([0, 0, 9]) + bytes(600) + TABLE_END, "TensorFlow checkpoint", "freeze"),
    ("model.ckpt.data-00000-of-00001", np.ones(99, "<f4").tobytes(), "TensorFlow checkpoint", "freeze"),
    ("model.ckpt.meta", field(1, META_INFO) + field(2, GRAPH) + field(3, b"\x0asave"), "without its weights", "freeze"),
    ("checkpoint", b'model_checkpoint_path: "model.ckpt-99"\n', "text file that names", "freeze"),
    ("q1.pb", eight_bits("conv_eightbit_quantized_conv", "QuantizedConv2D"), "8 bits", "before quantisation"),
    ("q2.pb", eight_bits("conv_eightbit_reshape", "Reshape"), "8 bits", "before quantisation"),
    ("q3.pb", eight_bits("kernel", "Const", dtype=b"\x30\x0c"), "8 bits", "before quantisation"),
    ("q4.pb", eight_bits("kernel", "Dequantize"), "8 bits", "before quantisation"),
    ("graph.pbtxt", b'node {\n  name: "input"\n  op: "Placeholder"\n', "as text", "frozen graph"),
    ("model.tflite", b"\x1c\0\0\0TFL3" + bytes(99), "TensorFlow Lite", "converted from"),
    ("Inceptionv3.mlmodel", number(1, 1) + field(2, b"\x0a\x01a") + field(403, bytes(99)), "Core ML", "converted from"),
    ("new.mlmodel", number(1, 7) + field(2, b"") + field(502, bytes(99)), "Core ML", "converted from"),
    ("net.caffemodel", field(1, b"InceptionV3") + field(100, CAFFE_LAYER) * 2, "Caffe", "convert"),
    ("nameless.caffemodel", field(100, CAFFE_LAYER) * 2, "Caffe", "convert"),
    ("old.caffemodel", field(1, b"GoogleNet") + field(2, OLD_CAFFE_LAYER) * 3, "Caffe", "convert"),
    ("deploy.prototxt", b'name: "InceptionV3"\nlayer {\n  name: "data"\n', "Caffe", "convert"),
    ("model.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0x7B, 20) + bytes(99), "GGUF", "Inception"),
    ("model.onnx", number(1, 8) + field(2, b"pytorch") + field(7, bytes(99)) + field(8, b""), "ONNX", "not supported yet"),
    ("bare.bin", number(1, 1) + field(2, b"onnx") + field(7, bytes(99)), "ONNX", "not supported yet"),
    ("model.ort", b"\x18\0\0\0ORTM" + bytes(99), "ONNX Runtime", "converted from"),
    ("model.xml", b'<?xml version="1.0"?>\n<net name="inception" version="11">', "OpenVINO", "converted from"),
    ("mx.params", struct.pack("<QQ", 0x112, 0) + bytes(99), "MXNet", "convert"),
    ("array.npy", b"\x93NUMPY\x01\0" + bytes(120), "NumPy", "safetensors"),
    ("data.mat", b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(500), "MATLAB", "safetensors"),
    *((f"p{way}.pkl", pickle.dumps({"a": [1.5, "x"]}, protocol=way), "pickle", "state_dict") for way in range(6)),
    ("p.pth", pickle.dumps(np.arange(3.0), protocol=2), "pickle", "state_dict"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "what", "do"), FILES, ids=[row[0] for row in FILES])
def test_a_format_that_is_not_read_is_named(tmp_path: Path, name: str, content: bytes, what: str, do: str) -> None:
    """A one-line error names the format and what to do, even if the file has a wrong extension."""
    for path in (tmp_path / name, tmp_path / (name if ".data-" in name else "other.pth")):
        path.write_bytes(content)
        for opened in (read_foreign, add, find):
            with pytest.raises(WeightsError, match=what) as caught:
                opened(path)
            assert do in str(caught.value)
            assert "\n" not in str(caught.value)


FOLDERS = [
    (("saved_model.pb", "variables/variables.index"), "SavedModel", "mine.keras"),
    (("checkpoint", "model.ckpt-1.index"), "TensorFlow checkpoint", "freeze"),
    (("Manifest.json", "Data/com.apple.CoreML/model.mlmodel"), "Core ML", "converted from"),
    (("coremldata.bin", "model.mil"), "Core ML", "converted from"),
]


def fill(folder: Path, names: tuple[str, ...]) -> Path:
    """Create a folder with files of these names, and return its path."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"{}")
    return folder


@pytest.mark.parametrize(("names", "what", "do"), FOLDERS, ids=[row[0][0] for row in FOLDERS])
@pytest.mark.parametrize("packed", ["folder", "zip", "tar"])
def test_a_folder_and_its_archive_are_named(
    tmp_path: Path, names: tuple[str, ...], what: str, do: str, packed: str
) -> None:
    """Formats that are folders are recognised by their files, as a folder and as an archive."""
    path = folder = fill(tmp_path / "model", names)
    if packed == "zip":
        path = tmp_path / "model.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.write(folder / name, f"model/{name}")
    elif packed == "tar":
        path = tmp_path / "model.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            tar.add(folder, "model")
    with pytest.raises(WeightsError, match=what) as caught:
        add(path)
    assert do in str(caught.value)


def test_a_slim_release_is_named(tmp_path: Path) -> None:
    """The archive of slim's Inception v3 contains a checkpoint, not a graph."""
    path = tmp_path / "inception_v3_2016_08_28.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("inception_v3.ckpt"))
    with pytest.raises(WeightsError, match="TensorFlow checkpoint"):
        add(path)


def test_a_quantised_graph_in_an_archive_is_named(tmp_path: Path) -> None:
    """A graph inside a .tgz is checked, too."""
    content = eight_bits("conv_eightbit", "QuantizedConv2D")
    member = tarfile.TarInfo("graph.pb")
    member.size = len(content)
    with tarfile.open(tmp_path / "graph.tgz", "w:gz") as tar:
        tar.addfile(member, io.BytesIO(content))
    with pytest.raises(WeightsError, match="8 bits"):
        read_foreign(tmp_path / "graph.tgz")


def test_a_graph_that_imitates_quantisation_is_read(graph_file: Callable[..., Path]) -> None:
    """QuantizeAndDequantize and FakeQuant use float weights, which can be read."""
    operations = {"a": "QuantizeAndDequantizeV2", "b": "FakeQuantWithMinMaxVars"}
    foreign = read_foreign(graph_file({"kernel": np.ones(2, np.float32)}, operations=operations))
    assert list(foreign.tensors) == ["kernel"]


def test_other_hdf5_is_named(tmp_path: Path) -> None:
    """The error for HDF5 without layers says which HDF5 files contain layers."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["measurements"] = np.zeros(3)
    with pytest.raises(WeightsError, match=r"HDF5 file without Keras layers; expected one written by model\.save"):
        add(tmp_path / "data.h5")


def test_a_checksum_is_not_a_version(tmp_path: Path) -> None:
    """The checksum at the start of a SavedModel's fingerprint.pb is not mistaken for an ONNX version."""
    path = tmp_path / "fingerprint.pb"
    path.write_bytes(number(1, 1 << 60) + number(2, 7) + field(6, b"\x08\x02") + field(7, b"314159"))
    with pytest.raises(WeightsError, match="not weights in a known format"):
        add(path)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return Path.touch, (self.place,)


@pytest.mark.parametrize("way", range(2, 6))
def test_a_pickle_is_not_opened(tmp_path: Path, way: int) -> None:
    """A pickle is refused without running its code."""
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol=way))
    with pytest.raises(WeightsError, match="pickle"):
        add(path)
    assert not (tmp_path / "sprung").exists()


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    """A file of 8 GiB is identified by a few bytes at its beginning and its end."""
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.write(number(1, 8) + field(2, b"pytorch") + varint(7 << 3 | 2) + varint(8 << 30))
        file.truncate(8 << 30)
    with pytest.raises(WeightsError, match="ONNX"):
        add(path)
