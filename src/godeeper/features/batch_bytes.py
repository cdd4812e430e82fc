"""Features as bytes, for results that are kept between runs: JSON about each batch, then its numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import numpy as np

from .stream import Batch

LENGTH = 8  # bytes of the length of the JSON


def encoded(batches: Sequence[Batch]) -> bytes:
    """Batches as bytes."""
    records = [
        {
            "names": batch.names,
            "errors": list(batch.errors.items()),
            "notes": list(batch.notes.items()),
            "shapes": {address: values.shape for address, values in batch.features.items()},
        }
        for batch in batches
    ]
    text = json.dumps(records).encode()
    numbers = (np.ascontiguousarray(values, "<f4").tobytes() for batch in batches for values in batch.features.values())
    return b"".join((len(text).to_bytes(LENGTH), text, *numbers))


def decoded(payload: bytes) -> list[Batch]:
    """The batches that ``encoded`` turned into these bytes."""
    file = io.BytesIO(payload)
    batches = []
    for record in json.loads(file.read(int.from_bytes(file.read(LENGTH)))):
        features = {
            address: np.frombuffer(file.read(4 * rows * columns), "<f4")
            .reshape(rows, columns)
            .astype(np.float32, copy=False)
            for address, (rows, columns) in record["shapes"].items()
        }
        notes = {place: tuple(texts) for place, texts in record["notes"]}
        batches.append(Batch(tuple(record["names"]), features, dict(record["errors"]), notes))
    return batches
