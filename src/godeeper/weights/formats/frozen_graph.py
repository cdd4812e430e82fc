"""Reads the names, operations and constants of TensorFlow's frozen graphs (``.pb``) without TensorFlow.

A frozen graph is a protocol buffer: a message of numbered fields, some of which are messages themselves.  The constants
below are the numbers of the fields that are needed; others are skipped.
Sources: the wire format in the documentation of protocol buffers; the field numbers in tensorflow/core/framework
(graph, node_def, attr_value, tensor, tensor_shape, types).
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import re
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import WeightsError
from .foreign import FLOATS, MOST_BYTES, ForeignWeights, array_of, damaged, read_whole
from .graph_heads import Links, folded, heads
from .protobuf import varint
from .unsupported import FileProbe, check, check_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = tuple[int, int | memoryview]

FORMAT = "TensorFlow frozen graph"

GRAPH_NODE = 1
NODE_NAME, NODE_OPERATION, NODE_INPUT, NODE_ATTRIBUTE = 1, 2, 3, 5
ENTRY_KEY, ENTRY_VALUE = 1, 2
VALUE_FLOAT, VALUE_BOOL, VALUE_TENSOR = 4, 5, 8
TENSOR_TYPE, TENSOR_SHAPE, TENSOR_CONTENT, TENSOR_FLOATS = 1, 2, 4, 5
SHAPE_SIDE, SIDE_LENGTH = 2, 1
"""The numbers of the fields that are read; each name begins with the message that has the field."""

TYPES = {1: "float32", 2: "float64", 3: "int32", 9: "int64", 14: "bfloat16", 19: "float16"}

EPSILON = 0.001
NORMALISATION = "BatchNormWithGlobalNormalization"
GRAPH_MEMBER = "classify_image_graph_def.pb"
CLASSES_MEMBER = "imagenet_2012_challenge_label_map_proto.pbtxt"
NAMES_MEMBER = "imagenet_synset_to_human_label_map.txt"
MOST_ARCHIVE_BYTES = 512 << 20

BROKEN_TAR = (
    tarfile.TarError, OSError, EOFError, ValueError, OverflowError, KeyError, RecursionError, struct.error, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
"""The exceptions that reading a damaged tar archive raises."""


@dataclass
class Node:
    """One operation of the graph."""

    name: str = ""
    operation: str = ""
    inputs: list[str] = field(default_factory=list)
    attributes: dict[str, memoryview] = field(default_factory=dict)


def read(path: Path) -> ForeignWeights:
    """Read a ``.pb`` file, and its labels if the two text files of the release are beside it."""
    beside = {
        name: read_whole(path.with_name(name))
        for name in (CLASSES_MEMBER, NAMES_MEMBER)
        if path.with_name(name).is_file()
    }
    return read_bytes(path, read_whole(path), labels(beside))


def read_archive(path: Path) -> ForeignWeights:
    """Read the graph and the labels from the ``.tgz`` of a release, in memory."""
    members: dict[str, bytes] = {}
    listing: list[str] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(unpacked(path)), mode="r:") as archive:
            for member in archive:
                listing.append(member.name)
                name = member.name.rpartition("/")[2]
                wanted = member.isreg() and not member.issparse() and member.size >= 0
                if wanted and (name.endswith(".pb") or name in (CLASSES_MEMBER, NAMES_MEMBER)):
                    file = archive.extractfile(member)
                    members[name] = file.read() if file else b""
    except BROKEN_TAR as error:
        raise damaged(path, "tar archive", error) from None
    graphs = [name for name in members if name.endswith(".pb")]
    if len(graphs) != 1 or graphs == ["saved_model.pb"]:
        check_names(path, listing)
        raise WeightsError(
            f"{path}: an archive with {len(graphs)} .pb files, expected one, as in the 2015 release, inception-2015-12-05.tgz"
        )
    check(FileProbe(path, io.BytesIO(members[graphs[0]])))
    return read_bytes(path, members[graphs[0]], labels(members))


def unpacked(path: Path) -> bytes:
    """The bytes of the decompressed tar archive; raises ``WeightsError`` for more than ``MOST_ARCHIVE_BYTES``."""
    packed = io.BytesIO(read_whole(path))
    start = packed.getvalue()[:2]
    openers: dict[bytes, Callable[[io.BytesIO], Any]] = {b"BZ": bz2.BZ2File, b"\x1f\x8b": open_gzip}
    with openers.get(start, lzma.LZMAFile)(packed) as file:
        data: bytes = file.read(MOST_ARCHIVE_BYTES + 1)
    if len(data) > MOST_ARCHIVE_BYTES:
        raise WeightsError(
            f"{path}: unpacks to more than {MOST_ARCHIVE_BYTES >> 20} MiB; expected one frozen graph and its labels"
        )
    return data


def open_gzip(packed: io.BytesIO) -> gzip.GzipFile:
    """Open a gzip stream in memory."""
    return gzip.GzipFile(fileobj=packed)


def read_bytes(path: Path, data: bytes, labels: tuple[str, ...] = ()) -> ForeignWeights:
    """The weights in a serialised graph."""
    try:
        return read_graph(path, memoryview(data), labels)
    except (ValueError, IndexError, OverflowError, struct.error) as error:
        raise damaged(path, "TensorFlow graph", error) from None


def read_graph(path: Path, data: memoryview, labels: tuple[str, ...]) -> ForeignWeights:
    """The weights in a graph: its constants, without single numbers and integers, which are settings."""
    nodes = list(read_nodes(data))
    if not any(node.operation for node in nodes):
        raise WeightsError(f"{path}: contains no TensorFlow graph; expected a frozen graph such as {GRAPH_MEMBER}")
    constants = {node.name: read_constant(path, node) for node in nodes if node.operation == "Const"}
    types = {name: constant[0] for name, constant in constants.items() if constant}
    tensors = {name: constant[1] for name, constant in constants.items() if constant}
    notes = normalisations(path, nodes, tensors)
    operations = {node.name: node.operation for node in nodes}
    links = Links(nodes)
    return ForeignWeights(
        path,
        FORMAT,
        tensors,
        types,
        operations,
        heads=tuple(heads(links, tensors)),
        folded=folded(links, tensors),
        labels=labels,
        notes=notes,
    )


def read_nodes(graph: memoryview) -> Iterator[Node]:
    """The nodes of a graph."""
    for number, value in fields(graph):
        if number == GRAPH_NODE and isinstance(value, memoryview):
            yield read_node(value)


def read_node(message: memoryview) -> Node:
    """The node in a serialised message."""
    node = Node()
    for number, value in fields(message):
        if not isinstance(value, memoryview):
            continue
        if number == NODE_NAME:
            node.name = bytes(value).decode()
        elif number == NODE_OPERATION:
            node.operation = bytes(value).decode()
        elif number == NODE_INPUT:
            node.inputs.append(bytes(value).decode().removeprefix("^").partition(":")[0])
        elif number == NODE_ATTRIBUTE:
            entry = dict(fields(value))
            node.attributes[text(entry.get(ENTRY_KEY))] = view(entry.get(ENTRY_VALUE))
    return node


def read_constant(path: Path, node: Node) -> tuple[str, NDArray[Any]] | None:
    """The type and values of a constant; None for a setting, which is a single number, integers, or text."""
    import numpy as np

    message = view(dict(fields(node.attributes.get("value", memoryview(b"")))).get(VALUE_TENSOR))
    floats: list[memoryview] = []
    found: dict[int, int | memoryview] = {}
    for number, value in fields(message):
        found[number] = value
        if number == TENSOR_FLOATS:
            floats.append(value if isinstance(value, memoryview) else memoryview(struct.pack("<I", value)))
    kind = TYPES.get(int(whole(found.get(TENSOR_TYPE))), "another type")
    shape = read_shape(view(found.get(TENSOR_SHAPE)))
    if kind not in FLOATS or math.prod(shape) < 2:
        return None
    label = f"{path}: {node.name}"
    if math.prod(shape) > MOST_BYTES >> 2:
        raise WeightsError(
            f"{label} has shape {shape}, which is larger than any weights; the file is damaged, download it again"
        )
    if not floats:
        return kind, array_of(view(found.get(TENSOR_CONTENT)), kind, shape, label)
    values = np.frombuffer(b"".join(floats), "<f4")
    if kind != "float32" or values.size not in (1, math.prod(shape)):
        raise WeightsError(
            f"{label} lists {values.size} numbers for shape {shape}; the file is damaged, download it again"
        )
    return kind, np.broadcast_to(values if values.size == 1 else values.reshape(shape), shape)


def read_shape(message: memoryview) -> tuple[int, ...]:
    """The shape of a tensor."""
    sides = [dict(fields(view(value))) for number, value in fields(message) if number == SHAPE_SIDE]
    return tuple(int(whole(side.get(SIDE_LENGTH))) for side in sides)


def normalisations(path: Path, nodes: list[Node], tensors: dict[str, NDArray[Any]]) -> tuple[str, ...]:
    """Check the epsilon of all batch normalisations, and replace unused gammas in ``tensors`` with 1.

    Returns a note on the replaced gammas.  Raises ``WeightsError`` for another epsilon.
    """
    import numpy as np

    unused = 0
    for node in nodes:
        if node.operation != NORMALISATION:
            continue
        values = {name: dict(fields(value)) for name, value in node.attributes.items()}
        epsilon = struct.unpack("<f", view(values.get("variance_epsilon", {}).get(VALUE_FLOAT, memoryview(bytes(4)))))[
            0
        ]
        if not abs(epsilon - EPSILON) <= 1e-6:  # also refuses NaN
            raise WeightsError(
                f"{path}: {node.name} normalises with epsilon {epsilon:g}, expected {EPSILON:g}; these are weights of another network"
            )
        scales = whole(values.get("scale_after_normalization", {}).get(VALUE_BOOL))
        gamma = node.inputs[-1] if node.inputs else ""
        if not scales and gamma in tensors:
            tensors[gamma] = np.ones_like(tensors[gamma])
            unused += 1
    return (f"{unused} stored gammas are not used by this graph: replaced by 1",) if unused else ()


def labels(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The class labels in the order of the graph's outputs; empty unless both text files of the release are given.

    One file maps classes to synsets, and the other maps synsets to names.
    """
    if CLASSES_MEMBER not in files or NAMES_MEMBER not in files:
        return ()
    entry = re.compile(r'target_class:\s*(\d{1,9})\s+target_class_string:\s*"(n\d{8})"')
    synsets = {
        int(number): synset for number, synset in entry.findall(files[CLASSES_MEMBER].decode("utf-8", "replace"))
    }
    named = re.findall(r"^(n\d{8})\s+(\S.*)$", files[NAMES_MEMBER].decode("utf-8", "replace"), re.MULTILINE)
    names = {synset: name.strip() for synset, name in named}
    last = max(synsets, default=-1)
    return (
        tuple(names.get(synsets.get(number, ""), f"class {number}") for number in range(last + 1))
        if last < 1 << 16
        else ()
    )


def fields(message: memoryview) -> Iterator[Field]:
    """The (number, value) pairs of the fields of a message; varints are integers, all other values bytes."""
    position = 0
    while position < len(message):
        key, position = varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = varint(message, position)
            yield key >> 3, value
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"field of unknown kind {kind}")
        length, position = varint(message, position) if kind == 2 else ({1: 8, 5: 4}[kind], position)
        if position + length > len(message):
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, message[position : position + length]
        position += length


def view(value: int | memoryview | None) -> memoryview:
    """The bytes of a field; empty if the field is missing."""
    return value if isinstance(value, memoryview) else memoryview(b"")


def whole(value: int | memoryview | None) -> int:
    """The integer of a field; 0 if the field is missing."""
    return value if isinstance(value, int) else 0


def text(value: int | memoryview | None) -> str:
    """The text of a field; empty if the field is missing."""
    return bytes(view(value)).decode()
