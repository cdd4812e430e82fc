"""Reads Keras's HDF5 files with h5py in a child process: ``.h5`` of Keras 1 and 2, and ``.weights.h5`` of Keras 3.

Tensors are named after their layers (``conv2d_7/kernel``), not after the groups of the file.  The numbers in these
names only show the order of creation: one file starts from 1, another from 95.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ...errors import WeightsError, install_line
from .child import read_in_child
from .foreign import MOST_BYTES, TYPES, ForeignWeights, damaged
from .keras_config import last_activation

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "Keras HDF5"
MOST_TEXT = 16 << 20

VARIABLES = {
    ("conv2d", 1): ("kernel",),
    ("batch_normalization", 3): ("beta", "moving_mean", "moving_variance"),
    ("batch_normalization", 4): ("gamma", "beta", "moving_mean", "moving_variance"),
    ("dense", 1): ("kernel",),
    ("dense", 2): ("kernel", "bias"),
    ("predictions", 2): ("kernel", "bias"),
}
"""(Kind of layer, number of variables) -> names of the variables; files of Keras 3 only number them.

``Layer.save_own_variables`` writes the trainable variables in order of creation, then the others.
"""


def read(path: Path) -> ForeignWeights:
    """Read a file in a child process."""
    check_h5py(path)
    return read_in_child(path, "keras_h5")


def read_here(path: Path) -> ForeignWeights:
    """Read a file in this process."""
    return read_open(path, path, FORMAT)


def read_open(path: Path, file: Path | IO[bytes], format: str, config: bytes | str = b"") -> ForeignWeights:
    """Read HDF5 from ``file``.

    ``path`` is for messages.  ``config``: the configuration of the model, if it is not in ``file``.
    """
    import numpy as np

    h5py = import_h5py(path)
    tensors: dict[str, NDArray[Any]] = {}
    types: dict[str, str] = {}
    total = 0
    try:
        with h5py.File(file, "r") as root:
            for name, data in variables(h5py, root):
                check_inside(data, name)
                total += math.prod(data.shape) * data.dtype.itemsize
                if total > MOST_BYTES:
                    raise WeightsError(
                        f"{path}: holds more than {MOST_BYTES >> 30} GiB; expected weights of one network"
                    )
                if name in tensors:
                    raise WeightsError(f"{path}: two variables are called {name}; expected one Inception network")
                types[name] = type_of(data.dtype)
                tensors[name] = data[()] if types[name] in TYPES else np.zeros(data.shape, np.int8)
            activation = last_activation(config or attribute(root, "model_config", b""))
    except (
        OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, IndexError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise damaged(path, "HDF5 file", error) from None
    if not tensors:
        raise WeightsError(
            f"{path}: an HDF5 file without Keras layers; expected one written by model.save_weights or model.save"
        )
    return ForeignWeights(path, format, tensors, types, activation=activation)


def check_inside(data: Any, name: str) -> None:
    """Raise ``ValueError`` unless ``data`` is an array and is stored in this file."""
    if not hasattr(data, "nbytes") or data.shape is None:
        raise ValueError(f"{name[:80]} is not an array")
    if data.external or data.is_virtual:
        raise ValueError(f"{name[:80]} is stored in another file")


def at(group: Any, name: str) -> Any:
    """The member of a group at a path; raises ``ValueError`` for links, which may point to other files."""
    for piece in filter(None, name.split("/")):
        link = group.get(piece, getlink=True)
        if type(link).__name__ != "HardLink":
            raise ValueError(f"{name[:80]} is a link")
        group = group[piece]
    return group


def attribute(group: Any, name: str, default: Any = None) -> Any:
    """An attribute of a group; raises ``ValueError`` if it has more than ``MOST_TEXT`` bytes.

    Without this limit, h5py would allocate any size that a damaged file states.
    """
    if default is not None and name not in group.attrs:
        return default
    held = group.attrs.get_id(name)
    if math.prod(held.shape) * held.dtype.itemsize > MOST_TEXT:
        raise ValueError(f"the attribute {name} claims more than {MOST_TEXT >> 20} MiB")
    return group.attrs[name]


def variables(h5py: Any, root: Any) -> Iterator[tuple[str, Any]]:
    """Yield the (name, data) pairs of all variables."""
    group = root.get("model_weights", root)
    if "layer_names" in group.attrs:
        yield from variables_of_keras2(group)
    else:
        yield from variables_of_keras3(h5py, root)


def variables_of_keras2(group: Any) -> Iterator[tuple[str, Any]]:
    """The variables in a file of Keras 2: each layer is a group with an attribute that lists ``conv2d_7/kernel:0``."""
    for layer in attribute(group, "layer_names"):
        held = at(group, decode(layer))
        for variable in attribute(held, "weight_names"):
            name = decode(variable)
            yield "/".join(name.removesuffix(":0").split("/")[-2:]), at(held, name)


def variables_of_keras3(h5py: Any, root: Any) -> Iterator[tuple[str, Any]]:
    """The variables in a file of Keras 3: groups ``vars`` with the layer's name as an attribute and numbered members."""
    found: list[Any] = []
    root.visititems(lambda name, item: found.append(item) if is_variables(h5py, name, item) else None)
    for group in found:
        if "optimizer" in group.name.split("/"):
            continue
        layer = decode(attribute(group, "name", ""))
        members = sorted(group, key=int)
        if not members:
            continue
        if not layer:
            raise WeightsError(
                f"{root.filename}: a Keras file without layer names; load it in Keras and save it again with model.save"
            )
        names = VARIABLES.get((kind_of(layer), len(members)), tuple(f"variable_{member}" for member in members))
        for name, member in zip(names, members, strict=True):
            yield f"{layer}/{name}", at(group, member)


def is_variables(h5py: Any, name: str, item: Any) -> bool:
    """Whether an item is the group with the variables of one layer."""
    return name.rpartition("/")[2] == "vars" and isinstance(item, h5py.Group)


def kind_of(layer: str) -> str:
    """The name of a layer without its number: ``conv2d_12`` -> ``conv2d``."""
    head, _, number = layer.rpartition("_")
    return head if head and number.isdigit() else layer


def type_of(dtype: Any) -> str:
    """Our name of a type; for a type that is refused later, numpy's name."""
    import numpy as np

    names = {np.dtype(code): name for name, code in TYPES.items() if name != "bfloat16"}
    return names.get(np.dtype(dtype), str(dtype))


def decode(value: Any) -> str:
    """``value`` as text; older files contain bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def check_h5py(path: Path) -> None:
    """Raise ``WeightsError`` if h5py is not installed; does not import it."""
    if find_spec("h5py") is None:
        raise no_h5py(path)


def import_h5py(path: Path) -> Any:
    """The module h5py; raises ``WeightsError`` if it is not installed."""
    try:
        return import_module("h5py")
    except ImportError:
        raise no_h5py(path) from None


def no_h5py(path: Path) -> WeightsError:
    """The error for a missing h5py."""
    return WeightsError(f"{path}: reading Keras files needs h5py, which is not installed: {install_line('keras')}")
