"""Recognises, by content, formats of weights that godeeper does not read, and gives advice.

Nothing is unpickled or run.  Only a few bytes of a large file are read: its beginning, its end, and the headers of
fields in a protocol buffer.  Sources of the field numbers: tensorflow/core/protobuf (saved_model, meta_graph),
tensorflow/core/framework (graph, node_def), onnx/onnx.proto, caffe.proto, Core ML's Model.proto.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from ...errors import WeightsError
from ...files import open_regular
from .protobuf import BYTES, VARINT, ProtobufField, content, protobuf_fields

BEGINNING = 512
MOST_NAMES = 10_000
MOST_VERSIONS = 100
TABLE_END = bytes.fromhex("57fb808b247547db")
"""The last bytes of a LevelDB table, the format of TensorFlow's checkpoints."""

TORCH_MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")
OPERATION = re.compile(rb"[A-Za-z][A-Za-z0-9_.>]*")
EIGHT_BITS = re.compile(rb"(Quantize(?!AndDequantize)|Dequantize|Requantiz)")
QUANTISED_TYPE = re.compile(rb"\x0a\x05dtype\x12\x02\x30[\x0b-\x0d\x0f\x10]")


@dataclass(frozen=True)
class FileProbe:
    """The input of a test: an open file, or the names of the files in a folder or archive."""

    path: Path
    file: BinaryIO | None = field(default=None, repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)

    @cached_property
    def size(self) -> int:
        return self.file.seek(0, os.SEEK_END) if self.file else 0

    @cached_property
    def start(self) -> bytes:
        return self.bytes_at(0, BEGINNING)

    @cached_property
    def end(self) -> bytes:
        return self.bytes_at(max(self.size - 8, 0), 8)

    @cached_property
    def parts(self) -> tuple[ProtobufField, ...]:
        """The fields of a protocol buffer; empty if the first byte rules out all formats here."""
        possible = self.file is not None and self.start[:1] in (b"\x08", b"\x0a", b"\x12", b"\xa2")
        return tuple(protobuf_fields(self.file, 0, self.size)) if self.file and possible else ()

    def bytes_at(self, place: int, length: int) -> bytes:
        if self.file is None:
            return b""
        self.file.seek(place)
        return self.file.read(length)

    def inside(self, part: ProtobufField) -> list[ProtobufField]:
        """The first fields of the message that ``part`` contains."""
        return list(protobuf_fields(self.file, part.start, part.length, 32)) if self.file else []

    def head(self, part: ProtobufField) -> bytes:
        return content(self.file, part) if self.file else b""


Test = Callable[[FileProbe], bool]


@dataclass(frozen=True)
class UnsupportedFormat:
    """A format: the test that recognises it, its name, and what to do instead."""

    test: Test
    what: str
    do: str


def starts(pattern: bytes) -> Test:
    """A test whether the beginning of the file matches the pattern."""
    compiled = re.compile(pattern, re.DOTALL)
    return lambda look: compiled.match(look.start) is not None


def holds(pattern: str) -> Test:
    """A test whether the folder or archive contains a file whose path matches the pattern."""
    compiled = re.compile(rf"(?:^|/){pattern}$")
    return lambda look: any(compiled.search(name) for name in look.names)


def either(*tests: Test) -> Test:
    """A test that passes if one of these tests passes."""
    return lambda look: any(test(look) for test in tests)


def begins_with_version(look: FileProbe) -> bool:
    """Whether the first field is a small number, which is the version in SavedModel, ONNX and Core ML files."""
    return bool(look.parts) and look.parts[0][:2] == (1, VARINT) and look.parts[0].value < MOST_VERSIONS


def is_onnx(look: FileProbe) -> bool:
    """Whether the file is an ONNX ModelProto: a version, and a graph as field 7."""
    return begins_with_version(look) and any(part[:2] == (7, BYTES) for part in look.parts)


def is_core_ml(look: FileProbe) -> bool:
    """Whether the file is a Core ML Model: a version, and the kind of model as a field number of at least 200."""
    return begins_with_version(look) and any(200 <= part.number <= 3000 for part in look.parts)


