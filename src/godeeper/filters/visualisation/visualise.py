"""``visualise``: pictures that activate filters as much as possible, each with a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from ...blueprint.address import Tensor, stages
from ...blueprint.ops import Conv
from ...blueprint.topology import origin
from ...cores import cores
from ...engine.plan import NETWORK_INPUT, Key, key_of, plan
from ...errors import AddressError, OptionError, UnknownName, quoted
from ...photos.decode import decode
from ...png import encode_png
from ...provenance import Provenance
from ...version import __version__
from ..contributions.target import checked_cell, kind_of
from .ascent import Objective, ascend
from .optimiser import METHODS
from .spectrum import to_colours
from .stamp import stamped
from .verdict import FEWEST, PHOTOS, Verdict, judge, paths, similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...blueprint.ops import Blueprint
    from ...engine.engines import Engine
    from ...engine.gradient.gradient import GradientEngine
    from ...engine.quantization import QuantizationRanges
    from ...photos.preprocess import Preprocess
    from .optimiser import PictureOptimiser

    Floats = NDArray[np.float32]

MOST_FILTERS = 64  # filters in one run; a filter takes 4 MB per 299 x 299 picture
STEPS = 96
MOST_STEPS = 10_000
LARGEST_SIZE = 2048  # pixels
OPAQUE = 80  # the percentile of the gradients' magnitudes from which a pixel is opaque
LEAST_SIZE = 96  # pixels; less suffices for a filter whose receptive field is smaller


class DifferentiableNetwork(Protocol):
    """The parts of a ``Network`` that visualisations need."""

    @property
    def blueprint(self) -> Blueprint: ...

    @property
    def preprocess(self) -> Preprocess: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def calibration(self) -> QuantizationRanges | None: ...

    @property
    def gradient_engine(self) -> GradientEngine: ...

    def provenance(self) -> Provenance: ...


@dataclass(frozen=True)
class RealPhoto:
    """A photo that activates a filter: its name, its file (None if it no longer exists), and the value and cell of the maximum."""

    name: str
    data: bytes | None = field(repr=False)
    value: float
    cell: tuple[int, int]


@dataclass(frozen=True)
class Visualisation:
    """A picture made to activate one filter, and the verdict on it.

    ``tensor``: the tensor with this filter as its only channel.  ``source``: the same filter in its convolution, if ``tensor``
    is a copy in a concatenation.  ``image``: (size, size, 3) uint8, or 4 with transparency, with the stamp if it is not trusted.  ``value``: the greatest
    activation over places, after the ReLU, for this picture.  ``best_photo``: the photo that activates the filter most, if any.
    ``path_similarity``, ``trusted``, ``why``: see ``verdict.Verdict``.  ``seconds``: the elapsed time, during which other
    filters may have been computed too.
    """

    tensor: Tensor
    source: Tensor
    image: NDArray[np.uint8] = field(repr=False)
    value: float
    best_photo: RealPhoto | None
    path_similarity: float | None
    trusted: bool
    why: str
    seconds: float
    settings: Settings
    origin: Provenance

    @property
    def picture(self) -> Image.Image:
        """The picture as an RGB image."""
        return Image.fromarray(self.image)

    def png(self) -> bytes:
        """The picture as a PNG, with its provenance and verdict in text chunks."""
        verdict = ("trusted: " if self.trusted else "not trusted: ") + self.why
        texts = png_texts(self.tensor.address, self.value, verdict, self.settings)
        return encode_png(self.picture, texts | self.origin.png_chunks())

    def record(self, png: str | None = None) -> dict[str, Any]:
        """The JSON of one filter."""
        best = self.best_photo
        return {
            "address": self.tensor.site.address,
            "filter": self.tensor.filters[0],
            "origin": {"address": self.source.site.address, "filter": self.source.filters[0]},
            "png": png,
            "value": self.value,
            "best_photo": None if best is None else {"photo": best.name, "value": best.value},
            "path_similarity": self.path_similarity,
            "trusted": self.trusted,
            "why": self.why,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Settings:
    """The settings for making pictures.

    ``size``: the side of the pictures in pixels; None for the side of the network's input.  ``steps``: the number of steps of
    gradient ascent.  ``seed``: the seed for the initial pictures and the views.  ``method``: ``fourier`` optimises all
    frequencies, ``phase`` only their phases, with the magnitudes of photos.  ``cell``: (row, column) of the only place of the
    map that counts; None for the strongest places.  ``varied``: the number of different pictures for each filter.
    ``transparent``: whether pixels with small gradients become transparent.
    """

    size: int | None = None
    steps: int = STEPS
    seed: int = 0
    method: str = "fourier"
    cell: tuple[int, int] | None = None
    varied: int = 1
    transparent: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownName("method", self.method, METHODS)
        for what, value, most in (("steps", self.steps, MOST_STEPS), ("varied", self.varied, MOST_FILTERS)):
            if not 1 <= value <= most:
                raise OptionError(f"{what} {value}: expected 1 to {most}")

    @property
    def summary(self) -> str:
        """All settings on one line."""
        cell = "" if self.cell is None else f", cell {self.cell[0]},{self.cell[1]}"
        varied = "" if self.varied == 1 else f", {self.varied} different pictures"
        transparent = ", transparent" if self.transparent else ""
        return f"{self.method}, {self.steps} steps, seed {self.seed}{cell}{varied}{transparent}"


def png_texts(name: str, value: float, verdict: str, settings: Settings) -> dict[str, str]:
    """The text chunks of a PNG: what the picture was made for, its value and verdict, and the settings."""
    return {
        "Software": f"godeeper {__version__}",
        "godeeper:visualisation": name,
        "godeeper:value": f"{value:.6g}",
        "godeeper:verdict": verdict,
        "godeeper:settings": settings.summary,
    }


def visualise(
    network: DifferentiableNetwork,
    tensor: Tensor,
    settings: Settings,
    photos_of: Callable[[Tensor], Sequence[RealPhoto]],
    progress: Callable[[int, int], None] | None = None,
) -> list[Visualisation]:
    """The pictures of a tensor's filters, in the order of the filters; ``settings.varied`` pictures of each filter.

    Args:
        network: a network in single precision.
        tensor: the filters; a copy in a concatenation stands for the filter that it copies.
        settings: see ``Settings``.
        photos_of: a function that returns the photos that activate a filter, the greatest value first; may be empty.
        progress: called with (steps done, steps in all).

    Raises:
        AddressError: the filters do not belong to convolutions.
        OptionError: too many filters, a cell outside the map, a picture that is too small, or a network in int8.
    """
    asked = [replace(tensor, channels=(number,)) for number in checked(network, tensor)]
    filters = {each: filter_of(network, each) for each in asked}
    size = checked_size(network, list(filters.values()), settings.size)
    if settings.cell is not None:
        for each in filters.values():
            checked_cell(settings.cell, each.site)
    report = Steps(progress, settings.steps * len(filters))

    def made(item: tuple[Tensor, Tensor]) -> list[Visualisation]:
        each, source = item
        began = time.perf_counter()
        judged = [
            judged_picture(network, source, image, photos_of(source))
            for image in pictures_of(network, source, size, settings, report)
        ]
        seconds = (time.perf_counter() - began) / len(judged)
        found = []
        for image, value, best, verdict in judged:
            facts = value, best, verdict.similarity, verdict.trusted, verdict.why, seconds
            found.append(Visualisation(each, source, image, *facts, settings, network.provenance()))
        return found

    # One filter does not keep all cores busy; filters that are computed in parallel give the same pictures.
    with ThreadPoolExecutor(cores()) as threads:
        try:
            return [each for several in threads.map(made, filters.items()) for each in several]
        finally:
            report.stopped = True  # after Ctrl-C or an error, the other threads stop at their next step


class Steps:
    """Counts and reports the steps of all threads; if ``stopped``, the next step of a thread raises ``CancelledError``."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self.progress, self.total, self.done, self.lock = progress, total, 0, Lock()
        self.stopped = False

    def __call__(self, _step: int) -> None:
        if self.stopped:
            raise CancelledError
        with self.lock:
            self.done += 1
            if self.progress:
                self.progress(self.done, self.total)


