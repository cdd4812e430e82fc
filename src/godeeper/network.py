"""A network with weights in it: what ``godeeper.load`` answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import arguments
from .blueprint.address import Tensor, as_texts, parse_all, resolve, resolve_one
from .blueprint.cost import macs_share, tensor_macs
from .blueprint.networks import BLUEPRINTS
from .blueprint.remarks import remark
from .blueprint.sites import PHOTO_KINDS
from .engine.engines import Engine, batch_engine_for, engine_named
from .engine.plan import NETWORK_INPUT, Key, key_of, output, plan
from .engine.prefix_cache import PrefixCache
from .errors import FeedError, OptionError, UnknownName, WeightsError
from .peek.peek import Peek, Peeks
from .photos.decode import Photo, decode
from .photos.input_steps import PhotoSteps
from .photos.preprocess import Preprocess, to_pixels, to_planes
from .weights.registry import find

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .engine.quantization import QuantizationRanges
    from .engine.torch.network import TorchNetwork
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
) -> Network:
    """A network ready to look into.

    Args:
        architecture: ``inception_v3``, ``googlenet`` or ``inception_v4``; that of the weights, if not given.
        weights: the name of installed weights, or the path of a weights file.
        engine: what computes: ``onnxruntime``, ``openvino``, ``torch``, which takes CUDA where there is one, or
            ``auto``: ONNX Runtime for one photo, and for folders OpenVINO where it is installed.
        precision: ``fp32``, or ``int8``: faster and a little off, see ``docs/how-to/go-faster.md``.
        calibration: of int8, or its file; the one that comes with the weights if not given.
        fit: ``squash`` or ``crop``; as the weights were trained, if not given.
        filter: ``antialias`` or ``tf2015``; as the weights were trained, if not given.

    Raises:
        UnknownName: no such architecture, weights, engine or precision.
        MissingExtra: the engine is not installed.
        WeightsError: the weights file is damaged or does not fit, or int8 is asked for and nobody calibrated it.
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
    if architecture not in (None, file.network.name):
        raise WeightsError(
            f"weights {file.name!r} are for {file.network.name}, not for {architecture}: give weights of that network"
        )
    chosen = {name: value for name, value in (("fit", fit), ("filter", filter)) if value is not None}
    preprocess = Preprocess.from_mapping({**file.description.preprocessing, **chosen})
    return Network(engine_named(engine, file, precision, calibration), preprocess, auto=engine == "auto")


@dataclass(frozen=True)
class Guess:
    """One class that a photo may show, and how sure the classifier is, from 0 to 1."""

    label: str
    probability: float
    number: int


