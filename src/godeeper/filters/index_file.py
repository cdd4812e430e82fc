"""Serialises a filter index; the module ``index`` documents the format and reads it."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .index import ALIGNMENT, MAGIC, START, blueprint_record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..features.stream import FeatureNetwork


def header_of(network: FeatureNetwork, photos: int, top: int, classes: Mapping[str, int]) -> dict[str, Any]:
    """The header without its table of arrays; ``classes``: name -> number of photos."""
    origin, preprocess = network.provenance(), network.preprocess
    return {
        "weights": origin.weights,
        "weights_sha256": origin.weights_sha256,
        "network": blueprint_record(network.blueprint),
        "preprocessing": {
            "summary": origin.preprocessing,
            "size": preprocess.size,
            "fit": preprocess.fit,
            "filter": preprocess.filter,
        },
        **network.batch_engine.identity().record,
        "photos": photos,
        "top": top,
        "classes": dict(classes),
    }


def serialised(header: Mapping[str, Any], arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """The bytes of an index."""
    parts, offset, table = [], 0, {}
    for name, array in arrays.items():
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        table[name] = {"offset": offset, "bytes": len(data), "type": array.dtype.name, "shape": list(array.shape)}
        parts.append(data + b"\0" * (-len(data) % ALIGNMENT))
        offset += len(parts[-1])
    text = json.dumps({**header, "arrays": table}).encode()
    padding = b"\0" * (-(START + len(text)) % ALIGNMENT)
    body = struct.pack("<Q", len(text)) + text + padding + b"".join(parts)
    return MAGIC + hashlib.sha256(body).digest() + body
