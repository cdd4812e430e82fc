"""Small weights files in the formats of other frameworks, written without these frameworks."""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.blueprint.ops import Blueprint, Conv, Fork, Pool, branch, module
from godeeper.blueprint.sites import sites
from godeeper.weights.file import expected_tensors

Arrays = Mapping[str, NDArray[Any]]
NumbersOf = Callable[..., dict[str, NDArray[np.float32]]]
WriteFile = Callable[..., Path]

TINY = Blueprint(
    name="inception_v3",
    stem=(Conv(4, (3, 3), 2, "VALID"), Pool("max", (3, 3), 2, "VALID"), Conv(5, (3, 3))),
    modules=(
        module(
            branch("1x1", Conv(3, (1, 1))),
            branch("3x3", Conv(4, (1, 1)), Fork((Conv(2, (1, 3)), Conv(6, (3, 1))))),
            branch("_pool", Pool("average"), Conv(7, (1, 1))),
        ),
    ),
    classes=1000,
)
"""A network of the same architecture with few filters, so that its files are small."""

NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a separate folder for weights and caches in each test."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "godeeper"))
    return tmp_path / "godeeper" / "weights"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Blueprint:
    """Use the tiny network in place of Inception v3."""
    monkeypatch.setitem(BLUEPRINTS, "inception_v3", TINY)
    return TINY


@pytest.fixture
def numbers_of(tiny: Blueprint) -> NumbersOf:
    """A function (dialect, number of classes) -> random weights of the tiny network, with godeeper's names and layouts."""

    def make(dialect: str = "torchvision", classes: int = 1000) -> dict[str, NDArray[np.float32]]:
        network = Blueprint(**{**vars(in_dialect(tiny, dialect)), "classes": classes or 1000})
        random = np.random.default_rng(2015)
        shapes = expected_tensors(network, with_classifier=bool(classes))
        return {name: random.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}

    return make


@pytest.fixture
def as_torchvision(tiny: Blueprint) -> Callable[[Arrays], dict[str, NDArray[Any]]]:
    """A function that returns godeeper's tensors under torchvision's names."""

    def rename(ours: Arrays) -> dict[str, NDArray[Any]]:
        theirs: dict[str, NDArray[Any]] = {}
        for site in sites(tiny):
            if site.kind == "conv":
                scope, name = site.names.tf2015, site.names.torchvision
                theirs[f"{name}.conv.weight"] = ours[f"{scope}/conv2d_params"]
                theirs |= {f"{name}.bn.{part}": ours[f"{scope}/batchnorm/{own}"] for own, part in NORM.items()}
                theirs[f"{name}.bn.num_batches_tracked"] = np.array(7)
        if "softmax/weights" in ours:
            theirs |= {"fc.weight": ours["softmax/weights"].T, "fc.bias": ours["softmax/biases"]}
        return theirs

    return rename


@pytest.fixture
def as_tensorflow() -> Callable[[Arrays], dict[str, NDArray[Any]]]:
    """A function that returns godeeper's tensors in TensorFlow's layout, with kernels HWIO."""

    def lay_out(ours: Arrays) -> dict[str, NDArray[Any]]:
        return {name: values.transpose(2, 3, 1, 0) if values.ndim == 4 else values for name, values in ours.items()}

    return lay_out


@pytest.fixture
def as_keras(tiny: Blueprint) -> Callable[..., dict[str, NDArray[Any]]]:
    """A function that returns godeeper's tensors under Keras's names, with layers numbered from ``first``."""

    def rename(ours: Arrays, first: int = 1) -> dict[str, NDArray[Any]]:
        theirs: dict[str, NDArray[Any]] = {}
        scopes = [site.names.tf2015 for site in sites(tiny) if site.kind == "conv"]
        for number, scope in enumerate(scopes, start=first):
            ending = f"_{number}" if number else ""
            theirs[f"conv2d{ending}/kernel"] = ours[f"{scope}/conv2d_params"].transpose(2, 3, 1, 0)
            for part in ("beta", "moving_mean", "moving_variance"):
                theirs[f"batch_normalization{ending}/{part}"] = ours[f"{scope}/batchnorm/{part}"]
        if "softmax/weights" in ours:
            theirs |= {"predictions/kernel": ours["softmax/weights"], "predictions/bias": ours["softmax/biases"]}
        return theirs

    return rename


@pytest.fixture
def torch_file(tmp_path: Path) -> WriteFile:
    """A function that writes a PyTorch state dict opcode by opcode, as a zip or in the older format."""

    def write(tensors: Arrays, name: str = "state.pth", *, legacy: bool = False, pickled: bytes | None = None) -> Path:
        path = tmp_path / name
        body = pickled if pickled is not None else state_dict_pickle(tensors, legacy=legacy)
        if legacy:
            parts = [pickle_of(long(0x1950A86A20F9469CFC6C)), pickle_of(integer(1001)), pickle_of(b"}"), body]
            keys = b"](" + b"".join(text(str(key)) for key in range(len(tensors))) + b"e"
            raw = [
                struct.pack("<q", values.size) + np.ascontiguousarray(values).tobytes() for values in tensors.values()
            ]
            path.write_bytes(b"".join([*parts, pickle_of(keys), *raw]))
            return path
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("state/data.pkl", body)
            archive.writestr("state/byteorder", "little")
            for key, values in enumerate(tensors.values()):
                archive.writestr(f"state/data/{key}", np.ascontiguousarray(values).tobytes())
        return path

    return write


