"""The photos that a training is about, with their features, and what was computed of them before.

Choices and held-out answers are kept in the feature store under a hash of all the numbers they follow from, so that a
second run of the same photos computes none of them again.
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

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .pca import Floats


@dataclass(frozen=True)
class Dataset:
    """Usable photos in the order of the doctor's verdicts, with their features, address -> (N, C)."""

    checkup: Checkup
    features: Mapping[str, Floats] = field(repr=False)
    chosen: tuple[str, ...] | None  # modules that must be used; None: choose
    seed: int
    store: ResultStore = field(repr=False)  # where choices are kept, too
    kept: dict[bytes, ComponentsByModule] = field(default_factory=dict, repr=False)

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
        """(N,) near-duplicates share a number, and a photo's number does not depend on others being there."""
        return np.array([photo.group for photo in self.photos], np.int64)

    def of(self, rows: Ints) -> Mapping[str, Floats]:
        """The features of some photos."""
        return TableRows(self.features, rows)

    def bases(self, rows: Ints) -> ComponentsByModule:
        """The bases of some photos; of those last asked for they are kept, since several steps begin with them."""
        key = rows.tobytes()
        if key not in self.kept:
            self.kept.clear()
            self.kept[key] = ComponentsByModule(self.of(rows), self.seed)
        return self.kept[key]

    def coordinates(self, rows: Ints, selection: Selection) -> Floats:
        """(N, k) of some photos in the bases of the modules chosen."""
        return join(self.bases(rows).of(selection.chosen))

    def fit(self, rows: Ints) -> tuple[Head, Selection]:
        """A head trained on some photos alone: modules and strength are chosen on them, too."""
        bases, labels, groups = self.bases(rows), self.labels[rows], self.groups[rows]
        selection = self.select(bases, labels, groups, rows)
        if self.chosen is not None:
            selection = replace(selection, chosen=self.chosen)
        return fit(bases.features, labels, groups, self.checkup.classes, self.seed, selection, bases)

    def select(self, bases: ComponentsByModule, labels: Ints, groups: Ints, rows: Ints) -> Selection:
        """What modules and strength cross-validation chooses among some photos."""
        chosen = self.remember(
            "selection",
            rows,
            lambda: json.dumps(asdict(select(bases.features, labels, groups, self.seed, bases))).encode(),
        )
        fields = json.loads(chosen)
        scores = {address: (mean, error) for address, (mean, error) in fields["scores"].items()}
        return Selection(scores, tuple(fields["chosen"]), fields["strength"])

    def remember(self, what: str, rows: Ints, compute: Callable[[], bytes]) -> bytes:
        """What was computed of some photos; for the same numbers, what it was before."""
        key = hashlib.sha256(self.digest + f"{what}\n".encode() + rows.astype(np.int64).tobytes()).digest()
        known = self.store.get_blobs([key]).get(key)
        if known is None:
            known = compute()
            self.store.put_blobs({key: known})
        return known

    def remember_array(self, what: str, rows: Ints, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The same for an array."""
        answer: NDArray[Any] = np.load(io.BytesIO(self.remember(what, rows, lambda: array_bytes(compute()))))
        return answer

    @cached_property
    def digest(self) -> bytes:
        """Names all that follows from these photos by what it follows from: the numbers themselves, and who computes."""
        libraries = f"{__version__} {version('scikit-learn')} {version('numpy')}"
        digest = hashlib.sha256(f"{libraries} {self.seed} {self.chosen}".encode())
        others: Mapping[str, NDArray[Any]] = {"labels": self.labels, "groups": self.groups}
        for address in self.features:
            digest.update(f"\n{address} {len(self.labels)}\n".encode())
            for values in blocks(self.features, address):
                digest.update(np.ascontiguousarray(values).data)
        for name, numbers in others.items():
            digest.update(f"\n{name} {numbers.shape} {numbers.dtype}\n".encode())
            digest.update(numbers.tobytes())
        return digest.digest()


def require_classes(checkup: Checkup) -> None:
    """Raise unless photos of two classes are there."""
    if checkup.flat:
        raise OptionError(f"{checkup.folder}: {checkup.flat}")
    if len(checkup.classes) < 2:
        found = f"only the class {checkup.classes[0]!r}" if checkup.classes else "no usable photo in a class's folder"
        raise OptionError(
            f"{checkup.folder}: {found}{why_lost(checkup)}; expected two folders of photos or more, one a class; "
            f"see: godeeper doctor {checkup.folder}"
        )


def why_lost(checkup: Checkup) -> str:
    """The reason for which most photos of classes without a usable one were left out; empty where there are none."""
    reasons = Counter(one.reasons[0] for one in checkup.verdicts if one.entry.label not in checkup.classes)
    if not reasons:
        return ""
    [(reason, count)] = reasons.most_common(1)
    return (
        f" ({count} of {reasons.total()} other photos: {reason})"
        if checkup.classes
        else f" ({count} of {reasons.total()}: {reason})"
    )


def array_bytes(values: NDArray[Any]) -> bytes:
    """An array as numpy writes it to files."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()
