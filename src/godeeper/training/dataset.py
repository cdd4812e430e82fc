"""The dataset of a training run: the usable photos with their features, and a cache of results computed from them.

The result store caches selections and held-out predictions under a hash of all their inputs, so a second run on the same
photos does not compute them again.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from ..features.store import ResultStore
from ..features.table import TableRows, blocks
from ..photos.doctor.checkup import Checkup
from ..photos.doctor.usable import UsablePhoto
from ..version import __version__
from .folds import Ints
from .head import Head, Selection, fit, select
from .selection import ComponentsByModule, join
from .targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .pca import Floats


@dataclass(frozen=True)
class Dataset:
    """The usable photos, in the order of the checkup, and their features: address -> (N, C)."""

    checkup: Checkup
    features: Mapping[str, Floats] = field(repr=False)
    chosen: tuple[str, ...] | None  # the modules to use; None to choose them by cross-validation
    seed: int
    store: ResultStore = field(repr=False)
    cached: dict[bytes, ComponentsByModule] = field(default_factory=dict, repr=False)

    @cached_property
    def targets(self) -> Targets:
        """Labels and groups of all photos."""
        return Targets(self.labels, self.groups, self.seed)

    @cached_property
    def photos(self) -> tuple[UsablePhoto, ...]:
        return self.checkup.usable

    @cached_property
    def labels(self) -> Ints:
        """(N,) the number of each photo's class."""
        numbers = {label: number for number, label in enumerate(self.checkup.classes)}
        return np.array([numbers[photo.entry.label] for photo in self.photos], np.int64)

    @cached_property
    def groups(self) -> Ints:
        """(N,) the number of each photo's group; near-duplicates are in the same group."""
        return np.array([photo.group for photo in self.photos], np.int64)

    def of(self, rows: Ints) -> Mapping[str, Floats]:
        """The features of some photos."""
        return TableRows(self.features, rows)

    def components(self, rows: Ints) -> ComponentsByModule:
        """The principal components of some photos' features; the last result is cached, because several steps use it."""
        key = rows.tobytes()
        if key not in self.cached:
            self.cached.clear()
            self.cached[key] = ComponentsByModule(self.of(rows), self.seed)
        return self.cached[key]

    def coordinates(self, rows: Ints, selection: Selection) -> Floats:
        """(N, k): the coordinates of some photos in the principal components of the chosen modules."""
        return join(self.components(rows).of(selection.chosen))

    def fit(self, rows: Ints) -> tuple[Head, Selection]:
        """Choose the modules and the strength, and train a head, on these photos alone."""
        components, targets = self.components(rows), self.targets.of(rows)
        selection = self.select(components, targets, rows)
        if self.chosen is not None:
            selection = replace(selection, chosen=self.chosen)
        return fit(components.features, targets, self.checkup.classes, selection, components)

    def select(self, components: ComponentsByModule, targets: Targets, rows: Ints) -> Selection:
        """Choose modules and strength by cross-validation on these photos."""
        selection = self.cache(
            "selection",
            rows,
            lambda: json.dumps(asdict(select(components.features, targets, components))).encode(),
        )
        fields = json.loads(selection)
        scores = {address: (mean, error) for address, (mean, error) in fields["scores"].items()}
        return Selection(scores, tuple(fields["chosen"]), fields["strength"])

    def cache(self, what: str, rows: Ints, compute: Callable[[], bytes]) -> bytes:
        """The result of ``compute`` for some photos, from the store if it was computed before."""
        key = hashlib.sha256(self.digest + f"{what}\n".encode() + rows.astype(np.int64).tobytes()).digest()
        known = self.store.get_blobs([key]).get(key)
        if known is None:
            known = compute()
            self.store.put_blobs({key: known})
        return known

    def cache_array(self, what: str, rows: Ints, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Like ``cache``, for a result that is an array."""
        values: NDArray[Any] = np.load(io.BytesIO(self.cache(what, rows, lambda: array_bytes(compute()))))
        return values

    @cached_property
    def digest(self) -> bytes:
        """The cache key: a hash of all inputs and of the libraries' versions."""
        libraries = f"{__version__} {version('scikit-learn')} {version('numpy')}"
        digest = hashlib.sha256(f"{libraries} {self.seed} {self.chosen}".encode())
        arrays: Mapping[str, NDArray[Any]] = {"labels": self.labels, "groups": self.groups}
        for address in self.features:
            digest.update(f"\n{address} {len(self.labels)}\n".encode())
            for values in blocks(self.features, address):
                digest.update(np.ascontiguousarray(values).data)
        for name, numbers in arrays.items():
            digest.update(f"\n{name} {numbers.shape} {numbers.dtype}\n".encode())
            digest.update(numbers.tobytes())
        return digest.digest()


def require_classes(checkup: Checkup) -> None:
    """Raise ``OptionError`` unless at least two classes have usable photos."""
    if checkup.flat:
        raise OptionError(f"{checkup.folder}: {checkup.flat}")
    if len(checkup.classes) < 2:
        found = f"only the class {checkup.classes[0]!r}" if checkup.classes else "no usable photo in a class's folder"
        raise OptionError(
            f"{checkup.folder}: {found}{why_lost(checkup)}; expected at least two folders of photos, one per class; "
            f"see: godeeper doctor {checkup.folder}"
        )


def why_lost(checkup: Checkup) -> str:
    """The most common reason why classes have no usable photo; empty if all classes have one."""
    reasons = Counter(each.reasons[0] for each in checkup.verdicts if each.entry.label not in checkup.classes)
    if not reasons:
        return ""
    [(reason, count)] = reasons.most_common(1)
    return (
        f" ({count} of {reasons.total()} other photos: {reason})"
        if checkup.classes
        else f" ({count} of {reasons.total()}: {reason})"
    )


def array_bytes(values: NDArray[Any]) -> bytes:
    """An array in numpy's file format."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()
