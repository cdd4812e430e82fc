"""``FilterIndex``: for every filter, the photos of a folder that activate it most, and how its activations are distributed.

The file is memory-mapped and read without NumPy, so that a lookup takes a few milliseconds:

- the line ``MAGIC``, the SHA-256 of everything after it, the length of the header (8 bytes, little-endian);
- the header, a JSON object: the weights, the preprocessing, the engine, the number of photos, the classes, and for each array its
  offset, type and shape;
- the arrays, little-endian, each at a multiple of 64 bytes after the header.

The arrays, for F filters (see ``indexed_sites``), T top photos, Q percentiles, K classes and P photos:

==================  ======  =======  ==========================================================================
``top_photos``      (F, T)  uint32   the photos with the greatest maxima, greatest first; ``NO_PHOTO`` after the last
``top_values``      (F, T)  float32  their maxima
``top_cells``       (F, T)  uint16   the cells of the maxima: row x columns + column
``examples_…``      (F, Q)  the same three arrays for the photos at the percentiles
``active``          (F,)    uint32   the number of photos with a maximum above 0
``mean``            (F,)    float32  the mean of the maxima
``class_active``    (K, F)  uint32   ``active`` over the photos of each class
``class_mean``      (K, F)  float32  ``mean`` over the photos of each class
``hashes``          (P, 32) uint8    SHA-256 of the photos' files, ascending
``sizes``           (P, 2)  uint32   width and height in pixels
``names``           bytes            their names, separated by NUL, relative to the indexed folder
==================  ======  =======  ==========================================================================

The file contains neither a time stamp nor its own path, so the same photos and weights give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from pathlib import Path
from struct import unpack_from
from typing import TYPE_CHECKING, Any

from ..blueprint.address import resolve_one
from ..blueprint.dialects import in_dialect
from ..blueprint.networks import BLUEPRINTS
from ..blueprint.sites import Site, sites
from ..blueprint.topology import origin
from ..errors import AddressError, IndexFileError, OptionError, UnknownName
from ..files import open_regular
from ..photos.fitting import Fitting
from ..provenance import Provenance

if TYPE_CHECKING:
    from ..blueprint.address import Tensor
    from ..blueprint.ops import Blueprint
    from ..photos.preprocess import Preprocess
    from ..weights.file import WeightsFile

MAGIC = b"godeeper index 1\n"
START = len(MAGIC) + 32 + 8
ALIGNMENT = 64
NO_PHOTO = 2**32 - 1
NO_CELL = 2**16 - 1
LARGEST_SIDE = 4096  # pixels of the network's input; repeats the constant of ``preprocess``, which would import NumPy
PERCENTILES = (50, 75, 95)
FORMATS = {"uint8": "B", "uint16": "H", "uint32": "I", "float32": "f"}
NEVER = "make it again with: godeeper index FOLDER --out"


@dataclass(frozen=True)
class IndexedPhoto:
    """The maximum of one filter on one photo.

    ``number``: the photo's number in the index. ``name``: its path relative to the indexed folder. ``size``: (width, height) in
    pixels.  ``row`` and ``column``: the cell with the maximum; None if the map has the same value everywhere.
    """

    number: int
    name: str
    sha256: str
    size: tuple[int, int]
    value: float
    row: int | None
    column: int | None


@dataclass(frozen=True)
class IndexedFilter:
    """The entry of one filter in an index.

    ``tensor``: the tensor with this filter as its only channel.  ``top``: the top photos, the greatest maximum first; photos
    on which the map is constant are left out.  ``examples``: percentile -> the photo at this percentile.  ``active``: the
    share of photos with a maximum above 0.  ``mean``: the mean of the maxima.  ``classes``: name -> (mean of the maxima,
    share of photos with a maximum above 0); empty without class folders.
    """

    tensor: Tensor
    top: tuple[IndexedPhoto, ...]
    examples: Mapping[int, IndexedPhoto]
    active: float
    mean: float
    classes: Mapping[str, tuple[float, float]] = field(repr=False)


def indexed_sites(blueprint: Blueprint) -> tuple[Site, ...]:
    """The sites whose filters are in an index, in program order: convolutions, and pools and normalisations that feed a join.

    The filters of a join are copies of the filters of these sites.
    """
    all_sites = sites(blueprint)
    joined = {source for site in all_sites if site.kind == "concat" for source in site.inputs}
    return tuple(
        site for site in all_sites if site.kind == "conv" or (site.index in joined and site.kind in ("pool", "norm"))
    )


class FilterIndex:
    """An opened index; ``read_index`` returns one."""

    def __init__(self, path: Path, header: Mapping[str, Any], data: memoryview, sha256: str) -> None:
        """``data``: the content of the file after the header.  ``sha256``: the hash of header and data."""
        self.path = path
        self.sha256 = sha256
        self.header = header
        self.photos: int = header["photos"]
        self.most: int = header["top"]
        self.classes: Mapping[str, int] = header["classes"]
        self.origin = Provenance(header["weights"], header["weights_sha256"], header["preprocessing"]["summary"])
        fitting = header["preprocessing"]
        self.fitting = Fitting(fitting["size"], fitting["fit"], fitting["filter"])
        self.blueprint = blueprint_of(header["network"])
        self.data = data
        self.check_shapes()

    def check_shapes(self) -> None:
        """Raise ``ValueError``, ``LookupError`` or ``TypeError`` unless the arrays fit the network and each other."""
        if not all(type(each) is int and each > 0 for each in (self.photos, self.most, self.fitting.size)):
            raise ValueError("photos")
        if not all(
            isinstance(each, str)
            for each in (self.origin.weights, self.origin.weights_sha256, self.origin.preprocessing)
        ):
            raise TypeError("weights")
        if self.fitting.size > LARGEST_SIDE or not all(type(count) is int for count in self.classes.values()):
            raise ValueError("size")
        count, filters = len(self.names), sum(site.shape[0] for site in indexed_sites(self.blueprint))
        ranked = [(f"top_{each}", self.most) for each in ("photos", "values", "cells")]
        ranked += [(f"examples_{each}", len(PERCENTILES)) for each in ("photos", "values", "cells")]
        expected = {name: [filters, columns] for name, columns in ranked}
        expected |= {"active": [filters], "mean": [filters], "hashes": [count, 32], "sizes": [count, 2]}
        expected |= {name: [len(self.classes), filters] for name in ("class_active", "class_mean")}
        for name, shape in expected.items():
            facts = self.header["arrays"][name]
            length = self.array(name).nbytes
            whole = 1
            for side in shape:
                whole *= side
            if facts["shape"] != shape or self.array(name).itemsize * whole != length:
                raise ValueError(name)

    def check_weights(self, weights: WeightsFile) -> None:
        """Raise ``IndexFileError`` unless the index was made with these weights."""
        made_with = self.origin.weights
        if weights.sha256 != self.origin.weights_sha256:
            other = " (a file with the same name and other values)" if weights.name == made_with else ""
            raise IndexFileError(
                f"{self.path}: made with weights {made_with!r}{other}, not with {weights.name!r}; "
                f"make an index with: godeeper index FOLDER --weights {weights.name} --out FILE.index"
            )

    def check_preprocessing(self, preprocess: Preprocess) -> None:
        """Raise ``IndexFileError`` unless the index was made with this preprocessing."""
        if self.origin.preprocessing != preprocess.summary:
            raise IndexFileError(
                f"{self.path}: made with the preprocessing {self.origin.preprocessing!r}, not with {preprocess.summary!r}; "
                "load the network with that preprocessing, or make the index again"
            )

    def array(self, name: str) -> Any:
        """An array as a flat ``memoryview``."""
        facts = self.header["arrays"][name]
        start, length = facts["offset"], facts["bytes"]
        if not 0 <= start <= start + length <= len(self.data):
            raise ValueError(name)
        return self.data[start : start + length].cast(FORMATS[facts["type"]])  # type: ignore[call-overload]

    @cached_property
    def first(self) -> dict[int, int]:
        """Site -> the position of its first filter in the arrays."""
        places, start = {}, 0
        for site in indexed_sites(self.blueprint):
            places[site.index] = start
            start += site.shape[0]
        return places

    @cached_property
    def names(self) -> list[str]:
        """The names of the photos."""
        text = bytes(self.array("names"))
        return text.decode("utf-8", "surrogateescape").split("\0") if text else []

    def filters(self, tensor: Tensor | str) -> list[IndexedFilter]:
        """The filters of a tensor.

        Args:
            tensor: a tensor of ``blueprint``, or its address: a convolution after its ReLU, or a join.

        Raises:
            AddressError: there is no such tensor, or it is not in the index.
        """
        if isinstance(tensor, str):
            tensor = resolve_one(self.blueprint, tensor)
        if tensor.stage not in (None, "relu") or origin(self.blueprint, tensor.site, 0)[0].index not in self.first:
            raise AddressError(
                f"{tensor.name} is not in an index: an index holds only convolutions after their ReLU, and joins; "
                f"search the folder instead: godeeper top FOLDER {tensor.address}"
            )
        return [self.filter(tensor, number) for number in tensor.filters]

    def filter(self, tensor: Tensor, number: int) -> IndexedFilter:
        """One filter of a tensor."""
        place = self.place_of(tensor, number)
        examples = [self.ranked("examples", place * len(PERCENTILES) + at, tensor) for at in range(len(PERCENTILES))]
        return IndexedFilter(
            replace(tensor, channels=(number,)),
            tuple(
                photo
                for at in range(self.most)
                if (photo := self.ranked("top", place * self.most + at, tensor)) is not None
            ),
            {each: photo for each, photo in zip(PERCENTILES, examples, strict=True) if photo is not None},
            self.array("active")[place] / self.photos,
            self.finite(self.array("mean")[place]),
            self.by_class(place),
        )

    def place_of(self, tensor: Tensor, number: int) -> int:
        """The position of a filter in the arrays."""
        site, number = origin(self.blueprint, tensor.site, number)
        return self.first[site.index] + number

    def by_class(self, place: int) -> dict[str, tuple[float, float]]:
        """Class -> (mean, share of active photos) of the filter at a position."""
        means, active, filters = self.array("class_mean"), self.array("class_active"), len(self.array("mean"))
        return {
            name: (self.finite(means[at * filters + place]), active[at * filters + place] / count)
            for at, (name, count) in enumerate(self.classes.items())
            if count
        }

    def ranked(self, kind: str, place: int, tensor: Tensor) -> IndexedPhoto | None:
        """The photo at a position of the arrays ``top_…`` or ``examples_…``; None if there is none.

        The numbers are checked here, because another program may have written a file with a valid hash and invalid numbers.
        """
        photo = self.array(f"{kind}_photos")[place]
        if photo == NO_PHOTO:
            return None
        cell, (_, rows, columns) = self.array(f"{kind}_cells")[place], tensor.shape
        if photo >= len(self.names) or NO_CELL > cell >= rows * columns:
            raise damaged(self.path)
        row, column = (None, None) if cell == NO_CELL else divmod(cell, columns)
        width, height = unpack_from("<2I", self.array("sizes"), photo * 8)
        if not width or not height:
            raise damaged(self.path)
        sha256 = bytes(self.array("hashes")[photo * 32 : photo * 32 + 32]).hex()
        value = self.finite(self.array(f"{kind}_values")[place])
        return IndexedPhoto(photo, self.names[photo], sha256, (width, height), value, row, column)

    def finite(self, value: float) -> float:
        """Return the value, or raise ``IndexFileError`` if it is infinite or NaN."""
        if not isfinite(value):
            raise damaged(self.path)
        return value


def blueprint_record(blueprint: Blueprint) -> dict[str, Any]:
    """The fields from which ``blueprint_of`` restores a blueprint, as JSON."""
    return {
        "architecture": blueprint.name,
        "dialect": blueprint.dialect,
        "classes": blueprint.classes,
        "scope": blueprint.scope,
        "aliases": dict(blueprint.aliases),
    }


def blueprint_of(record: Mapping[str, Any]) -> Blueprint:
    """The blueprint of a record, with the tensor names of the weights' original file."""
    return replace(
        in_dialect(BLUEPRINTS[record["architecture"]], record["dialect"]),
        classes=record["classes"],
        scope=record["scope"],
        aliases=tuple(record["aliases"].items()),
    )


