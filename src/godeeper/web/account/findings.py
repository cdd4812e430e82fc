"""The names and the visualisation of a filter: computed on demand by a job, cached on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ...blueprint.address import Tensor
from ...errors import PhotoError
from ...filters.contributions.target import target_of
from ...filters.names.colour_or_shape import colour_or_shape
from ...filters.names.naming import names_of, tests_of
from ...filters.names.places import opened_photos
from ...filters.visualisation.photos import photos_of
from ...filters.visualisation.visualise import Settings, checked, filter_of, visualise
from ...version import __version__
from ..filter_index.handlers import NO_INDEX
from ..http.errors import not_found
from .trail import address_of

if TYPE_CHECKING:
    from ...filters.contributions.target import Target
    from ...network import Network
    from ..compute.jobs import Compute, Report
    from ..compute.served_index import ServedIndex
    from .record_types import NamesRecord, VisualisationRecord

RECIPE = 1  # increase it when the same filter gets another result
UNREADABLE = "names need all photos of the index, and one no longer exists or has changed: start godeeper serve with --photos FOLDER again"


@dataclass(frozen=True)
class Task:
    """A job: the key of its result, and the computation."""

    key: str
    compute: Compute


def key_of(*parts: object) -> str:
    """The key of a result: a hash of everything that determines it."""
    return hashlib.sha256(json.dumps([__version__, RECIPE, *parts]).encode()).hexdigest()[:40]


def names_task(network: Network, served: ServedIndex | None, tensor: Tensor, number: int) -> Task:
    """The names of a filter from the served index; the result is a ``NamesRecord`` as JSON.

    Raises:
        RequestError: no index is served.
        AddressError: the filter is not a convolution's.
    """
    if served is None:
        raise not_found(NO_INDEX)
    target = target_of(network.blueprint, address_of(tensor, number))
    has_photos = served.folder is not None
    key = key_of("names", network.weights.sha256, served.index.sha256, has_photos, target.tensor.address)
    return Task(key, lambda report: json.dumps(names_record(network, served, target, report)).encode())


def names_record(network: Network, served: ServedIndex, target: Target, report: Report) -> NamesRecord:
    """Compute the names; ``report`` is called before each photo."""
    index, site, channel = served.index, target.site, target.channel
    tested = None
    if served.folder is None:
        names = names_of(index, site, channel, None)
    else:
        try:
            with opened_photos(index, served.folder, lambda: report(0, 0)) as photos:
                names = names_of(index, site, channel, photos)
                tested = colour_or_shape(network, photos, site, channel)
        except PhotoError:
            raise not_found(UNREADABLE) from None
    record: dict[str, Any] = {
        "address": site.address,
        "filter": channel,
        "names": [each.record() for each in names],
        "tests": tests_of(index),
        "with_photos": served.folder is not None,
        "colour_or_shape": None if tested is None else tested.record(),
    }
    return cast("NamesRecord", record)


def visualisation_task(
    network: Network, served: ServedIndex | None, tensor: Tensor, number: int, settings: Settings
) -> Task:
    """The visualisation of a filter; ``packed`` describes the result.  Raises ``AddressError`` if it is not a convolution's."""
    one = Tensor(tensor.site, tensor.stage, (number,))
    checked(network, one)
    source = filter_of(network, one)
    index = None if served is None else [served.index.sha256, str(served.folder)]  # the verdict needs the photos' files
    key = key_of(
        "visualisation",
        network.weights.sha256,
        network.preprocess.summary,
        index,
        source.address,
        settings.summary,
        settings.size,
    )

    def compute(report: Report) -> bytes:
        folder = None if served is None else served.folder
        (made,) = visualise(
            network,
            source,
            settings,
            lambda each: [] if served is None else photos_of(served.index, each, folder),
            report,
        )
        return packed(made.record() | {"settings": settings.summary}, made.png())

    return Task(key, compute)


def packed(record: dict[str, Any], png: bytes) -> bytes:
    """The record as one line of JSON, then the PNG."""
    return json.dumps({name: value for name, value in record.items() if name != "png"}).encode() + b"\n" + png


def unpacked(result: bytes) -> tuple[VisualisationRecord, bytes]:
    """The record and the PNG."""
    line, _, png = result.partition(b"\n")
    return json.loads(line), png