def pictures_of(
    network: DifferentiableNetwork, tensor: Tensor, size: int, settings: Settings, report: Callable[[int], None]
) -> NDArray[np.uint8]:
    """The pictures of a filter, (``varied``, size, size, 3) uint8."""
    weights = np.zeros((settings.varied, tensor.site.shape[0]), np.float32)
    weights[:, tensor.filters[0]] = 1
    made = ascend(
        network.gradient_engine,
        network.preprocess,
        Objective(before_relu(tensor), weights, settings.cell, varied=settings.varied > 1),
        method=settings.method,
        steps=settings.steps,
        seed=settings.seed,
        progress=report,
        attention=settings.transparent,
    )
    return in_bytes(made, size)


def checked(network: DifferentiableNetwork, tensor: Tensor) -> Sequence[int]:
    """The numbers of the filters; raises ``AddressError`` or ``OptionError`` if they cannot be visualised."""
    site = tensor.site
    if site.kind not in ("conv", "concat"):
        raise AddressError(
            f"{tensor.name} is {kind_of(site)}: expected filters of a convolution, such as {'mixed/conv[3]'!r}"
        )
    if network.calibration is not None:
        raise OptionError("a network in int8 has no gradients to follow: load it with precision='fp32'")
    if len(tensor.filters) > MOST_FILTERS:
        raise OptionError(
            f"{tensor.name} has {len(tensor.filters)} filters: expected at most {MOST_FILTERS} at a time, such as {site.address}[0:8]"
        )
    return tensor.filters