def is_index(path: str | Path) -> bool:
    """Whether a file is an index according to its name or its first line."""
    try:
        with open_regular(path) as file:
            return Path(path).suffix == ".index" or file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


def read_index(path: str | Path) -> FilterIndex:
    """Open an index.

    Raises:
        IndexFileError: the file cannot be read, is damaged, is of another version, or is not an index.
    """
    path = Path(path)
    try:
        with open_regular(path) as file:
            head = file.read(START)
            if not head.startswith(MAGIC):
                raise IndexFileError(foreign(path, head))
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise IndexFileError(f"{path}: cannot read this index ({getattr(error, 'strerror', None) or error})") from None
    end = START + int.from_bytes(head[START - 8 :], "little")
    if len(head) < START or end > len(mapped):
        raise damaged(path)
    digest = hashlib.sha256(mapped[len(MAGIC) + 32 :])
    if digest.digest() != head[len(MAGIC) : len(MAGIC) + 32]:
        raise damaged(path)
    try:
        header = json.loads(bytes(mapped[START:end]))
        return FilterIndex(path, header, mapped[end + -end % ALIGNMENT :], digest.hexdigest())
    except (ValueError, LookupError, TypeError, AttributeError, OptionError, UnknownName, RecursionError):
        raise damaged(path) from None


def damaged(path: Path) -> IndexFileError:
    """The error for an index with invalid content."""
    return IndexFileError(f"{path}: this index is damaged or cut off; {NEVER} {path}")


def foreign(path: Path, head: bytes) -> str:
    """The error message for a file that does not begin like an index of this version."""
    if head.startswith(b"godeeper index "):
        return f"{path}: an index of another version of godeeper; {NEVER} {path}"
    return f"{path}: not an index; expected a file that godeeper index wrote"
