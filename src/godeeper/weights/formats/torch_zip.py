"""Reads PyTorch's ``.pth`` and ``.pt`` files without PyTorch, and without running code from them.

Such a file consists of a pickle that describes tensors, and the bytes of the tensors.  Since PyTorch 1.6 it is a zip
archive; older files are a single stream.  A pickle is a small program that can call any function by its name.  Here it
can only use the names in ``ALLOWED``; any other name raises an error before it is looked up.  The objects that replace
the allowed names are immutable, so that a pickle cannot change them with the opcode BUILD.
Source of both formats: torch/serialization.py.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import WeightsError
from .foreign import BROKEN_ZIP, MOST_BYTES, TYPES, ForeignWeights, check_packing, damaged, read_whole, widen_bfloat16

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "PyTorch state dict"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MOST_AXES = 8
MOST_STEPS = 1_000_000
MOST_NESTED = 500
CHANGING = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")
"""Opcodes that change a value, which is below their arguments on the stack."""

TRAINING = re.compile(r"optim|sched|scaler|callbacks|loops|rng_state|hyper_parameters|hparams", re.IGNORECASE)
"""Keys under which training scripts store data other than weights; they are skipped."""

DEEPEST = 8
"""The maximum nesting depth of dictionaries around tensors; no known training script exceeds it."""

BROKEN_PICKLE = (
    pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError,
    MemoryError, RecursionError, UnicodeDecodeError,
)  # fmt: skip


class StorageType(NamedTuple):
    """The element type of a storage; stands in for ``torch.FloatStorage`` and similar classes."""

    kind: str


class Storage(NamedTuple):
    """A reference to a one-dimensional array elsewhere in the file."""

    key: str
    kind: str
    length: int


class TensorView(NamedTuple):
    """The description of a tensor in a pickle: a view of a storage, with offset and strides in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class RebuildTensor:
    """Stands in for ``torch._utils._rebuild_tensor_v2``."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_rest: Any) -> TensorView:
        whole = (offset, *shape, *strides)
        if not isinstance(storage, Storage) or not all(isinstance(n, int) and 0 <= n <= MOST_BYTES for n in whole):
            raise ValueError("a tensor that is not a view of a storage")
        if len(shape) != len(strides) or len(shape) > MOST_AXES:
            raise ValueError("a tensor whose shape and strides disagree")
        return TensorView(storage, offset, tuple(shape), tuple(strides))


class RebuildParameter:
    """Stands in for ``torch._utils._rebuild_parameter``; returns the tensor of the parameter."""

    __slots__ = ()

    def __call__(self, tensor: Any, *_rest: Any) -> Any:
        return tensor


class Opaque:
    """Stands in for objects whose content is not read, such as namespaces, paths and numpy scalars."""

    __slots__ = ()

    def __new__(cls, *_arguments: Any, **_named: Any) -> Opaque:
        return object.__new__(cls)

    def __setstate__(self, _state: Any) -> None: ...

    def __setitem__(self, _key: Any, _value: Any) -> None: ...

    def append(self, _value: Any) -> None: ...

    def extend(self, _values: Any) -> None: ...


SETTINGS = (
    ("argparse", "Namespace"), ("types", "SimpleNamespace"), ("collections", "defaultdict"), ("torch", "device"),
    ("pathlib", "Path"), ("pathlib", "PosixPath"), ("pathlib", "WindowsPath"), ("datetime", "datetime"),
    ("datetime", "timedelta"), ("numpy", "dtype"), ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"), ("_codecs", "encode"), ("torch", "float32"), ("torch", "float16"),
    ("pytorch_lightning.utilities.parsing", "AttributeDict"), ("lightning_fabric.utilities.data", "AttributeDict"),
    ("lightning.fabric.utilities.data", "AttributeDict"), ("lightning.pytorch.utilities.parsing", "AttributeDict"),
)  # fmt: skip
"""Names of objects that training scripts store beside a state dict; ``Opaque`` stands in for each."""


ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor_v2"): RebuildTensor(),
    ("torch._utils", "_rebuild_parameter"): RebuildParameter(),
    **dict.fromkeys(SETTINGS, Opaque),
    **{
        ("torch", f"{name}Storage"): StorageType(kind)
        for name, kind in {
            "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
            "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool",
        }.items()
    },
}  # fmt: skip
"""(Module, name) that a weights file may use -> the object that replaces it."""


class TensorsOnly(pickle.Unpickler):
    """An unpickler restricted to dictionaries, plain values and descriptions of tensors."""

    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file)
        self.path = path
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            model = name[:1].isupper() and "builtins" not in module
            what = ": a whole model or another object, as torch.save(model) writes it" if model else ""
            raise WeightsError(
                f"{self.path}: opening it would run {module[:80]}.{name[:80]}, which was not run{what}; expected tensors "
                "only: get the file from its official source, or save model.state_dict() from a model you trust"
            )
        return ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        kind, storage_type, key, _device, count, *view = pid
        if (
            kind != "storage"
            or not isinstance(storage_type, StorageType)
            or not isinstance(count, int)
            or count < 0
            or any(view)
        ):
            raise pickle.UnpicklingError(f"an unknown reference {str(kind)[:40]!r}")
        return self.storages.setdefault(str(key), Storage(str(key), storage_type.kind, count))


def is_torch_zip(names: Iterable[str]) -> bool:
    """Whether a zip archive with these members is a PyTorch file."""
    return any(name.endswith(("data.pkl", "constants.pkl")) for name in names)


def read_zip(path: Path) -> ForeignWeights:
    """Read a file in the zip format."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any("/code/" in name for name in names):
                raise WeightsError(
                    f"{path}: a TorchScript archive, which contains code; expected a state dict: save model.state_dict()"
                )
            check_packing(archive)
            (index,) = [name for name in names if name.endswith("data.pkl")]
            root = index.removesuffix("data.pkl")
            order = archive.read(f"{root}byteorder").decode() if f"{root}byteorder" in names else "little"
            if order != "little":
                raise WeightsError(
                    f"{path}: saved on a {order[:9]}-endian machine; expected little-endian: save it again"
                )
            content, _ = unpickle(io.BytesIO(archive.read(index)), path)
            return collect(path, content, cache(lambda storage: archive.read(f"{root}data/{storage.key}")))
    except BROKEN_ZIP as error:
        raise damaged(path, "PyTorch file", error) from None