class Network:
    """A blueprint with weights, an engine for one photo and one for batches, and how photos are preprocessed."""

    def __init__(self, engine: Engine, preprocess: Preprocess, *, auto: bool = False) -> None:
        """``auto``: batches go to the fastest engine that is installed, and not to ``engine``."""
        self.engine = engine
        self.auto = auto
        self.weights = engine.weights
        self.blueprint = engine.weights.network
        self.preprocess = preprocess
        self.prefix_cache = PrefixCache(engine)

    @cached_property
    def batch_engine(self) -> Engine:
        """Computes pooled features of many photos: ``engine`` itself, unless ``auto`` finds a faster one; opened on first use."""
        return batch_engine_for(self.engine) if self.auto else self.engine

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the engine for batches, which a copy chooses again: it may not be installed there."""
        return {name: value for name, value in self.__dict__.items() if name != "batch_engine"}

    @property
    def calibration(self) -> QuantizationRanges | None:
        """What int8 is computed by; None in single precision."""
        return self.engine.calibration

    def __repr__(self) -> str:
        return f"<{self.blueprint.name}, weights {self.weights.name!r}, {self.preprocess.summary}>"

    def close(self) -> None:
        """Release what the engines hold in memory; the next run opens it again."""
        self.engine.close()
        if "batch_engine" in self.__dict__:
            self.batch_engine.close()
        self.prefix_cache.select_photo("")

    def tensors(self, pattern: str | Iterable[str] = "**") -> tuple[Tensor, ...]:
        """Every tensor that ``pattern`` means, in program order; see ``shows`` for those with something to see.

        >>> [tensor.address for tensor in load().tensors("mixed/tower_2/*")]
        ['mixed/tower_2/pool', 'mixed/tower_2/conv']
        """
        return resolve(self.blueprint, pattern)

    def shows(self, tensor: Tensor) -> bool:
        """Whether there is something to see: not in a file's bytes, nor in a classifier that the weights lack."""
        kind = tensor.site.kind
        return kind != "jpeg" and (kind not in ("dense", "softmax") or bool(self.weights.description.labels))

    def calibrate(self, photos: Iterable[Any]) -> QuantizationRanges:
        """How far 8 bits should reach in each tensor, for ``load(..., precision="int8", calibration=…)``.

        Args:
            photos: some dozens like those to come: paths, or whatever else can be decoded.

        Raises:
            OptionError: there are none.
            PhotoError: one cannot be decoded.

        >>> load().calibrate(["examples/chelsea.jpg"]).method
        'least squared error'
        """
        from .engine.calibrate import calibrate

        return calibrate(self.weights, self.preprocess, photos)

    def to_torch(self, end: str | None = None) -> TorchNetwork:
        """A plain ``torch.nn.Module`` with these weights, every operation a submodule; see ``godeeper.engine.torch.network``.

        Args:
            end: the address of what it answers; the logits if not given, or ``pool_3/_reshape`` where the weights
                have no classifier.

        Raises:
            MissingExtra: torch is not installed.
            AddressError: a module cannot end there.
        """
        from .engine.torch.weights import to_torch

        return to_torch(self.weights, end=end)

    def peek(self, photo: Any, address: str) -> Peek:
        """What one tensor says about a photo.

        Args:
            photo: a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.
            address: any name of the tensor, perhaps with channels: ``mixed/tower_2/conv[3,7:12]``.

        Raises:
            UnknownAddress, AmbiguousAddress, ChannelError: the address is not of one tensor.
            PhotoError: the photo cannot be decoded.
        """
        resolve_one(self.blueprint, address)
        return self.peeks(photo, [address])[0]

    def peeks(self, photo: Any, addresses: str | Sequence[str] = BLOG_TENSORS) -> Peeks:
        """What several tensors say about a photo, in one pass; of a pattern, those that ``shows``.

        A list that shows its pictures in a notebook.
        """
        tensors = self.chosen(addresses)
        decoded = decode(photo)
        steps = PhotoSteps(self.preprocess, "decode", decoded)
        keys = list(dict.fromkeys(key_of(tensor) for tensor in tensors))
        values = self.look(keys, steps)
        return Peeks(self.make_peek(tensor, values[key_of(tensor)], decoded) for tensor in tensors)

    def look(self, keys: Sequence[Key], steps: PhotoSteps) -> dict[Key, Any]:
        """What ``compute`` answers for one photo; a second look at it starts from what the first one passed."""
        photo_steps = {key: steps.value(PHOTO_KINDS[key[0]]) for key in keys if is_photo_step(key)}
        wanted = [key for key in keys if key not in photo_steps]
        return (self.prefix_cache.run(wanted, to_planes(steps.value("multiply"))) if wanted else {}) | photo_steps

    def chosen(self, addresses: str | Sequence[str]) -> list[Tensor]:
        """What to look at: all that is named, and of a pattern, those that ``shows``."""
        texts = as_texts(addresses)
        tensors = resolve(self.blueprint, texts)
        plain = [each.text for each in parse_all(texts) if not each.is_pattern]
        named = set(resolve(self.blueprint, plain))
        return [each for each in tensors if each in named or self.shows(each)]

    def make_peek(self, tensor: Tensor, values: Any, photo: Photo) -> Peek:
        """The record of one tensor's values."""
        planes = planes_of(tensor, values)
        return Peek(
            tensor=tensor,
            activations=planes if tensor.channels is None else planes[:, list(tensor.channels)],
            photo=photo.name,
            photo_sha256=photo.sha256,
            photo_notes=photo.notes,
            weights=self.weights.name,
            weights_sha256=self.weights.sha256,
            preprocessing=self.preprocess.summary,
            macs=tensor_macs(self.blueprint, [tensor.site.index]),
            macs_share=macs_share(self.blueprint, [tensor.site.index]),
            remark=remark(self.blueprint, tensor),
        )

    def poster(self, photo: Any, folder: str | Path, *, scale: str = "shared", force: bool = False) -> Poster:
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
        shown = self.parts()
        values = (each for tensors in self.stream(decoded, shown.values()) for each in tensors)
        return write_poster(
            Path(folder), shown, values, scale, {"network": self.blueprint.name, **self.origin(decoded)}, force=force
        )

    def parts(self) -> dict[str, list[Tensor]]:
        """Title of each part of the network -> its tensors that there is something to see in; the input is the stem's first."""
        from .blueprint.parts import parts

        (_, photo), (stem, first), *others = parts(self.blueprint).items()
        titled = {stem: (photo[NETWORK_INPUT[0]], *first), **dict(others)}
        return {
            title: [tensor for site in part if self.shows(tensor := Tensor(site, output(site)[1]))]
            for title, part in titled.items()
        }

    def stream(self, photo: Photo, groups: Iterable[Sequence[Tensor]]) -> Iterator[list[NDArray[np.float32]]]:
        """The values (C, H, W) of each group of tensors, computed from the last tensor of the group before.

        Groups are in program order, and all of a group follows from the last tensor of the one before: so only
        one group's values are in memory.
        """
        start, fed = NETWORK_INPUT, self.preprocess(photo)
        for tensors in groups:
            keys = [key_of(tensor) for tensor in tensors]
            values = {start: fed, **self.engine.run(plan(self.blueprint, keys, (start,)), {start: fed})}
            yield [values[key].reshape(tensor.shape) for tensor, key in zip(tensors, keys, strict=True)]
            start, fed = keys[-1], values[keys[-1]]

    def origin(self, photo: Photo) -> dict[str, Any]:
        """Where numbers come from: the photo, the weights, what was done to the photo first."""
        return {
            "photo": photo.name,
            "photo_sha256": photo.sha256,
            "photo_notes": list(photo.notes),
            "weights": self.weights.name,
            "weights_sha256": self.weights.sha256,
            "preprocessing": self.preprocess.summary,
        }

    def classify(self, photo: Any, *, top: int = 5) -> tuple[Guess, ...]:
        """The ``top`` classes of the weights' own classifier for a photo, the likeliest first.

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
                f"weights {self.weights.name!r} have no classifier, so there is nothing to classify with; "
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
        steps = PhotoSteps(self.preprocess, "decode", decode(photo))
        probabilities = self.compute([key], {}, steps)[key][0]
        likeliest = np.argsort(-probabilities, kind="stable")[:top]
        return tuple(Guess(labels[number], float(probabilities[number]), int(number)) for number in likeliest)

    def run(self, fetches: str | Sequence[str], feeds: Mapping[str, Any]) -> Any:
        """Compute tensors from others, in the calling style of TensorFlow 1.

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
        tensors = [resolve_one(self.blueprint, text) for text in ([fetches] if isinstance(fetches, str) else fetches)]
        steps, inner = self.take_feeds(feeds)
        values = self.compute(list(dict.fromkeys(map(key_of, tensors))), inner, steps)
        results = [select(tensor, values[key_of(tensor)]) for tensor in tensors]
        return results[0] if isinstance(fetches, str) else results

    def take_feeds(self, feeds: Mapping[str, Any]) -> tuple[PhotoSteps | None, dict[Key, NDArray[np.float32]]]:
        """Feeds sorted into the photo's own steps and inner tensors, the latter as (B, C, H, W)."""
        steps = None
        inner: dict[Key, NDArray[np.float32]] = {}
        for text, value in feeds.items():
            tensor = resolve_one(self.blueprint, text)
            if tensor.channels is not None:
                raise FeedError(f"{text!r}: only a whole tensor can be fed, not some of its channels")
            if tensor.site.kind not in PHOTO_KINDS:
                inner[key_of(tensor)] = fed_planes(tensor, value)
            elif steps is None:
                steps = PhotoSteps(self.preprocess, tensor.site.kind, value)
            else:
                raise FeedError(f"{text!r} is a second feed for the photo: feed one step of it")
        return steps, inner

    def compute(
        self, keys: Sequence[Key], inner: Mapping[Key, NDArray[np.float32]], steps: PhotoSteps | None
    ) -> dict[Key, Any]:
        """The values of ``keys``: the photo's own steps pixels last, all others (B, C, H, W) or (B, C)."""
        photo_keys = [key for key in keys if is_photo_step(key)]
        if photo_keys and steps is None:
            raise FeedError("the photo's own steps can be fetched only where a photo is fed")
        values: dict[Key, Any] = {key: steps.value(PHOTO_KINDS[key[0]]) for key in photo_keys if steps}
        wanted = [key for key in keys if key not in values]
        if wanted or inner:
            feeds = dict(inner)
            if steps is not None:
                feeds[NETWORK_INPUT] = to_planes(steps.value("multiply"))
            check_batches(feeds)
            values = feeds | self.engine.run(plan(self.blueprint, wanted, tuple(feeds)), feeds) | values
        return {key: values[key] for key in keys}


