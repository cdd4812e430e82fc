"""``Network``, a blueprint with weights and an engine, and ``load``, which returns one.

The file is long because it contains every method that users can call; most of them only call functions in other folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import arguments
from .blueprint.address import Tensor, as_texts, parse_all, resolve, resolve_one
from .blueprint.networks import BLUEPRINTS
from .engine.engines import Engine, batch_engine_for, engine_named
from .engine.plan import NETWORK_INPUT, key_of, plan
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
    from .engine.gradient.gradient import GradientEngine
    from .engine.quantization import QuantizationRanges
    from .engine.torch.network import TorchNetwork
    from .filters.account import Account
    from .filters.contributions.record import Contributions
    from .filters.index import FilterIndex
    from .filters.visualisation.visualise import Visualisation
    from .photos.decode import PhotoSource
    from .poster.poster import Poster
    from .weights.file import WeightsFile

BLOG_TENSORS = ("mixed/tower_2/conv", "mixed/tower_1/conv_2", "mixed_4/tower_1/conv_4")
"""The tensors of the three pictures in the 2016 blog post."""


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
    """Load a network with its weights.

    Args:
        architecture: ``inception_v3``, ``googlenet`` or ``inception_v4``; by default that of the weights.
        weights: the name of installed weights, or the path of a weights file.
        engine: ``onnxruntime``, ``openvino``, ``torch`` (on CUDA if available), or ``auto``: ONNX Runtime, except
            that batches in int8 run in OpenVINO if it is installed.
        precision: ``fp32``, or ``int8``, which is faster and slightly less accurate; see ``docs/how-to/go-faster.md``.
        calibration: the quantization ranges for int8, or their file; by default those shipped with the weights.
        fit: ``squash`` or ``crop``; by default the one used in training.
        filter: ``antialias`` or ``tf2015``; by default the one used in training.
        prefixes: a disk cache from which later runs on a photo resume; see ``engine.prefix_cache``.

    Raises:
        UnknownName: no such architecture, weights, engine or precision.
        MissingExtra: the engine is not installed.
        WeightsError: the weights file is damaged or of another architecture, or int8 has no quantization ranges.
        OptionError: an argument is invalid, or the engine does not support the precision.

    >>> net = load("inception_v3")
    >>> net.peek("examples/chelsea.jpg", "mixed/tower_2/conv:0").shape
    (1, 32, 35, 35)
    """
    arguments.text("engine", engine, "auto")
    arguments.text("precision", precision, "fp32")
    file = find_weights(architecture, weights)
    chosen = {name: value for name, value in (("fit", fit), ("filter", filter)) if value is not None}
    preprocess = Preprocess.from_mapping({**file.description.preprocessing, **chosen})
    chosen_engine = engine_named(engine, file, precision, calibration)
    return Network(chosen_engine, preprocess, prefixes, auto=engine == "auto")


def find_weights(architecture: str | None, weights: str | Path) -> WeightsFile:
    """The weights of that name or path; raises ``WeightsError`` if they are not for ``architecture``."""
    if architecture is not None:
        arguments.text("architecture", architecture, "inception_v3")
    arguments.place("weights", weights)
    if architecture is not None and architecture not in BLUEPRINTS:
        raise UnknownName("architecture", architecture, BLUEPRINTS)
    file = find(weights)
    if architecture not in (None, file.blueprint.name):
        raise WeightsError(
            f"weights {file.name!r} are for {file.blueprint.name}, not for {architecture}: give weights of that network"
        )
    return file


@dataclass(frozen=True)
class Guess:
    """A predicted class, its probability from 0 to 1, and ``number``, its index among the classes of the weights."""

    label: str
    probability: float
    number: int


class Network:
    """A network that is ready to run: blueprint, weights, engines, and the preprocessing of photos."""

    def __init__(
        self, engine: Engine, preprocess: Preprocess, prefixes: DiskCache | None = None, *, auto: bool = False
    ) -> None:
        """``prefixes``: a disk cache of the values that later runs resume from; None keeps these values in memory only.
        ``auto``: run batches in the fastest installed engine instead of ``engine``.
        """
        self.engine = engine
        self._auto = auto
        self.weights = engine.weights
        self.blueprint = engine.weights.blueprint
        self.preprocess = preprocess
        self.prefix_cache = PrefixCache(engine, prefixes)

    @cached_property
    def batch_engine(self) -> Engine:
        """The engine for pooled features of many photos: ``engine``, unless ``auto`` finds a faster one; opened on first use."""
        return batch_engine_for(self.engine) if self._auto else self.engine

    @cached_property
    def gradient_engine(self) -> GradientEngine:
        """Computes gradients in single precision; opened on first use.  Raises ``OptionError`` for a network in int8."""
        from .engine.gradient.gradient import GradientEngine

        if self.calibration is not None:
            raise OptionError(
                "no gradients in int8, because rounding has no useful gradient; load the network with precision='fp32'"
            )
        return GradientEngine(self.weights)

    def __getstate__(self) -> dict[str, Any]:
        """The state without the engines opened on first use, because another machine may not have them installed."""
        return {name: value for name, value in self.__dict__.items() if name not in ("batch_engine", "gradient_engine")}

    @property
    def calibration(self) -> QuantizationRanges | None:
        """The quantization ranges of int8; None in single precision."""
        return self.engine.calibration

    def __repr__(self) -> str:
        return f"<{self.blueprint.name}, weights {self.weights.name!r}, {self.preprocess.summary}>"

    def close(self) -> None:
        """Free the engines' memory; the next run opens them again."""
        self.engine.close()
        for opened in self.__dict__.keys() & {"batch_engine", "gradient_engine"}:
            self.__dict__[opened].close()
        self.prefix_cache.select_photo("")

    def tensors(self, pattern: str | Iterable[str] = "**") -> tuple[Tensor, ...]:
        """All tensors that ``pattern`` matches, in program order.

        Raises:
            UnknownAddress, AmbiguousAddress, ChannelError: an address matches no tensor, or is not valid.

        >>> [tensor.address for tensor in load().tensors("mixed/tower_2/*")]
        ['mixed/tower_2/pool', 'mixed/tower_2/conv']
        """
        return resolve(self.blueprint, pattern)

    def shows(self, tensor: Tensor) -> bool:
        """Whether a tensor has values to show; False for the photo's encoded bytes and for a missing classifier."""
        kind = tensor.site.kind
        return kind != "jpeg" and (kind not in ("dense", "softmax") or bool(self.weights.description.labels))

    def select(self, addresses: str | Sequence[str] = BLOG_TENSORS) -> list[Tensor]:
        """The tensors that ``peeks`` returns.

        Tensors given by name are always included; tensors that match a pattern, only if ``shows`` accepts them.

        Raises:
            UnknownAddress, AmbiguousAddress, ChannelError: an address matches no tensor, or is not valid.
        """
        texts = as_texts(addresses)
        plain = [each.text for each in parse_all(texts) if not each.is_pattern]
        named = set(resolve(self.blueprint, plain))
        return [each for each in resolve(self.blueprint, texts) if each in named or self.shows(each)]

    def calibrate(self, photos: Iterable[PhotoSource]) -> QuantizationRanges:
        """Find the int8 range of each tensor, for ``load(..., precision="int8", calibration=…)``.

        Args:
            photos: a few dozen typical photos; paths, or anything else that ``decode`` accepts.

        Raises:
            OptionError: there are no photos.
            PhotoError: a photo cannot be decoded.

        >>> load().calibrate(["examples/chelsea.jpg"]).method
        'least squared error'
        """
        from .features.int8_ranges import calibrate

        return calibrate(self.weights, self.preprocess, photos)

    def to_torch(self, end: str | None = None) -> TorchNetwork:
        """A plain ``torch.nn.Module`` with these weights; every operation is a submodule.

        See ``godeeper.engine.torch.network``.

        Args:
            end: the address of the output; by default the logits, or ``pool_3/_reshape`` if the weights
                have no classifier.

        Raises:
            MissingExtra: torch is not installed.
            AddressError: a module cannot end at ``end``.
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
        """The activations of several tensors for a photo, from one forward pass.

        A pattern stands for the tensors that ``select`` returns.  In a notebook, the returned list shows its pictures.

        Raises:
            UnknownAddress, AmbiguousAddress, ChannelError: an address matches no tensor, or is not valid.
            PhotoError: the photo cannot be decoded.
        """
        tensors = self.select(addresses)
        return self._peeks(decode(photo), tensors)

    def _peeks(self, photo: Photo, tensors: Sequence[Tensor]) -> Peeks:
        """The peeks of resolved tensors, from one forward pass, which resumes from cached values of earlier passes."""
        steps = PhotoSteps(self.preprocess, "decode", photo)
        keys = list(dict.fromkeys(map(key_of, tensors)))
        values = {key_of(each): steps.value(each.site.kind) for each in tensors if each.site.is_photo_step}
        if wanted := [key for key in keys if key not in values]:
            values = self.prefix_cache.run(wanted, to_planes(steps.value("multiply"))) | values
        provenance = self.provenance(photo)
        return Peeks(make_peek(self.blueprint, tensor, values[key_of(tensor)], provenance) for tensor in tensors)

    def provenance(self, photo: Photo | None = None) -> Provenance:
        """The provenance of a result: the weights, the preprocessing, and the photo if one is given."""
        of_photo = () if photo is None else (photo.name, photo.sha256, photo.notes)
        return Provenance(self.weights.name, self.weights.sha256, self.preprocess.summary, *of_photo)

    def poster(self, photo: PhotoSource, folder: str | Path, *, scale: str = "shared", force: bool = False) -> Poster:
        """Write every filter of every tensor for a photo as one zoomable picture; see ``godeeper.poster.poster``.

        Args:
            photo: a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.
            folder: the folder to write; it must be new or empty, or contain a poster, which is replaced.
            scale: ``shared``, ``filter``, ``percentile``, ``signed`` or ``blog``.
            force: also write into a folder with other contents.

        Raises:
            UnknownName: no such scale.
            PhotoError: the photo cannot be decoded.
            OutputError: the folder cannot be written, or has other contents.
        """
        from .poster.parts import tensors_by_part, values_by_part
        from .poster.poster import check_folder, write_poster

        check_folder(Path(folder), force=force)
        decoded = decode(photo)
        parts = tensors_by_part(self.blueprint, self.shows)
        by_part = values_by_part(self.engine, self.preprocess(decoded), parts.values())
        values = (each for tensors in by_part for each in tensors)
        provenance = {"network": self.blueprint.name, **self.provenance(decoded).record()}
        return write_poster(Path(folder), parts, values, scale, provenance, force=force)

    def index(self, photos: str | Path, path: str | Path, *, top: int = 12, force: bool = False) -> FilterIndex:
        """Find the photos of a folder, a zip or a .csv list that activate each filter most; see ``godeeper.filters.index``.

        ``path``: the output file, which ends in ``.index``.  ``top``: the number of photos kept for each filter.  ``force``:
        also replace a file that is not godeeper's.

        Raises ``OptionError``, ``PhotoError`` if no photo can be read, and ``OutputError``.

        >>> import tempfile
        >>> index = load().index("examples", tempfile.mkdtemp() + "/examples.index")
        >>> index.filters("mixed/join[86]")[0].top[0].name
        'chelsea.jpg'
        """
        from .filters.index import read_index
        from .filters.index_folder import index_folder

        index_folder(self, photos, Path(path), top, force=force)
        return read_index(path)

    def account(
        self,
        address: str,
        index: FilterIndex | str | Path,
        photos: str | Path | None = None,
        photo: PhotoSource | None = None,
    ) -> Account:
        """Describe one filter by its entry in an index, and name what it responds to; see ``godeeper.filters.account``.

        Args:
            address: a filter of a convolution, or its copy in a join.
            index: an index made with these weights, or its file.
            photos: the folder or zip with the index's photos; by default the place where they were indexed.
            photo: a further photo, for which the filter's value is computed.

        Raises:
            AddressError: the address does not name one filter of a convolution.
            IndexFileError: the index cannot be read, or was made with other weights or another preprocessing.
            PhotoError: a photo cannot be read, has moved, or has changed since it was indexed.

        >>> import tempfile
        >>> net = load()
        >>> index = net.index("examples", tempfile.mkdtemp() + "/examples.index")
        >>> net.account("mixed/join[86]", index).names  # a few photos are too few for a name
        ()
        """
        from .filters.account import account_of
        from .filters.index import read_index
        from .filters.index_folder import folder_of

        opened = read_index(index) if isinstance(index, (str, Path)) else index
        opened.check_weights(self.weights)
        opened.check_preprocessing(self.preprocess)
        return account_of(opened, address, photos or folder_of(opened.path), self, photo)

    def gradient(self, photo: PhotoSource, address: str, *, wrt: str = "Mul") -> NDArray[np.float32]:
        """The gradient, at a photo, of the sum over a filter's map (or over the maps of all filters of an address).

        Args:
            photo: a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.
            address: the tensor or filter that is differentiated: ``mixed_4/tower_1/conv_4[17]``.
            wrt: the address of the tensor to differentiate with respect to, by default the network's scaled input.  The
                address of a convolution followed by ``:scale``, ``:shift`` (gamma and beta of its batch normalisation)
                or ``:kernel`` means a parameter.

        Returns:
            An array of the shape of ``wrt``: (1, C, H, W), (C,), or (out, in, height, width), float32.

        Raises:
            AddressError: an address names no tensor or several, or ``address`` is a step of the photo's preprocessing.
            OptionError: ``address`` does not depend on ``wrt``, or the precision is int8.
            PhotoError: the photo cannot be decoded.

        >>> load().gradient("examples/chelsea.jpg", "mixed/tower_2/conv[3]").shape
        (1, 3, 299, 299)
        """
        from .engine.gradient.targets import objective_named, target_named

        tensor, target = objective_named(self.blueprint, address), target_named(self.blueprint, wrt)
        return self.gradient_engine.of_sum(tensor, *target, self.preprocess(decode(photo)))

    def contributions(
        self, photo: PhotoSource, address: str, at: tuple[int, int] | None = None, depth: int = 1
    ) -> Contributions:
        """The value of a filter at a cell, before its ReLU, as a sum over earlier filters; see ``godeeper.filters.contributions``.

        Args:
            photo: a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.
            address: one filter of a convolution, by any of its names: ``mixed_4/tower_1/conv_4[17]``.
            at: (row, column) of the filter's map; by default the cell with the greatest value.
            depth: the number of convolutions to go back; from 2 on, each earlier filter is replaced by its own sum in
                the cells where it is active.

        Returns:
            A record in which ``bias`` and ``terms`` add up to ``value``.  Each term has the channel that is read
            (``tensor``), the filter that computed this channel (``origin``), its ``value``, and the contribution of
            each cell of the ``window`` (``cells``).  ``listeners`` are the later filters that read this filter.
            ``record()`` returns the JSON, and ``save(path)`` draws the picture, which a notebook also shows.

        Raises:
            UnknownAddress, AmbiguousAddress, ChannelError: the address does not name one tensor.
            AddressError: the address names several filters, or not a filter of a convolution.
            OptionError: the cell is outside the map, ``depth`` is less than 1, or the network computes in int8.
            PhotoError: the photo cannot be decoded.

        >>> found = load().contributions("examples/chelsea.jpg", "mixed/tower_2/conv[3]")
        >>> bool(abs(found.bias + sum(term.value for term in found.terms) - found.value) < 1e-5 * found.magnitude)
        True
        """
        from .filters.contributions.decompose import contributions

        return contributions(self, photo, address, at, depth)

    def visualise(self, address: str, *, index: str | Path | None = None, **settings: Any) -> list[Visualisation]:
        """Pictures that activate filters as strongly as possible (activation maximisation), each with a verdict.

        Args:
            address: filters of a convolution, by any of its names: ``mixed_4/tower_1/conv_4[17]``.
            index: an index of the photos to compare with (see ``Network.index``); by default the sample pictures if the
                weights are ``bundled``.
            settings: ``size``, ``steps``, ``seed``, ``method``, ``cell``, ``varied`` and ``transparent``; see
                ``godeeper.filters.visualisation.visualise.Settings``.

        Raises:
            AddressError: the address does not name filters of one convolution.
            OptionError: a setting is not allowed, or the network computes in int8.
            IndexFileError: the index is damaged, or made with other weights.

        >>> found = load().visualise("mixed/tower_2/conv[3]", steps=8)[0]
        >>> found.picture.size, found.best_photo is not None
        ((299, 299), True)
        """
        from .filters.visualisation.photos import photos_from
        from .filters.visualisation.visualise import Settings, visualise

        chosen, tensor = Settings(**settings), resolve_one(self.blueprint, address)
        return visualise(self, tensor, chosen, photos_from(self, index))

    def classify(self, photo: PhotoSource, *, top: int = 5) -> tuple[Guess, ...]:
        """The ``top`` classes that the weights' own classifier predicts for a photo, most likely first.

        Args:
            photo: a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.
            top: the number of classes to return, at least 1.

        Raises:
            OptionError: ``top`` is less than 1.
            WeightsError: these weights have no classifier, or one with a single class.
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
                f"weights {self.weights.name!r} have one class, so every photo would get it with 100 %; an older godeeper "
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
        """Compute tensors from other tensors, in the calling style of TensorFlow 1.

        Arrays that are fed or fetched are (B, H, W, C), as in TensorFlow 1; ``peek`` returns (B, C, H, W).

        Args:
            fetches: one address, or several.
            feeds: address -> value.  ``DecodeJpeg/contents:0`` takes the bytes of a photo, ``DecodeJpeg:0`` its
                pixels (H, W, 3), ``Mul:0`` the network's input (B, 299, 299, 3), any inner tensor its activations.
                The run starts from the fed tensors and computes nothing before them.

        Returns:
            One float32 array, or a list of them in the order of ``fetches``.

        Raises:
            UnknownAddress, AmbiguousAddress, ChannelError: an address does not name one tensor.
            FeedError: a fed array has the wrong shape, or the fed tensors are not enough, or one of them is not used.

        >>> with open("examples/chelsea.jpg", "rb") as file:
        ...     load().run("mixed/tower_2/conv:0", {"DecodeJpeg/contents:0": file.read()}).shape
        (1, 35, 35, 32)
        """
        from .tf1 import run

        return run(self.engine, self.preprocess, fetches, feeds)