def filter_of(network: DifferentiableNetwork, tensor: Tensor) -> Tensor:
    """The convolution's filter behind a tensor with one filter, which may be a copy; raises ``AddressError``."""
    site, number = origin(network.blueprint, tensor.site, tensor.filters[0])
    if not isinstance(site.op, Conv):
        raise AddressError(
            f"{quoted(tensor.address)} is a copy of {site.address}[{number}], {kind_of(site)}: expected a filter of a convolution"
        )
    return Tensor(site, "relu", (number,))


def checked_size(network: DifferentiableNetwork, filters: Sequence[Tensor], size: int | None) -> int:
    """The side of the pictures in pixels; raises ``OptionError`` if it is too small for a receptive field, or too large."""
    if size is None:
        return network.preprocess.size
    for each in filters:
        least = min(LEAST_SIZE, max(each.field.size))
        if not least <= size <= LARGEST_SIZE:
            raise OptionError(
                f"size {size}: expected {least} to {LARGEST_SIZE} pixels for {each.address}, whose receptive field is "
                f"{each.field.size[0]} x {each.field.size[1]}"
            )
    return size


def before_relu(tensor: Tensor) -> Key:
    """The key of a convolution's value before its ReLU; this value has a gradient even where the ReLU is inactive."""
    return Key(tensor.site.index, stages(tensor.site)[1])


def in_bytes(made: PictureOptimiser, size: int) -> NDArray[np.uint8]:
    """The part of the pictures that the network sees, resized to (B, size, size, 3) uint8, or 4 with transparency."""
    own, pictures = made.input, made.pictures
    scaled = pictures.pictures(round(pictures.size * size / own))[:, :, :size, :size]
    levels = np.rint(to_colours(scaled) * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    if made.attention is not None:
        planes = [opacity(each[:own, :own], size) for each in made.attention]
        levels = np.concatenate([levels, np.stack(planes)[..., None]], axis=-1)
    return np.ascontiguousarray(levels)


def opacity(attention: Floats, size: int) -> NDArray[np.uint8]:
    """(size, size): opaque where the gradients were greatest, transparent where there were none, as in Fel et al. (2023)."""
    limit = float(np.percentile(attention, OPAQUE)) or 1.0
    plane = Image.fromarray(np.rint(np.clip(attention / limit, 0, 1) * 255).astype(np.uint8))
    return np.asarray(plane.resize((size, size), Image.Resampling.BILINEAR))


def judged_picture(
    network: DifferentiableNetwork, tensor: Tensor, image: NDArray[np.uint8], photos: Sequence[RealPhoto]
) -> tuple[NDArray[np.uint8], float, RealPhoto | None, Verdict]:
    """Judge a picture; returns it with a stamp if it is not trusted, its value, the best photo and the verdict."""
    best = photos[0] if photos else None
    fed = network.preprocess(decode(Image.fromarray(image)))
    value, cell = greatest(network, tensor, fed)
    readable = [(each.data, each.cell) for each in photos if each.data is not None][:PHOTOS]
    similar = None
    if value > 0 and len(readable) >= FEWEST:
        inputs = [fed, *(network.preprocess(decode(data)) for data, _ in readable)]
        cells = [cell, *(place for _, place in readable)]
        similar = similarity(paths(network.gradient_engine, before_relu(tensor), tensor.filters[0], inputs, cells))
    verdict = judge(value, best.value if best else None, similar)
    if not verdict.trusted:
        image = stamped(image)
        value, _ = greatest(network, tensor, network.preprocess(decode(Image.fromarray(image))))
    return image, value, best, verdict


def greatest(network: DifferentiableNetwork, tensor: Tensor, fed: Floats) -> tuple[float, tuple[int, int]]:
    """The greatest activation of a filter for the network's input (1, 3, H, W), and its cell."""
    key = key_of(tensor)
    plane = network.engine.run(plan(network.blueprint, [key]), {NETWORK_INPUT: fed})[key][0, tensor.filters[0]]
    row, column = divmod(int(plane.argmax()), plane.shape[1])
    return float(plane[row, column]), (row, column)
