"""Reads TensorFlow.js models, including quantised models: ``model.json`` and the binary shards beside it.

The manifest lists the name, shape and type of each tensor.  A quantised value q stands for q · scale + min.
Source: tfjs-core/src/io/types.ts, io_utils.ts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import WeightsError
from ...files import open_regular
from .foreign import MOST_BYTES, TYPES, ForeignWeights, array_of, damaged, read_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "TensorFlow.js model"
MOST_SHARDS = 1000


def read(path: Path) -> ForeignWeights:
    """Read the manifest and all shards that it lists."""
    tensors: dict[str, NDArray[Any]] = {}
    types: dict[str, str] = {}
    try:
        manifest = json.loads(read_whole(path))["weightsManifest"]
        check_once([name for group in manifest for name in group["paths"]])
        for group in manifest:
            data = memoryview(b"".join(read_shard(path, name) for name in group["paths"]))
            start = 0
            for entry in group["weights"]:
                kind = stored_type(entry)
                end = start + math.prod(entry["shape"]) * int(TYPES.get(kind, "f8")[-1].replace("?", "1"))
                name = str(entry["name"])
                tensors[name] = values(data[start:end], entry, kind, f"{path}: {name}")
                types[name] = f"{kind} quantised" if "quantization" in entry and kind.startswith("uint") else kind
                start = end
            if start != len(data):
                raise WeightsError(
                    f"{path}: its shards contain {len(data)} bytes, its manifest lists {start}; download all files again"
                )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise damaged(path, FORMAT, f"cannot read the manifest: {error!r}") from None
    return ForeignWeights(path, FORMAT, tensors, types)


def check_once(names: Sequence[str]) -> None:
    """Raise ``ValueError`` if a shard is listed twice, or there are more than ``MOST_SHARDS``."""
    if len(set(names)) != len(names) or len(names) > MOST_SHARDS:
        raise ValueError(f"{len(names)} shards, {len(set(names))} of them different")


def read_shard(path: Path, name: str) -> bytes:
    """The bytes of one shard; raises ``WeightsError`` unless it is in the folder of the manifest."""
    if Path(name).name != name or name in ("", ".", ".."):
        raise WeightsError(f"{path}: lists a shard {name!r} outside of its own folder; expected plain file names")
    shard = path.with_name(name)
    try:
        with open_regular(shard) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot read its shard {name} ({error.strerror}); put all files of the model in one folder"
        ) from None
    if len(data) > MOST_BYTES:
        raise WeightsError(f"{shard}: larger than {MOST_BYTES >> 30} GiB; expected weights of one network")
    return data


def stored_type(entry: Mapping[str, Any]) -> str:
    """The type in which a tensor is stored."""
    kind: str = entry.get("quantization", {}).get("dtype", entry["dtype"])
    return kind


def values(data: memoryview, entry: Mapping[str, Any], kind: str, label: str) -> NDArray[Any]:
    """One tensor; quantised values are computed in double precision and rounded to single."""
    import numpy as np

    stored = array_of(data, kind, tuple(entry["shape"]), label)
    quantisation = entry.get("quantization", {})
    if "scale" not in quantisation:
        return stored
    scale, least = float(quantisation["scale"]), float(quantisation.get("min", 0.0))
    with np.errstate(over="ignore", invalid="ignore"):  # ``convert`` refuses values that are not finite
        return (stored * scale + least).astype(np.float32)
