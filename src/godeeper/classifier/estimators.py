"""scikit-learn estimators for photos: ``PhotoFeatures`` computes features, and ``PhotoClassifier`` classifies.

X is a list or array, (N,) or (N, 1), of paths or other objects that ``decode`` accepts.  Features are stored under a hash
of the photos' pixels, so a search with many fits computes them once.  Importing this module imports scikit-learn.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from .. import arguments
from ..errors import OptionError
from ..features.extract import extract
from ..features.recommended import recommended
from ..features.store import ResultStore
from ..features.stream import whole_tensors
from ..files import read_regular
from ..network import Network, load
from ..photos.decode import decode
from ..photos.doctor.fingerprint import pixel_hash
from ..training.head import Selection, fit, select
from ..training.targets import Targets
from ..training.train import MODULES
from ..version import __version__
from .classifier import Classifier, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..engine.quantization import QuantizationRanges
    from ..photos.decode import PhotoSource

    Floats = NDArray[np.float32]


class PhotoFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Transforms photos to features, (N, features) float32: the spatial means of some tensors, concatenated.

    Args:
        features: ``auto``, the tensors recommended for the weights; or addresses, as a comma-separated string or a sequence.
        weights, engine, precision, calibration: as in ``godeeper.load``.

    >>> PhotoFeatures("mixed/tower_2/conv").fit_transform(["examples/chelsea.jpg"]).shape
    (1, 32)
    """

    def __init__(
        self,
        features: str | Sequence[str] = "auto",
        *,
        weights: str | Path = "bundled",
        engine: str = "auto",
        precision: str = "fp32",
        calibration: QuantizationRanges | str | Path | None = None,
    ) -> None:
        self.features = features
        self.weights = weights
        self.engine = engine
        self.precision = precision
        self.calibration = calibration

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002, N803 (scikit-learn's names)
        """Look up the tensors; nothing is fitted to the photos.

        Raises:
            UnknownAddress, UnknownName: a tensor, engine, precision or weights of that name do not exist.
            OptionError: ``X`` is a single photo.
        """
        several(X)
        network = opened(self)
        addresses = (
            [recommended(network)] if self.features == "auto" else arguments.addresses("features", self.features)
        )
        self.widths_ = whole_tensors(network, addresses)
        return self

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """The photos' features, (N, features) float32.

        Raises:
            PhotoError: a photo cannot be decoded.
        """
        check_is_fitted(self)
        values = features_of(opened(self), several(X), list(self.widths_))
        return np.concatenate([values[address] for address in self.widths_], axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:  # noqa: ARG002
        """(features,) of str: the address of each filter, such as ``mixed_5/join[0]``."""
        check_is_fitted(self)
        names = [f"{address}[{number}]" for address, width in self.widths_.items() for number in range(width)]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        return photo_tags(super().__sklearn_tags__())


class PhotoClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Classifies photos with a head on their features.

    The features are chosen, and the head is fitted and calibrated, as in ``godeeper.retrain``.  Photos with the same pixels are
    held out together.  Unlike ``godeeper.retrain``, this estimator does not check the photos or find near-duplicates, and
    makes no report.

    Args:
        features: ``auto`` to choose among the modules by cross-validation; or addresses, all of which are used.
        strength: the inverse regularisation strength, scikit-learn's C; None to choose it by cross-validation.
        seed: the random seed for the folds and the fit.
        weights, engine, precision, calibration: as in ``godeeper.load``.

    Attributes:
        classes_: (classes,), the labels, sorted.
        classifier_: the ``Classifier``, which can be saved, exported and explained; its classes are the labels as text.
        selection_: the chosen modules and strength.

    >>> import numpy as np
    >>> from godeeper import PhotoClassifier
    >>> dark, bright = (np.random.default_rng(0).integers(0, top, (8, 64, 64, 3), np.uint8) for top in (50, 250))
    >>> PhotoClassifier("conv").fit([*dark, *bright], ["dark"] * 8 + ["bright"] * 8).predict([dark[0]]).tolist()
    ['dark']
    """

    def __init__(
        self,
        features: str | Sequence[str] = "auto",
        *,
        strength: float | None = None,
        seed: int = 0,
        weights: str | Path = "bundled",
        engine: str = "auto",
        precision: str = "fp32",
        calibration: QuantizationRanges | str | Path | None = None,
    ) -> None:
        self.features = features
        self.strength = strength
        self.seed = seed
        self.weights = weights
        self.engine = engine
        self.precision = precision
        self.calibration = calibration

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 (scikit-learn's names)
        """Choose the modules and the strength, unless they are given, and fit a head.

        Args:
            X: N photos.
            y: (N,) labels of at least two classes.

        Raises:
            PhotoError: a photo cannot be decoded.
            OptionError, ValueError: ``X`` is a single photo, or ``y`` has no labels or fewer than two classes.
        """
        photos = several(X)
        check_parameters(self.seed, self.strength)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None: give a label for each photo")
        y = column_or_1d(y, warn=True)
        check_consistent_length(photos, y)
        check_labels(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        names = tuple(map(str, self.classes_.tolist()))
        network = opened(self)
        hashes, values = looked_at(network, photos, self.addresses(network))
        head, self.selection_ = fitted(self, values, labels, np.unique(hashes, return_inverse=True)[1], names)
        file = network.weights
        self.classifier_ = Classifier(
            head=head,
            weights=str(self.weights),
            weights_sha256=file.sha256,
            preprocessing=file.description.preprocessing,
            calibration=network.calibration,
            engine=self.engine,
        )
        return self

    def addresses(self, network: Network) -> list[str]:
        """The tensors whose features are computed."""
        if self.features == "auto":
            return [tensor.address for tensor in network.tensors(MODULES)]
        return list(whole_tensors(network, arguments.addresses("features", self.features)))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """(N, classes), in the order of ``classes_``.

        Stored features have half precision, so the probabilities differ by up to 0.001 from those of ``classifier_``.

        Raises:
            PhotoError: a photo cannot be decoded.
        """
        check_is_fitted(self)
        photos = several(X)
        if not photos:
            return np.zeros((0, len(self.classes_)))
        values = features_of(self.classifier_.network, photos, list(self.classifier_.head.addresses))
        return self.classifier_.likelihoods(values)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """(N,) the most likely label of each photo; the threshold is not applied, unlike in ``classifier_.verdict``."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[likeliest]
        return labels

    def __sklearn_tags__(self) -> Any:
        return photo_tags(super().__sklearn_tags__())


def photo_tags(tags: Any) -> Any:
    """Set the tags of an estimator that takes paths."""
    tags.input_tags.two_d_array = False
    tags.input_tags.string = True
    tags.no_validation = True
    return tags


def opened(estimator: PhotoFeatures | PhotoClassifier) -> Network:
    """Load the network that an estimator's parameters name; its inference sessions open when they are first used."""
    return load(
        weights=estimator.weights,
        engine=estimator.engine,
        precision=estimator.precision,
        calibration=estimator.calibration,
    )


def check_parameters(seed: Any, strength: Any) -> None:
    """Raise ``OptionError`` if the seed or the strength is invalid."""
    arguments.seed(seed)
    if strength is not None and not (isinstance(strength, (int, float)) and 0 < strength < float("inf")):
        raise OptionError(f"strength={strength!r}: expected a number above 0, or None to choose one")


def check_labels(y: NDArray[Any]) -> None:
    """Raise ``ValueError`` if a label is missing, or if there are fewer than two classes."""
    missing = [number for number, label in enumerate(y.tolist()) if label is None or label != label]
    if missing:
        raise ValueError(f"y[{missing[0]}] is missing ({y[missing[0]]}): expected a label for each photo")
    try:
        sorted(set(y.tolist()))
    except TypeError:
        kinds = ", ".join(sorted({type(label).__name__ for label in y.tolist()}))
        raise ValueError(f"y holds labels of several types ({kinds}): expected one, such as str") from None
    check_classification_targets(y)
    classes = len(set(y.tolist()))
    if classes < 2:
        raise ValueError(f"y holds {classes} class{'es' * (classes != 1)}: expected labels of two classes or more")


def several(photos: Any) -> list[PhotoSource]:
    """The photos of X, (N,) or (N, 1), as a list."""
    return listed(photos)


def fitted(
    estimator: PhotoClassifier,
    values: Mapping[str, Floats],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    names: tuple[str, ...],
) -> tuple[Any, Selection]:
    """Fit a head; choose the modules and the strength first, unless the estimator's parameters give them."""
    targets, given = (
        Targets(labels, groups, int(estimator.seed)),
        None if estimator.features == "auto" else tuple(values),
    )
    if given and estimator.strength is not None:
        selection = Selection({}, given, float(estimator.strength))
    else:
        selection = select(values, targets)
        selection = replace(
            selection, chosen=given or selection.chosen, strength=estimator.strength or selection.strength
        )
    return fit(values, targets, names, selection)


def features_of(network: Network, photos: Sequence[PhotoSource], addresses: Sequence[str]) -> dict[str, Floats]:
    """The features of photos: address -> (N, C) float32."""
    return looked_at(network, photos, addresses)[1]


def looked_at(
    network: Network, photos: Sequence[PhotoSource], addresses: Sequence[str]
) -> tuple[list[str], dict[str, Floats]]:
    """The hash of each photo's pixels, and the features: address -> (N, C) float32."""
    with ResultStore() as store:
        hashes = pixel_hashes(photos, store)
        return hashes, extract(network, list(zip(photos, hashes, strict=True)), addresses, store)


def pixel_hashes(photos: Sequence[PhotoSource], store: ResultStore) -> list[str]:
    """The hash of each photo's pixels, from the store if the file was decoded before."""
    keys = [file_key(photo) for photo in photos]
    known = store.get_blobs({key for key in keys if key})
    new: dict[bytes, bytes] = {}
    hashes = []
    for photo, key in zip(photos, keys, strict=True):
        found = known.get(key) or new.get(key) if key else None
        if found is None:
            found = pixel_hash(decode(photo)).encode()
            if key:
                new[key] = found
        hashes.append(found.decode())
    store.put_blobs(new)
    return hashes


def file_key(photo: PhotoSource) -> bytes | None:
    """The key under which the hash of a file's pixels is stored; None if the photo is not a file or cannot be read."""
    if not isinstance(photo, (str, bytes, os.PathLike)):
        return None
    try:
        data = photo if isinstance(photo, bytes) else read_regular(Path(photo))
    except (OSError, ValueError):
        return None  # decode reports the error
    return hashlib.sha256(f"pixels {__version__} ".encode() + hashlib.sha256(data).digest()).digest()