def is_saved_model(look: FileProbe) -> bool:
    """Whether the file is a SavedModel: version 1, then graphs with their signatures."""
    return look.start.startswith(b"\x08\x01\x12")


def begins_with_node(look: FileProbe) -> bool:
    """Whether the first field is a node of a TensorFlow graph: a name, then an operation."""
    if not look.parts or look.parts[0][:2] != (1, BYTES):
        return False
    inside = look.inside(look.parts[0])[:2]
    return [part[:2] for part in inside] == [(1, BYTES), (2, BYTES)] and bool(OPERATION.fullmatch(look.head(inside[1])))


def is_caffe(look: FileProbe) -> bool:
    """Whether the file is a Caffe NetParameter: a name and layers, which are field 100 or, before 2014, field 2."""
    if begins_with_version(look) or begins_with_node(look):
        return False
    layers = [part for part in look.parts if part[:2] == (100, BYTES)]
    older = [part for part in look.parts if part[:2] == (2, BYTES)]
    return bool(layers) or (len(older) > 1 and look.parts[0][:2] == (1, BYTES))


def is_meta_graph(look: FileProbe) -> bool:
    """Whether the file is a MetaGraphDef: metadata, then one graph that begins with a node."""
    if begins_with_version(look) or begins_with_node(look):
        return False
    graphs = [part for part in look.parts if part[:2] == (2, BYTES)]
    return len(graphs) == 1 and look.parts[0][:2] == (1, BYTES) and look.head(graphs[0])[:1] == b"\x0a"


def is_quantised(look: FileProbe) -> bool:
    """Whether the file is a TensorFlow graph with operations or constants of 8 bits."""
    return begins_with_node(look) and any(is_quantised_node(look, part) for part in look.parts if part.number == 1)


def is_quantised_node(look: FileProbe, node: ProtobufField) -> bool:
    """Whether the name, the operation or the type of a node shows 8-bit quantisation."""
    for part in look.inside(node):
        if part.number == 1 and b"_eightbit" in look.head(part):
            return True
        if part.number == 2 and EIGHT_BITS.match(look.head(part)):
            return True
        if part.number == 5 and part.length < 64 and QUANTISED_TYPE.fullmatch(look.head(part)):
            return True
    return False


def is_checkpoint_data(look: FileProbe) -> bool:
    """Whether the file is the data file of a checkpoint, which has no magic number and is recognised by its name."""
    return look.file is not None and re.search(r"\.data-\d{5}-of-\d{5}$", look.path.name) is not None


def is_pickle(look: FileProbe) -> bool:
    """Whether the file is a pickle without the magic number that torch.save writes first."""
    return re.match(rb"\x80[\x02-\x05]", look.start) is not None and TORCH_MAGIC not in look.start[:64]


FREEZE = "freeze the graph with its weights into one .pb (TensorFlow's freeze_graph), or save the model as Keras .h5"
CONVERTED = "use the model that it was converted from: a .pb, .h5, .keras, .pth or .safetensors file"
CONVERT = "convert it to a PyTorch state dict, saved with torch.save(model.state_dict()), or to a Keras .h5"
ARRAYS = "expected named tensors of a whole network: save them as .safetensors"