def is_photo_step(key: Key) -> bool:
    """Whether ``key`` is a step between the photo's bytes and the network's input."""
    return key[0] < len(PHOTO_KINDS)


def fed_planes(tensor: Tensor, value: Any) -> NDArray[np.float32]:
    """A fed array as (B, C, H, W), or (B, C) where the tensor has no grid."""
    array = np.asarray(value, np.float32)
    channels, height, width = tensor.site.shape
    flat = tensor.site.kind in ("reshape", "dense", "softmax")
    expected = (channels,) if flat else (height, width, channels)
    if array.shape[1:] != expected or not array.size:
        hint = (
            "; it seems to be (B, C, H, W): transpose it" if array.shape[1:] == tensor.site.shape and not flat else ""
        )
        wanted = ", ".join(map(str, ("B", *expected)))
        raise FeedError(f"{tensor.name} was fed an array of shape {array.shape}: expected ({wanted}){hint}")
    return array if flat else to_planes(array)


def check_batches(feeds: Mapping[Key, NDArray[np.float32]]) -> None:
    """Raise where the feeds are not of equally many photos."""
    sizes = {len(value) for value in feeds.values()}
    if len(sizes) > 1:
        raise FeedError(
            f"the feeds are of {' and '.join(map(str, sorted(sizes)))} photos: expected the same number in each"
        )


def select(tensor: Tensor, value: Any) -> Any:
    """A computed value as ``run`` answers it: pixels last, and only the channels asked for."""
    if is_photo_step(key_of(tensor)):
        return value if tensor.channels is None else value[..., list(tensor.channels)]
    value = value if tensor.channels is None else value[:, list(tensor.channels)]
    return to_pixels(value) if value.ndim == 4 else value


def planes_of(tensor: Tensor, value: Any) -> NDArray[np.float32]:
    """A computed value as a peek holds it: (1, C, H, W) float32, all channels."""
    if is_photo_step(key_of(tensor)):
        array = np.asarray(value, np.float32)
        return to_planes(array if array.ndim == 4 else array[None])
    planes: NDArray[np.float32] = value.reshape(1, *tensor.site.shape)
    return planes
