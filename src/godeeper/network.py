"""``Network``: a blueprint with weights and an engine; ``load`` returns one.  Only what a user calls is public here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import arguments
from .blueprint.address import Tensor, as_texts, parse_all, resolve, resolve_one
from .blueprint.networks import BLUEPRINTS
from .engine.engines import Engine, batch_engine_for, engine_named
from .engine.plan import NETWORK_INPUT, key_of, output, plan
from .engine.prefix_cache import PrefixCache
from .errors import OptionError, UnknownName, WeightsError
from .peek.peek import Peek, Peeks, make_peek
from .photos.decode import Photo, decode
from .photos.input_steps import PhotoSteps
from .photos.preprocess import Preprocess, to_planes
from .provenance import Provenance
from .weights.registry import find

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .disk_cache import DiskCache
    from .engine.quantization import QuantizationRanges
    from .engine.torch.network import TorchNetwork
    from .photos.decode import PhotoSource
    from .poster.poster import Poster

BLOG_TENSORS = ("mixed/tower_2/conv", "mixed/tower_1/conv_2", "mixed_4/tower_1/conv_4")
"""The three pictures of the 2016 blog post."""


def load(
    architecture: str | None = None,
    *,
    weights: str | Path = "bundled",
    engine: str = "auto",
    precision: str = "fp32",
    calibration: QuantizationRanges | str | Path | None = None,
    fit: str | None = None,
    filter: str | None = None,
    prefixes: DiskCache | None = None,
) -> Network:
    """Loads a network with its weights.

    Args:
        architecture: ``inception_v3``, ``googlenet`` or ``inception_v4``; that of the weights, if not given.
        weights: the name of installed weights, or the path of a weights file.
        engine: ``onnxruntime``, ``openvino``, ``torch``, which takes CUDA where there is one, or
            ``auto``: ONNX Runtime for one photo, and for folders OpenVINO where it is installed.
        precision: ``fp32``, or ``int8``: faster and a little off, see ``docs/how-to/go-faster.md``.
        calibration: the ranges for int8, or their file; by default those shipped with the weights.
        fit: ``squash`` or ``crop``; as the weights were trained, if not given.
        filter: ``antialias`` or ``tf2015``; as the weights were trained, if not given.
        prefixes: a cache on disk for values that later runs on the same photo resume from; see ``engine.prefix_cache``.

    Raises:
        UnknownName: no such architecture, weights, engine or precision.
        MissingExtra: the engine is not installed.
        WeightsError: the weights file is damaged or does not fit, or int8 is requested and there is no calibration.
        OptionError: the engine does not compute in that precision.

    >>> net = load("inception_v3")
    >>> net.peek("examples/chelsea.jpg", "mixed/tower_2/conv:0").shape
    (1, 32, 35, 35)
    """
    if architecture is not None:
        arguments.text("architecture", architecture, "inception_v3")
    arguments.place("weights", weights)
    arguments.text("engine", engine, "auto")
    arguments.text("precision", precision, "fp32")
    if architecture is not None and architecture not in BLUEPRINTS:
        raise UnknownName("architecture", architecture, BLUEPRINTS)
    file = find(weights)
    if architecture not in (None, file.blueprint.name):
        raise WeightsError(
            f"weights {file.name!r} are for {file.blueprint.name}, not for {architecture}: give weights of that network"
        )
    chosen = {name: value for name, value in (("fit", fit), ("filter", filter)) if value is not None}
    preprocess = Preprocess.from_mapping({**file.description.preprocessing, **chosen})
    chosen_engine = engine_named(engine, file, precision, calibration)
    return Network(chosen_engine, preprocess, prefixes, auto=engine == "auto")


@dataclass(frozen=True)
class Guess:
    """A predicted class with its probability, from 0 to 1."""

    label: str
    probability: float
    number: int


class Network:
    """A network that is ready to run: blueprint, weights, engines, and the preprocessing of photos."""

    def __init__(
        self, engine: Engine, preprocess: Preprocess, prefixes: DiskCache | None = None, *, auto: bool = False
    ) -> None:
        """``prefixes``: where the values that later runs resume from are kept on disk; in memory only if None.
        ``auto``: batches go to the fastest engine that is installed, and not to ``engine``.
        """
        self.engine = engine
        self._auto = auto
        self.weights = engine.weights
        self.blueprint = engine.weights.blueprint
        self.preprocess = preprocess
        self.prefix_cache = PrefixCache(engine, prefixes)

    @cached_property
    def batch_engine(self) -> Engine:
        """Computes pooled features of many photos: ``engine`` itself, unless ``auto`` finds a faster one; opened on first use."""
        return batch_engine_for(self.engine) if self._auto else self.engine

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the engine for batches, which a copy chooses again: it may not be installed there."""
        return {name: value for name, value in self.__dict__.items() if name != "batch_engine"}

    @property
    def calibration(self) -> QuantizationRanges | None:
        """The ranges that int8 is computed with; None in single precision."""
        return self.engine.calibration

    def __repr__(self) -> str:
        return f"<{self.blueprint.name}, weights {self.weights.name!r}, {self.preprocess.summary}>"

    def close(self) -> None:
        """Frees the engines' memory; the next run opens them again."""
        self.engine.close()
        if "batch_engine" in self.__dict__:
            self.batch_engine.close()
        self.prefix_cache.select_photo("")

    def tensors(self, pattern: str | Iterable[str] = "**") -> tuple[Tensor, ...]:
        """All tensors that ``pattern`` matches, in program order.

        >>> [tensor.address for tensor in load().tensors("mixed/tower_2/*")]
        ['mixed/tower_2/pool', 'mixed/tower_2/conv']
        """
        return resolve(self.blueprint, pattern)

    def shows(self, tensor: Tensor) -> bool:
        """Whether a tensor has values to look at: a file's bytes have none, nor has a classifier that the weights lack."""
        kind = tensor.site.kind
        return kind != "jpeg" and (kind not in ("dense", "softmax") or bool(self.weights.description.labels))

    def select(self, addresses: str | Sequence[str] = BLOG_TENSORS) -> list[Tensor]:
        """The tensors that ``peeks`` shows: all that are named, and of a pattern those that ``shows`` accepts."""
        texts = as_texts(addresses)
        plain = [each.text for each in parse_all(texts) if not each.is_pattern]
        named = set(resolve(self.blueprint, plain))
        return [each for each in resolve(self.blueprint, texts) if each in named or self.shows(each)]

    def calibrate(self, photos: Iterable[PhotoSource]) -> QuantizationRanges:
        """Finds the int8 range of each tensor, for ``load(..., precision="int8", calibration=…)``.

        Args:
            photos: a few dozen that are typical of later ones: paths, or anything else that can be decoded.

        Raises:
            OptionError: there are none.
            PhotoError: one cannot be decoded.

        >>> load().calibrate(["examples/chelsea.jpg"]).method
        'least squared error'
        """
        from .features.int8_ranges import calibrate

        return calibrate(self.weights, self.preprocess, photos)

    def to_torch(self, end: str | None = None) -> TorchNetwork:
        """A plain ``torch.nn.Module`` with these weights, every operation a submodule; see ``godeeper.engine.torch.network``.

        Args:
            end: the address of the output; by default the logits, or ``pool_3/_reshape`` where the weights
                have no classifier.

        Raises:
            MissingExtra: torch is not installed.
            AddressError: a module cannot end there.
        """
        from .engine.torch.weights import to_torch

        return to_torch(self.weights, end=end)

    def peek(self, photo: PhotoSource, address: str) -> Peek:
        """The activations of one tensor for a photo.

        Args:
            photo: a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.
            address: any name of the tensor, perhaps with channels: ``mixed/tower_2/conv[3,7:12]``.

        Raises:
            UnknownAddress, AmbiguousAddress, ChannelError: the address does not name one tensor.
            PhotoError: the photo cannot be decoded.
        """
        tensor = resolve_one(self.blueprint, address)
        return self._peeks(decode(photo), [tensor])[0]

    def peeks(self, photo: PhotoSource, addresses: str | Sequence[str] = BLOG_TENSORS) -> Peeks:
        """The activations of several tensors for a photo, in one pass; a pattern means the tensors that ``select`` returns.

        The result is a list that shows its pictures in a notebook.
        """
        tensors = self.select(addresses)
        return self._peeks(decode(photo), tensors)

    def _peeks(self, photo: Photo, tensors: Sequence[Tensor]) -> Peeks:
        """One forward pass for tensors that are resolved already; it resumes from what an earlier one computed."""
        steps = PhotoSteps(self.preprocess, "decode", photo)
        keys = list(dict.fromkeys(map(key_of, tensors)))
        values = {key_of(each): steps.value(each.site.kind) for each in tensors if each.site.is_photo_step}
        if wanted := [key for key in keys if key not in values]:
            values = self.prefix_cache.run(wanted, to_planes(steps.value("multiply"))) | values
        provenance = self.provenance(photo)
        return Peeks(make_peek(self.blueprint, tensor, values[key_of(tensor)], provenance) for tensor in tensors)

    def provenance(self, photo: Photo | None = None) -> Provenance:
        """Where values come from: weights, preprocessing, and the photo if they are of one."""
        of_photo = () if photo is None else (photo.name, photo.sha256, photo.notes)
        return Provenance(self.weights.name, self.weights.sha256, self.preprocess.summary, *of_photo)

    def poster(self, photo: PhotoSource, folder: str | Path, *, scale: str = "shared", force: bool = False) -> Poster:
        """Every filter of every tensor for a photo as one picture to zoom into; see ``godeeper.poster.poster``.

        Args:
            photo: a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.
            folder: where to; it must be new, or empty, or hold a poster, which is replaced.
            scale: ``shared``, ``filter``, ``percentile``, ``signed`` or ``blog``.
            force: write into a folder that holds something else, too.

        Raises:
            UnknownName: no such scale.
            PhotoError: the photo cannot be decoded.
            OutputError: the folder cannot be written, or holds something else.
        """
        from .poster.poster import check_folder, write_poster

        check_folder(Path(folder), force=force)
        decoded = decode(photo)
        tensors_by_part = self._tensors_by_part()
        values = (each for tensors in self._values_by_part(decoded, tensors_by_part.values()) for each in tensors)
        provenance = {"network": self.blueprint.name, **self.provenance(decoded).record()}
        return write_poster(Path(folder), tensors_by_part, values, scale, provenance, force=force)

    def _tensors_by_part(self) -> dict[str, list[Tensor]]:
        """Title of each part of the network -> its tensors with values to look at; the stem begins with the network's input."""
        from .blueprint.parts import parts

        (_, photo), (stem, first), *others = parts(self.blueprint).items()
        titled = {stem: (photo[NETWORK_INPUT.site], *first), **dict(others)}
        return {
            title: [tensor for site in part if self.shows(tensor := Tensor(site, output(site).stage))]
            for title, part in titled.items()
        }

    def _values_by_part(self, photo: Photo, parts: Iterable[Sequence[Tensor]]) -> Iterator[list[NDArray[np.float32]]]:
        """The values (C, H, W) of each part's tensors, computed from the last tensor of the part before.

        Parts are in program order, and each is computed from the last tensor of the one before alone: so only one
        part's values are in memory.
        """
        start, fed = NETWORK_INPUT, self.preprocess(photo)
        for tensors in parts:
            keys = [key_of(tensor) for tensor in tensors]
            values = {start: fed, **self.engine.run(plan(self.blueprint, keys, (start,)), {start: fed})}
            yield [values[key].reshape(tensor.shape) for tensor, key in zip(tensors, keys, strict=True)]
            start, fed = keys[-1], values[keys[-1]]

    def classify(self, photo: PhotoSource, *, top: int = 5) -> tuple[Guess, ...]:
        """The ``top`` classes that the weights' own classifier predicts for a photo, most likely first.

        Args:
            photo: a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.
            top: how many classes, from 1.

        Raises:
            WeightsError: these weights have no classifier, or one of a single class.
            PhotoError: the photo cannot be decoded.
        """
        labels = self.weights.description.labels
        if not labels:
            raise WeightsError(
                f"weights {self.weights.name!r} have no classifier, so they cannot classify; "
                "use others, for example: godeeper weights add imagenet-torchvision"
            )
        if len(labels) == 1:
            raise WeightsError(
                f"weights {self.weights.name!r} have one class, which every photo would be with 100 %; an older godeeper "
                f"installed them: add their file again with --name {self.weights.name} --replace"
            )
        if top < 1:
            raise OptionError(f"top {top}: expected at least 1 class")
        key = key_of(resolve_one(self.blueprint, "softmax"))
        fed = {NETWORK_INPUT: self.preprocess(decode(photo))}
        probabilities = self.engine.run(plan(self.blueprint, [key]), fed)[key][0]
        likeliest = np.argsort(-probabilities, kind="stable")[:top]
        return tuple(Guess(labels[number], float(probabilities[number]), int(number)) for number in likeliest)

    def run(self, fetches: str | Sequence[str], feeds: Mapping[str, Any]) -> Any:
        """Computes tensors from others, in the calling style of TensorFlow 1.

        Arrays are (B, H, W, C) here, in and out, as they were there; ``peek`` is the place for (B, C, H, W).

        Args:
            fetches: one address, or several.
            feeds: address -> value.  ``DecodeJpeg/contents:0`` takes the bytes of a photo, ``DecodeJpeg:0`` its
                pixels (H, W, 3), ``Mul:0`` the network's input (B, 299, 299, 3), any inner tensor its activations.
                The run resumes from what is fed, and computes nothing before it.

        Returns:
            One float32 array, or a list of them in the order of ``fetches``.

        Raises:
            FeedError: what is fed has the wrong shape, does not suffice, or changes nothing.

        >>> with open("examples/chelsea.jpg", "rb") as file:
        ...     load().run("mixed/tower_2/conv:0", {"DecodeJpeg/contents:0": file.read()}).shape
        (1, 35, 35, 32)
        """
        from .tf1 import run

        return run(self.engine, self.preprocess, fetches, feeds)
