"""Reads TensorFlow.js models: ``model.json`` and the binary shards beside it, also quantised.

The manifest lists name, shape, type and, for quantised tensors, how to restore them:
value = stored · scale + min.  Source: tfjs-core/src/io/types.ts, io_utils.ts.
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
    """Raise if a shard is listed twice, or there are more than ``MOST_SHARDS``."""
    if len(set(names)) != len(names) or len(names) > MOST_SHARDS:
        raise ValueError(f"{len(names)} shards, {len(set(names))} of them different")


def read_shard(path: Path, name: str) -> bytes:
    """The bytes of one shard, which must be in the manifest's folder."""
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
    """The stored type of a tensor."""
    kind: str = entry.get("quantization", {}).get("dtype", entry["dtype"])
    return kind


def values(data: memoryview, entry: Mapping[str, Any], kind: str, label: str) -> NDArray[Any]:
    """One tensor, dequantised in double precision and stored in single."""
    import numpy as np

    stored = array_of(data, kind, tuple(entry["shape"]), label)
    quantisation = entry.get("quantization", {})
    if "scale" not in quantisation:
        return stored
    scale, least = float(quantisation["scale"]), float(quantisation.get("min", 0.0))
    with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are refused by name later
        return (stored * scale + least).astype(np.float32)