ROWS = (
    UnsupportedFormat(either(holds(r"saved_model\.pb(txt)?"), lambda look: is_saved_model(look) and not (is_onnx(look) or is_core_ml(look))),
        "a TensorFlow SavedModel", 'load it in TensorFlow and write it with model.save("mine.keras"), or freeze its graph to one .pb'),
    UnsupportedFormat(either(holds(r"[^/]*\.(mlmodel|mlmodelc/.*)|coremldata\.bin"), is_core_ml), "a Core ML model", CONVERTED),
    UnsupportedFormat(is_onnx, "an ONNX model: reading ONNX weights is not supported yet", CONVERTED),
    UnsupportedFormat(starts(rb".{4}ORTM"), "a model in ONNX Runtime's own format", CONVERTED),
    UnsupportedFormat(starts(rb".{4}TFL3"), "a TensorFlow Lite model", CONVERTED),
    UnsupportedFormat(starts(rb"model_checkpoint_path:"), "a text file that names a TensorFlow checkpoint, without weights", FREEZE),
    UnsupportedFormat(either(holds(r"[^/]*\.(ckpt|index|data-\d{5}-of-\d{5})"), is_checkpoint_data, lambda look: look.end == TABLE_END),
        "a TensorFlow checkpoint: its weights are in several files, or without their graph", FREEZE),
    UnsupportedFormat(is_meta_graph, "the graph of a TensorFlow checkpoint (.meta) without its weights", FREEZE),
    UnsupportedFormat(is_quantised, "a TensorFlow graph quantised to 8 bits", "use the graph from before quantisation"),
    UnsupportedFormat(starts(rb"\s*(node|library|versions)\s*\{"), "a TensorFlow graph as text", "expected a frozen graph in binary form: write it with as_text=False"),
    UnsupportedFormat(either(is_caffe, holds(r"[^/]*\.caffemodel")), "a Caffe model", CONVERT),
    UnsupportedFormat(starts(rb'\s*name:\s*"[^"\n]*"\s+(layers?|input|input_dim|input_shape|force_backward|state)\b'),
        "a description of a Caffe network, without weights", f"take its .caffemodel and {CONVERT}"),
    UnsupportedFormat(starts(rb"\x12\x01\0\0\0\0\0\0"), "MXNet parameters", CONVERT),
    UnsupportedFormat(starts(rb"GGUF|gg(jt|ml|mf|la)|tjgg|lmgg"), "a GGUF or GGML file, a format of language models", "expected weights of an Inception network"),
    UnsupportedFormat(starts(rb"\s*<\?xml[^>]*>\s*<net\b"), "the description of an OpenVINO model", CONVERTED),
    UnsupportedFormat(either(starts(rb"\x93NUMPY"), holds(r"[^/]*\.npy")), "NumPy arrays", ARRAYS),
    UnsupportedFormat(starts(rb"MATLAB \d"), "a MATLAB file", ARRAYS),
    UnsupportedFormat(either(is_pickle, starts(rb"[}\]]q\x00|\(?[dl]p\d|\(lp|c[a-z_][\w.]*\n\w+\n")),
        "a Python pickle that torch.save did not write; opening it could run code, which was not run",
        "expected tensors only: where it was made, save them with torch.save(model.state_dict()), or as .safetensors"),
)  # fmt: skip
"""The unsupported formats; the first row whose test passes applies.  Files that godeeper reads pass no test."""


def check(look: FileProbe) -> None:
    """Raise ``WeightsError`` for an unsupported format."""
    row = next((row for row in ROWS if row.test(look)), None)
    if row:
        raise WeightsError(f"{look.path}: {row.what}; {row.do}")


def check_names(path: Path, names: Iterable[str]) -> None:
    """Raise ``WeightsError`` if these files in a folder or archive have an unsupported format."""
    check(FileProbe(path, names=tuple(islice(names, MOST_NAMES))))


def check_folder(path: Path) -> None:
    """Raise ``WeightsError`` for a folder of an unsupported format; Core ML packages have their files in ``Data``."""
    with suppress(OSError):
        inside = [entry for folder in (path, path / "Data", path / "Data/com.apple.CoreML") for entry in listed(folder)]
        check_names(path, inside)


def listed(folder: Path) -> list[str]:
    """The names in a folder, at most ``MOST_NAMES``; empty if there is no such folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [entry.name for entry in islice(entries, MOST_NAMES)]


def check_path(path: Path) -> None:
    """Raise ``WeightsError`` for a file or folder of an unsupported format; do nothing for an unreadable path."""
    try:
        with open_regular(path) as file:
            check(FileProbe(path, file))
    except IsADirectoryError:
        check_folder(path)
    except OSError:
        return