def state_dict_pickle(tensors: Arrays, *, legacy: bool = False) -> bytes:
    """Return the pickle that ``torch.save`` writes for a state dict, in pickle protocol 2."""
    items = b"".join(
        text(name) + tensor_code(key, values, legacy) for key, (name, values) in enumerate(tensors.items())
    )
    return pickle_of(b"ccollections\nOrderedDict\n)R(" + items + b"u")


def tensor_code(key: int, values: NDArray[Any], legacy: bool) -> bytes:  # noqa: FBT001 (a helper of one caller)
    """Return the pickle opcodes of the call that rebuilds one tensor from its storage."""
    storages = {"float32": "Float", "float16": "Half", "float64": "Double", "int64": "Long", "uint16": "BFloat16"}
    storage = text("storage") + f"ctorch\n{storages[values.dtype.name]}Storage\n".encode()
    storage += text(str(key)) + text("cpu") + integer(values.size) + (b"N" if legacy else b"")
    strides = [math.prod(values.shape[axis + 1 :]) for axis in range(values.ndim)]
    window = integer(0) + tuple_of(values.shape) + tuple_of(strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n((" + storage + b"tQ" + window + b"\x89ccollections\nOrderedDict\n)RtR"


def pickle_of(code: bytes) -> bytes:
    return b"\x80\x02" + code + b"."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def long(value: int) -> bytes:
    return b"\x8a\x0a" + value.to_bytes(10, "little")


def tuple_of(values: Any) -> bytes:
    return b"(" + b"".join(integer(value) for value in values) + b"t"


@pytest.fixture
def safetensors_file(tmp_path: Path) -> WriteFile:
    """A function that writes a safetensors file; arrays of uint16 are stored as bfloat16."""

    def write(tensors: Arrays, name: str = "model.safetensors") -> Path:
        kinds = {"float32": "F32", "float16": "F16", "float64": "F64", "int64": "I64", "uint16": "BF16"}
        header: dict[str, Any] = {}
        data = b""
        for tensor, values in tensors.items():
            raw = np.ascontiguousarray(values).tobytes()
            offsets = [len(data), len(data) + len(raw)]
            header[tensor] = {"dtype": kinds[values.dtype.name], "shape": list(values.shape), "data_offsets": offsets}
            data += raw
        head = json.dumps(header).encode()
        path = tmp_path / name
        path.write_bytes(struct.pack("<Q", len(head)) + head + data)
        return path

    return write


@pytest.fixture
def graph_file(tmp_path: Path) -> WriteFile:
    """A function that writes a frozen graph of constants and other operations, byte by byte."""

    def write(
        tensors: Arrays,
        name: str = "graph.pb",
        *,
        operations: Mapping[str, str] | None = None,
        scales: bool = True,
        epsilon: float = 0.001,
    ) -> Path:
        nodes = [node(tensor, "Const", value=constant(values)) for tensor, values in tensors.items()]
        scopes = [tensor.removesuffix("/gamma") for tensor in tensors if tensor.endswith("/gamma")]
        attributes = {
            "scale_after_normalization": b"\x28" + bytes([scales]),
            "variance_epsilon": b"\x25" + struct.pack("<f", epsilon),
        }
        for scope in scopes:
            inputs = [f"{scope}/{part}" for part in ("moving_mean", "moving_variance", "beta", "gamma")]
            nodes.append(node(scope, "BatchNormWithGlobalNormalization", inputs, **attributes))
        nodes += [node(place, kind) for place, kind in (operations or {}).items()]
        path = tmp_path / name
        path.write_bytes(b"".join(field(1, each) for each in nodes))
        return path

    return write


def node(name: str, operation: str, inputs: Any = (), **attributes: bytes) -> bytes:
    """Return an encoded NodeDef."""
    entries = [field(1, key.encode()) + field(2, value) for key, value in attributes.items()]
    parts = [field(1, name.encode()), field(2, operation.encode())]
    return b"".join([*parts, *(field(3, each.encode()) for each in inputs), *(field(5, entry) for entry in entries)])


def constant(values: NDArray[Any]) -> bytes:
    """Return an encoded AttrValue that contains a tensor."""
    types = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "uint16": 14, "float16": 19}
    shape = b"".join(field(2, b"\x08" + varint(side)) for side in values.shape)
    tensor = b"\x08" + varint(types[values.dtype.name]) + field(2, shape)
    return field(8, tensor + field(4, np.ascontiguousarray(values).tobytes()))


def field(number: int, payload: bytes) -> bytes:
    """Return a protocol buffer field that contains bytes."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    """Return an integer as a protocol buffer varint, with seven bits per byte."""
    head = bytes([value & 127 | (128 if value > 127 else 0)])
    return head + varint(value >> 7) if value > 127 else head


@pytest.fixture
def tfjs_files(tmp_path: Path) -> WriteFile:
    """A function that writes ``model.json`` and two shards; entries of ``quantised`` become (scale, minimum, stored values)."""

    def write(tensors: Arrays, *, quantised: Mapping[str, tuple[float, float]] | None = None) -> Path:
        weights = []
        data = b""
        for name, values in tensors.items():
            entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": "float32"}
            if quantised and name in quantised:
                scale, minimum = quantised[name]
                entry["quantization"] = {"dtype": values.dtype.name, "scale": scale, "min": minimum}
            elif values.dtype == np.float16:
                entry["quantization"] = {"dtype": "float16"}
            weights.append(entry)
            data += np.ascontiguousarray(values).tobytes()
        half = len(data) // 2
        shards = {"group1-shard1of2.bin": data[:half], "group1-shard2of2.bin": data[half:]}
        for name, raw in shards.items():
            (tmp_path / name).write_bytes(raw)
        path = tmp_path / "model.json"
        path.write_text(json.dumps({"weightsManifest": [{"paths": list(shards), "weights": weights}]}))
        return path

    return write