def read_legacy(path: Path) -> ForeignWeights:
    """Read a file in the format before PyTorch 1.6: five pickles, then the length and bytes of each storage."""
    file = io.BytesIO(read_whole(path))
    if unpickle(file, path)[0] != LEGACY_MAGIC or unpickle(file, path)[0] != LEGACY_PROTOCOL:
        raise WeightsError(f"{path}: a pickle that is not PyTorch's; expected a state dict saved with torch.save")
    system, _ = unpickle(file, path)
    if not isinstance(system, dict) or not dict.get(system, "little_endian", True):
        raise WeightsError(f"{path}: saved on a big-endian machine; expected little-endian: save it again")
    content, storages = unpickle(file, path)
    keys, _ = unpickle(file, path)
    stored: dict[Storage, bytes] = {}
    for key in keys if isinstance(keys, list) else []:
        storage = storages.get(str(key))
        if storage is None or int.from_bytes(file.read(8), "little") != storage.length:
            raise damaged(path, "PyTorch file", "its list of storages does not fit its tensors")
        stored[storage] = file.read(storage.length * size_of(storage.kind))
    try:
        return collect(path, content, lambda storage: stored.get(storage, b""))
    except BROKEN_PICKLE as error:
        raise damaged(path, "PyTorch file", error) from None


def unpickle(file: io.BytesIO, path: Path) -> tuple[Any, dict[str, Storage]]:
    """The value of the next pickle in ``file``, and the storages that it references.

    Raises ``WeightsError`` if it contains more than plain values and tensors.
    """
    unpickler = TensorsOnly(file, path)
    try:
        check_steps(file)
        return unpickler.load(), unpickler.storages
    except WeightsError:
        raise
    except BROKEN_PICKLE as error:
        raise damaged(path, "PyTorch file", error) from None


def check_steps(file: io.BytesIO) -> None:
    """Raise ``ValueError`` for a pickle with too many opcodes, too much nesting, or too large a memo index.

    Python allocates the memo up to its largest index, and hashes nested tuples recursively without a limit.
    """
    start = file.tell()
    stack: list[int | None] = []  # the nesting depth of each value; None for a mark
    memory: dict[int, int] = {}
    for done, (step, argument, _) in enumerate(pickletools.genops(file)):
        if done > MOST_STEPS:
            raise ValueError(f"more than {MOST_STEPS} opcodes")
        if step.name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            number = len(memory) if step.name == "MEMOIZE" else int(argument or 0)
            if number > done:
                raise ValueError(f"memo index {number} at opcode {done}")
            memory[number] = (stack[-1] if stack else 0) or 0
        elif step.name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memory.get(int(argument or 0), 0))
        elif step.name == "MARK":
            stack.append(None)
        elif depth_after(step, stack) > MOST_NESTED:
            raise ValueError(f"nested more than {MOST_NESTED} deep")
    file.seek(start)


