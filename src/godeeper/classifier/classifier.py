"""A classifier: weights, a head trained on their features, and what to do to photos first.

It has scikit-learn's manners (``predict``, ``predict_proba``, ``classes_``, ``score``), for tools that only
predict.  ``classifier_file`` says how it is kept on disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.address import resolve_one
from ..engine.engines import engine_named
from ..engine.identity import PRECISIONS
from ..engine.quantization import QuantizationRanges
from ..errors import ClassifierError, GodeeperError, OptionError
from ..escaping import escaped
from ..features.pipeline import require_readable
from ..features.stream import feature_batches, stream
from ..features.stream import pooled as stream_pooled
from ..network import Network
from ..parallel import on_one_thread
from ..photos.decode import Photo, decode
from ..photos.preprocess import Preprocess
from ..training.head import Head
from ..weights.file import WeightsFile
from ..weights.registry import find
from .refusal import why_refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..photos.decode import PhotoSource
    from .estimators import PhotoClassifier

    Floats = NDArray[np.float32]

LONGEST_LIST = 120  # characters of the classes' names in a repr


@dataclass(frozen=True)
class Judgement:
    """What a classifier says of one photo: ``verdict`` is None where it is none of the classes, or unreadable.

    ``threshold``: the least probability of a verdict.  ``strangeness``: how many times higher than usual the temperature is
    because the photo is unlike the training photos, from 1; None where it was not computed.  ``photo_notes``: repairs of
    the photo before it was used (see ``Photo.notes``).
    """

    photo: str
    verdict: str | None
    probabilities: Mapping[str, float]
    error: str | None = None
    threshold: float | None = None
    strangeness: float | None = None
    photo_notes: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        """It is none of the classes; not merely called so, nor unreadable."""
        return self.verdict is None and self.error is None

    @property
    def reason(self) -> str | None:
        """Why it is none of these, in a sentence."""
        return why_refused(self.probabilities, self.threshold, self.strangeness) if self.is_refused else None

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "photo": self.photo,
            "photo_notes": list(self.photo_notes),
            "verdict": self.verdict,
            "none_of_these": self.is_refused,
            "reason": self.reason,
            "probabilities": dict(self.probabilities),
            "threshold": self.threshold,
            "strangeness": self.strangeness,
            "error": self.error,
        }


@dataclass(eq=False, repr=False)  # not frozen: scikit-learn fits in place, and sets attributes of its own
class Classifier:
    """Tells photos apart.

    ``weights`` and ``weights_sha256``: the network's, by name and by content.  ``preprocessing``: the fields of
    a ``Preprocess``.  ``calibration``: what it computes in 8 bits by, or None for single precision.  ``engine``: what
    computes, as in ``load``; not kept in the file.  ``report_record``: the report of its training, as JSON, kept in the file; ``report``: the
    same to read: a ``Report`` with its charts right after training, a ``KeptReport`` in a classifier that was loaded.  ``certificate``: of the last check against an export.

    A photo is a path, the bytes of a file, a Pillow image, or an array (H, W, 3) of uint8.

    >>> import numpy as np
    >>> from godeeper import PhotoClassifier
    >>> dark, bright = (np.random.default_rng(0).integers(0, top, (8, 64, 64, 3), np.uint8) for top in (50, 250))
    >>> model = PhotoClassifier("conv").fit([*dark, *bright], ["dark"] * 8 + ["bright"] * 8)
    >>> classifier = model.classifier_
    >>> classifier.classes_.tolist(), classifier.predict_proba(bright[:2]).shape
    (['bright', 'dark'], (2, 2))
    """

    head: Head
    weights: str
    weights_sha256: str
    preprocessing: Mapping[str, Any]
    report_record: Mapping[str, Any] | None = field(default=None, repr=False)
    certificate: Mapping[str, Any] | None = field(default=None, repr=False)
    report: Any = field(default=None, repr=False)  # with a union, whoever trains would have to narrow it first
    calibration: QuantizationRanges | None = field(default=None, repr=False)
    engine: str = "auto"

    def __repr__(self) -> str:
        classes = ", ".join(self.head.classes)
        features = ", ".join(self.head.addresses)
        some = classes if len(classes) <= LONGEST_LIST else f"{classes[:LONGEST_LIST]}…"
        return f"<classifier of {len(self.head.classes)} classes ({escaped(some)}), {features} of weights {self.weights!r}, {self.precision}>"

    def __getstate__(self) -> dict[str, Any]:
        """All but the network, which the next photo opens again."""
        return {name: value for name, value in self.__dict__.items() if name != "network"}

    @property
    def classes_(self) -> NDArray[Any]:
        """(classes,) of str: the names, in the order of ``predict_proba``'s columns."""
        return np.array(self.head.classes, dtype=np.str_)

    @cached_property
    def network(self) -> Network:
        """The network with these very weights; raises ``UnknownName`` or ``ClassifierError`` where it has others."""
        engine = engine_named(self.engine, self.weights_file, self.precision, self.calibration)
        return Network(engine, self.preprocess, auto=self.engine == "auto")

    @property
    def precision(self) -> str:
        """``fp32`` or ``int8``."""
        return PRECISIONS[self.calibration is not None]

    @property
    def weights_file(self) -> WeightsFile:
        """The installed weights, if they are those that the head was trained with."""
        file = find(self.weights)
        if file.sha256 != self.weights_sha256:
            raise ClassifierError(
                f"this classifier was trained with weights {self.weights!r} of SHA-256 {self.weights_sha256[:16]}…, "
                f"and those installed under that name have {file.sha256[:16]}…: install the former, or retrain"
            )
        return file

    @property
    def preprocess(self) -> Preprocess:
        """How photos are fitted, resized and scaled for this classifier."""
        return Preprocess.from_mapping(self.preprocessing)

    @property
    def test_photos(self) -> list[Path]:
        """The photos that tested it, from its report, as paths from the folder it was trained on; none where it has no report."""
        return [Path(photo) for photo in (self.report_record or {}).get("test_photos", [])]

    def predict_proba(self, photos: Iterable[PhotoSource]) -> NDArray[np.float64]:
        """How likely each photo is of each class.

        Returns:
            (N, classes), in the order of ``classes_``; rows add up to one.

        Raises:
            PhotoError: a photo cannot be decoded.
            OptionError: ``photos`` is a single photo, not several.
        """
        batches = feature_batches(self.network, listed(photos), self.head.addresses, transform=require_readable)
        rows = [self.likelihoods(batch.features) for batch in batches]
        return np.concatenate(rows) if rows else np.zeros((0, len(self.head.classes)))

    def predict(self, photos: Iterable[PhotoSource]) -> NDArray[Any]:
        """(N,) of str: the likeliest class of each photo, however unlikely; see ``verdict``."""
        answer: NDArray[Any] = self.classes_[self.predict_proba(photos).argmax(axis=1)]
        return answer

    def score(self, photos: Iterable[PhotoSource], labels: Sequence[str]) -> float:
        """The share of the photos whose likeliest class is their label."""
        predicted = self.predict(photos)
        if len(labels) != len(predicted) or not len(predicted):
            raise OptionError(f"{len(predicted)} photos and {len(labels)} labels: expected one label a photo")
        return float(np.mean(predicted == np.asarray(labels, dtype=np.str_)))

    def verdict(self, photo: PhotoSource) -> str | None:
        """The photo's class, or None: none of these."""
        return self.verdict_of(self.probabilities([decode(photo)])[0])

    def verdict_of(self, probabilities: NDArray[Any]) -> str | None:
        """The verdict that (classes,) probabilities amount to."""
        best = int(np.argmax(probabilities))
        threshold = self.head.threshold
        return self.head.classes[best] if threshold is None or probabilities[best] >= threshold else None

    def judge(self, photos: Iterable[PhotoSource], *, exact: bool = True) -> Iterator[Judgement]:
        """A judgement of each photo in turn; one that cannot be read does not stop the others.

        Photos are decoded ahead, in threads.  ``exact`` False decodes large JPEGs at a part of their size: faster, and
        the probabilities differ a little; see ``godeeper.features.stream``.
        """
        for batch in stream(self.network, photos, self.head.addresses, exact=exact):
            values = self.likelihoods(batch.features) if batch.features else ()
            strange = self.strangeness(batch.features) if batch.features else ()
            rows = dict(zip(batch.readable, zip(values, strange, strict=True), strict=True))
            for place, name in enumerate(batch.names):
                error = batch.errors.get(place)
                judgement = Judgement(name, None, {}, error) if error else self.judgement(name, *rows[place])
                yield replace(judgement, photo_notes=batch.notes.get(place, ()))

    def judgement(self, name: str, probabilities: NDArray[Any], strangeness: float | None = None) -> Judgement:
        """The judgement that (classes,) probabilities amount to."""
        by_class = dict(zip(self.head.classes, map(float, probabilities), strict=True))
        verdict, threshold = self.verdict_of(probabilities), self.head.threshold
        return Judgement(name, verdict, by_class, threshold=threshold, strangeness=strangeness)

    def strangeness(self, features: Mapping[str, Floats]) -> list[float]:
        """For each photo how many times higher the temperature is than usual, from 1."""
        with on_one_thread():
            found: list[float] = self.head.strangeness(features)[:, 0].tolist()
        return found

    def probabilities(self, photos: Sequence[PhotoSource]) -> NDArray[np.float64]:
        """(N, classes) of one batch."""
        return self.likelihoods(pooled(self.network, [decode(photo) for photo in photos], self.head.addresses))

    def likelihoods(self, features: Mapping[str, Floats]) -> NDArray[np.float64]:
        """(N, classes): what the head makes of features, address -> (N, C)."""
        with on_one_thread():  # the network may be at the next photos
            likely = np.asarray(self.head.probabilities(features), np.float64)
        if not np.isfinite(likely).all():
            raise ClassifierError(
                f"{self!r} computes no probabilities for this photo: its file is damaged, copy or download it again"
            )
        answer: NDArray[np.float64] = likely / likely.sum(
            axis=1, keepdims=True
        )  # to the last digit of double precision
        return answer

    def save(self, path: str | Path) -> None:
        """Write a ``.godeeper`` file; raises ``OutputError``."""
        from .file import write

        write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, engine: str = "auto") -> Classifier:
        """Read a ``.godeeper`` file; ``engine`` is what is to compute.

        Raises:
            ClassifierError: it is damaged, of another version, or its weights are not those installed.
        """
        from .file import one_line, read

        classifier = replace(read(Path(path)), engine=engine)
        try:
            check_features(classifier)
        except GodeeperError as error:
            raise ClassifierError(f"{path}: {one_line(error)}") from None
        return classifier

    def fit(self, photos: Any, labels: Any) -> Classifier:
        """Fit the head again to other photos, in place, as scikit-learn's tools expect; the features stay those it has.

        The report and the certificate, which were of the old head, go.  ``clone`` gives a ``PhotoClassifier`` with these settings instead.

        Raises:
            PhotoError: a photo cannot be decoded.
            OptionError, ValueError: no photos, no labels, or fewer than two classes.
        """
        fitted = self.__sklearn_clone__().fit(photos, labels).classifier_
        self.head = fitted.head
        self.report_record = self.report = self.certificate = None
        return self

    def __sklearn_clone__(self) -> PhotoClassifier:
        """An estimator with the same settings that has learned nothing, for cross-validation and searches."""
        from .estimators import PhotoClassifier

        weights = self.weights_file  # raises where others are installed under the name
        return PhotoClassifier(
            list(self.head.addresses),
            weights=self.weights if self.weights == weights.name else weights.path,
            engine=self.engine,
            precision=self.precision,
            calibration=self.calibration,
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002 (scikit-learn's signature)
        """What it is made of, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        utils = import_module("sklearn.utils")  # only scikit-learn asks for tags
        return utils.Tags(
            estimator_type="classifier",
            target_tags=utils.TargetTags(required=True),
            classifier_tags=utils.ClassifierTags(),
            input_tags=utils.InputTags(two_d_array=False, string=True),
        )


def pooled(network: Network, photos: Sequence[Photo], addresses: Sequence[str]) -> dict[str, Floats]:
    """Each address's activations, averaged over the photo: address -> (N, C) float32."""
    return stream_pooled(network, np.concatenate([network.preprocess(photo) for photo in photos]), addresses)


def check_features(classifier: Classifier) -> None:
    """Raise where the network does not give as many features as the head takes, or was calibrated for other weights."""
    file = classifier.weights_file
    if classifier.calibration is not None:
        classifier.calibration.check(file)
    blueprint, size = file.blueprint, file.description.preprocessing.get("size")
    if classifier.preprocess.size != size:
        raise ClassifierError(
            f"it resizes photos to {classifier.preprocess.size} pixels, expected {size} as its weights do: "
            "the file is damaged, copy or download it again"
        )
    tensors = [resolve_one(blueprint, address) for address in classifier.head.addresses]
    partial = [tensor.address for tensor in tensors if tensor.channels is not None]
    got = sum(tensor.site.shape[0] for tensor in tensors)
    expected = classifier.head.coefficients.shape[1]
    if partial or got != expected:
        raise ClassifierError(
            f"the head takes {expected} features, and {', '.join(classifier.head.addresses)} are {got}: the file is damaged, copy or download it again"
        )


def listed(photos: Any) -> list[Any]:
    """Several photos as a list; arrays and data frames of paths may be (N,) or (N, 1), as scikit-learn's tools like them."""
    photos = photos.to_numpy() if hasattr(photos, "to_numpy") else photos
    if isinstance(photos, (str, bytes, os.PathLike)) or not isinstance(photos, Iterable):
        raise OptionError(f"one {type(photos).__name__} is not several photos: give a list of them")
    if not isinstance(photos, np.ndarray):
        return list(photos)
    if photos.dtype == np.uint8 and photos.ndim == 4:
        return list(photos)
    if photos.dtype.kind not in "OUS" or photos.ndim not in (1, 2) or photos.shape[1:] not in ((), (1,)):
        raise OptionError(
            f"an array of shape {photos.shape} and type {photos.dtype} is not several photos: expected (N,) or (N, 1) paths, "
            "or (N, H, W, 3) of uint8"
        )
    return [str(each) if isinstance(each, str) else each for each in photos.ravel()]
