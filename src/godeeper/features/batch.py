"""``Batch``, the features of a few photos, and functions that encode, decode and regroup batches."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LENGTH = 8  # the payload starts with the length of its JSON, in this number of bytes


@dataclass(frozen=True)
class Batch:
    """Features of a few photos, in order.

    ``names``: the names of all photos.  ``features``: address -> (N, C) float32, the spatial means, with a row for each
    readable photo.  ``errors``: index in ``names`` -> the reason why the photo cannot be read.  ``notes``: index -> the
    photo's repairs (see ``Photo.notes``).
    """

    names: tuple[str, ...]
    features: Mapping[str, Floats] = field(repr=False)
    errors: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def readable(self) -> tuple[int, ...]:
        """The indices in ``names`` of the photos that have a row of features."""
        return tuple(place for place in range(len(self.names)) if place not in self.errors)


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
    """The batches that ``encoded`` converted to these bytes."""
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


def regrouped(batches: Iterable[Batch], size: int) -> Iterator[Batch]:
    """Yield the same photos in batches with ``size`` rows of features, as ``input_batches`` groups them.

    The number of rows can affect the last bits of results that are computed from features.
    """
    group = Group()
    for batch in batches:
        row = 0
        for place, name in enumerate(batch.names):
            error = batch.errors.get(place)
            features = {} if error else {address: values[row] for address, values in batch.features.items()}
            row += error is None
            group.add(name, features, error, batch.notes.get(place, ()))
            if len(group.rows) == size:
                yield group.batch()
                group = Group()
    if group.names:
        yield group.batch()


class Group:
    """Collects the photos of one batch."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.rows: list[Mapping[str, Floats]] = []
        self.errors: dict[int, str] = {}
        self.notes: dict[int, tuple[str, ...]] = {}

    def add(self, name: str, features: Mapping[str, Floats], error: str | None, notes: tuple[str, ...]) -> None:
        """Add a photo; ``features``: address -> (C,)."""
        if error:
            self.errors[len(self.names)] = error
        else:
            self.rows.append(features)
        if notes:
            self.notes[len(self.names)] = notes
        self.names.append(name)

    def batch(self) -> Batch:
        """The photos as a batch."""
        features = {address: np.stack([row[address] for row in self.rows]) for address in (self.rows or [{}])[0]}
        return Batch(tuple(self.names), features, self.errors, self.notes)