def depth_after(step: pickletools.OpcodeInfo, stack: list[int | None]) -> int:
    """Apply an opcode to ``stack``, and return the nesting depth of its result."""
    before = list(step.stack_before)
    taken: list[int] = []
    if pickletools.markobject in before:
        while stack and (depth := stack.pop()) is not None:
            taken.append(depth)
        before = before[: before.index(pickletools.markobject)]
    target = 0
    for _ in before:
        target = (stack.pop() if stack else 0) or 0
        taken.append(target)
    if step.name in CHANGING:
        taken.pop()
    deepest = max(target if step.name in CHANGING else 0, 1 + max(taken, default=0))
    stack.extend([deepest] * len(step.stack_after))
    return deepest


def flatten(path: Path, content: Any) -> tuple[dict[str, TensorView], tuple[str, ...]]:
    """Name -> tensor, where dots join the keys of nested dictionaries; and a note on skipped keys."""
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a state dict; save model.state_dict()")
    views: dict[str, TensorView] = {}
    left: list[str] = []
    waiting: list[tuple[str, Any, tuple[int, ...]]] = [("", content, ())]
    while waiting:
        prefix, mapping, above = waiting.pop()
        for key, value in dict.items(mapping):  # a pickle could have replaced mapping.items
            name = f"{prefix}{key}" if isinstance(key, str | int) else ""
            if isinstance(value, TensorView) and name:
                if name in views:
                    raise damaged(path, "PyTorch file", f"two tensors are called {name[:80]}")
                views[name] = value
            elif isinstance(value, dict) and value and id(value) not in above and len(above) < DEEPEST:
                if TRAINING.search(str(key)) and not prefix:
                    left.append(str(key)[:80])
                else:
                    waiting.append((f"{name}.", value, (*above, id(mapping), id(value))))
            elif isinstance(value, list) and value and not prefix and TRAINING.search(str(key)):
                left.append(str(key)[:80])
    if not views:
        raise WeightsError(f"{path}: a PyTorch file without tensors; expected a state dict: save model.state_dict()")
    return without_wrapper(views), (f"skipped: {', '.join(left)}",) if left else ()


def without_wrapper(views: dict[str, TensorView]) -> dict[str, TensorView]:
    """The tensors without their common prefix, if it contains ``state_dict``."""
    first = next(iter(views)).partition(".")[0]
    wrapped = all(name.startswith(f"{first}.") for name in views) and re.search("state_dict", first)
    return {name[len(first) + 1 :]: view for name, view in views.items()} if wrapped else views


def collect(path: Path, content: Any, read: Callable[[Storage], bytes]) -> ForeignWeights:
    """The tensors described by the content of a pickle; ``read`` returns the bytes of a storage."""
    views, notes = flatten(path, content)
    if sum(math.prod(view.shape) * size_of(view.storage.kind) for view in views.values()) > MOST_BYTES:
        raise WeightsError(
            f"{path}: its tensors take more than {MOST_BYTES >> 30} GiB; expected weights of one network"
        )
    try:
        tensors = {name: tensor_of(path, name, view, read(view.storage)) for name, view in views.items()}
    except ValueError as error:  # a shape that numpy refuses
        raise damaged(path, "PyTorch file", error) from None
    return ForeignWeights(path, FORMAT, tensors, {name: view.storage.kind for name, view in views.items()}, notes=notes)


def tensor_of(path: Path, name: str, view: TensorView, data: bytes) -> NDArray[Any]:
    """A copy of the values of a view; raises ``WeightsError`` if the view extends beyond its storage."""
    import numpy as np

    kind = view.storage.kind
    flat = np.frombuffer(data, TYPES[kind], len(data) // size_of(kind))
    if 0 in view.shape:
        return np.zeros(view.shape, flat.dtype)
    last = view.offset + sum((side - 1) * stride for side, stride in zip(view.shape, view.strides, strict=True))
    if math.prod(view.shape) > len(flat) or last >= len(flat):
        raise damaged(path, "PyTorch file", f"{name} reaches beyond the {len(flat)} stored values")
    strides = tuple(stride * flat.itemsize for stride in view.strides)
    window = np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides, writeable=False).copy()
    return widen_bfloat16(window) if kind == "bfloat16" else window


def size_of(kind: str) -> int:
    """The number of bytes per element of a type."""
    import numpy as np

    return np.dtype(TYPES[kind]).itemsize
