"""A classifier: a network's weights, a head trained on their features, and the preprocessing of photos.

It has the prediction methods of scikit-learn's classifiers.  ``godeeper.classifier.file`` describes the file format.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from ..features.executors.executor import HERE
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
from .judgement import Judgement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..features.executors.executor import Executor
    from ..filters.visualisation.directions import Direction
    from ..photos.decode import PhotoSource
    from .estimators import PhotoClassifier

    Floats = NDArray[np.float32]

LONGEST_LIST = 120  # characters of the class names in a repr


@dataclass(eq=False, repr=False)  # not frozen: scikit-learn fits in place and sets its own attributes
class Classifier:
    """Assigns photos to classes.

    ``weights`` and ``weights_sha256``: the name and the hash of the network's weights.  ``preprocessing``: the fields of
    a ``Preprocess``.  ``calibration``: the quantization ranges for int8, or None for fp32.  ``engine``: the engine that runs
    the network, as in ``load``; it is not saved in the file.  ``report_record``: the training report as JSON, which is saved in
    the file.  ``report``: after training a ``Report`` with charts, after loading a ``KeptReport``.  ``certificate``: the
    certificate of an export, if the file contains one.

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
    report: Any = field(default=None, repr=False)  # Any: with a union, callers would have to narrow it
    calibration: QuantizationRanges | None = field(default=None, repr=False)
    engine: str = "auto"

    def __repr__(self) -> str:
        classes = ", ".join(self.head.classes)
        features = ", ".join(self.head.addresses)
        some = classes if len(classes) <= LONGEST_LIST else f"{classes[:LONGEST_LIST]}…"
        return f"<classifier of {len(self.head.classes)} classes ({escaped(some)}), {features} of weights {self.weights!r}, {self.precision}>"

    def __getstate__(self) -> dict[str, Any]:
        """All fields except the network, which is opened again for the next photo."""
        return {name: value for name, value in self.__dict__.items() if name != "network"}

    @property
    def classes_(self) -> NDArray[Any]:
        """(classes,) of str: the names, in the order of ``predict_proba``'s columns."""
        return np.array(self.head.classes, dtype=np.str_)

    @cached_property
    def network(self) -> Network:
        """The network with these weights; raises ``UnknownName`` or ``ClassifierError`` if they are not installed."""
        engine = engine_named(self.engine, self.weights_file, self.precision, self.calibration)
        return Network(engine, self.preprocess, auto=self.engine == "auto")

    @property
    def precision(self) -> str:
        """``fp32`` or ``int8``."""
        return PRECISIONS[self.calibration is not None]

    @property
    def weights_file(self) -> WeightsFile:
        """The installed weights; raises ``ClassifierError`` unless the head was trained with them."""
        file = find(self.weights)
        if file.sha256 != self.weights_sha256:
            raise ClassifierError(
                f"this classifier was trained with weights {self.weights!r} with SHA-256 {self.weights_sha256[:16]}…, "
                f"but the weights installed under that name have {file.sha256[:16]}…: install the original ones, or retrain"
            )
        return file

    @property
    def preprocess(self) -> Preprocess:
        """How photos are cropped or squashed, resized and scaled for this classifier."""
        return Preprocess.from_mapping(self.preprocessing)

    @property
    def test_photos(self) -> list[Path]:
        """The test photos that the report lists, as paths relative to the training folder; empty if there is no report."""
        return [Path(photo) for photo in (self.report_record or {}).get("test_photos", [])]

    def predict_proba(self, photos: Iterable[PhotoSource]) -> NDArray[np.float64]:
        """The probability of each class for each photo.

        Returns:
            (N, classes) float64, in the order of ``classes_``; rows add up to one.

        Raises:
            PhotoError: a photo cannot be decoded.
            OptionError: ``photos`` is a single photo, not several.
        """
        batches = feature_batches(self.network, listed(photos), self.head.addresses, transform=require_readable)
        rows = [self.likelihoods(batch.features) for batch in batches]
        return np.concatenate(rows) if rows else np.zeros((0, len(self.head.classes)))

    def predict(self, photos: Iterable[PhotoSource]) -> NDArray[Any]:
        """(N,) of str: the most likely class of each photo; the threshold is not applied, unlike in ``verdict``."""
        labels: NDArray[Any] = self.classes_[self.predict_proba(photos).argmax(axis=1)]
        return labels

    def score(self, photos: Iterable[PhotoSource], labels: Sequence[str]) -> float:
        """The accuracy: the share of the photos whose most likely class is their label; raises ``OptionError``."""
        predicted = self.predict(photos)
        if len(labels) != len(predicted) or not len(predicted):
            raise OptionError(f"{len(predicted)} photos and {len(labels)} labels: expected one label per photo")
        return float(np.mean(predicted == np.asarray(labels, dtype=np.str_)))

    def verdict(self, photo: PhotoSource) -> str | None:
        """The photo's class; None means "none of these"."""
        return self.verdict_of(self.probabilities([decode(photo)])[0])

    def verdict_of(self, probabilities: NDArray[Any]) -> str | None:
        """The verdict for probabilities (classes,)."""
        best = int(np.argmax(probabilities))
        threshold = self.head.threshold
        return self.head.classes[best] if threshold is None or probabilities[best] >= threshold else None

    def judge(
        self, photos: Iterable[PhotoSource], *, exact: bool = True, executor: Executor = HERE
    ) -> Iterator[Judgement]:
        """Yield a judgement of each photo; the judgement of a photo that cannot be read has an ``error``.

        Threads decode the next photos in advance.  With ``exact=False``, large JPEGs are decoded at a fraction of their size,
        which is faster but changes the probabilities slightly; see ``godeeper.features.stream``.
        """
        for batch in stream(self.network, photos, self.head.addresses, exact=exact, executor=executor):
            values = self.likelihoods(batch.features) if batch.features else ()
            strange = self.strangeness(batch.features) if batch.features else ()
            rows = dict(zip(batch.readable, zip(values, strange, strict=True), strict=True))
            for place, name in enumerate(batch.names):
                error = batch.errors.get(place)
                judgement = Judgement(name, None, {}, error) if error else self.judgement(name, *rows[place])
                yield replace(judgement, photo_notes=batch.notes.get(place, ()))

    def judgement(self, name: str, probabilities: NDArray[Any], strangeness: float | None = None) -> Judgement:
        """The judgement for probabilities (classes,)."""
        by_class = dict(zip(self.head.classes, map(float, probabilities), strict=True))
        verdict, threshold = self.verdict_of(probabilities), self.head.threshold
        return Judgement(name, verdict, by_class, threshold=threshold, strangeness=strangeness)

    def strangeness(self, features: Mapping[str, Floats]) -> list[float]:
        """The factor (1 or more) by which each photo's temperature is raised; ``features``: address -> (N, C)."""
        with on_one_thread():
            found: list[float] = self.head.strangeness(features)[:, 0].tolist()
        return found

    def probabilities(self, photos: Sequence[PhotoSource]) -> NDArray[np.float64]:
        """(N, classes): the probabilities of one batch of photos."""
        return self.likelihoods(pooled(self.network, [decode(photo) for photo in photos], self.head.addresses))

    def likelihoods(self, features: Mapping[str, Floats]) -> NDArray[np.float64]:
        """(N, classes): the head's probabilities; ``features``: address -> (N, C).  Raises ``ClassifierError``."""
        with on_one_thread():  # the network may be computing the next photos on the other cores
            likely = np.asarray(self.head.probabilities(features), np.float64)
        if not np.isfinite(likely).all():
            raise ClassifierError(
                f"{self!r} computed probabilities that are not finite: the classifier's file is damaged; copy or download it again"
            )
        return np.asarray(likely / likely.sum(axis=1, keepdims=True))  # rows add up to one in double precision too

    def visualise(
        self, class_name: str, *, progress: Callable[[int, int], None] | None = None, **settings: Any
    ) -> Direction:
        """A picture that raises the logit of a class above the mean of all classes, by gradient ascent.

        Args:
            class_name: one of ``classes_``.
            progress: called with (steps done, steps in all).
            settings: ``size``, ``steps``, ``seed``, ``method`` and ``transparent``; see
                ``godeeper.filters.visualisation.visualise.Settings``.

        Returns:
            The picture, its value and the probability that this classifier gives it.

        Raises:
            UnknownName: there is no such class.
            OptionError: a setting is not allowed, or the classifier is in int8.
        """
        from .class_picture import visualise_class

        return visualise_class(self, class_name, settings, progress)

    def save(self, path: str | Path) -> None:
        """Write a ``.godeeper`` file; raises ``OutputError``."""
        from .file import write

        write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, engine: str = "auto") -> Classifier:
        """Read a ``.godeeper`` file; ``engine`` will run the network, as in ``load``.

        Raises:
            ClassifierError: the file is damaged or has an unknown format, or its weights are not installed.
        """
        from .file import one_line, read

        classifier = replace(read(Path(path)), engine=engine)
        try:
            check_features(classifier)
        except GodeeperError as error:
            raise ClassifierError(f"{path}: {one_line(error)}") from None
        return classifier

    def fit(self, photos: Any, labels: Any) -> Classifier:
        """Fit the head again to other photos, in place, as scikit-learn's tools expect; the tensors stay the same.

        The report and the certificate are discarded, because they describe the old head.  scikit-learn's ``clone`` returns an
        unfitted ``PhotoClassifier`` with the same settings instead.

        Raises:
            PhotoError: a photo cannot be decoded.
            OptionError, ValueError: no photos, no labels, or fewer than two classes.
        """
        fitted = self.__sklearn_clone__().fit(photos, labels).classifier_
        self.head = fitted.head
        self.report_record = self.report = self.certificate = None
        return self

    def __sklearn_clone__(self) -> PhotoClassifier:
        """An unfitted estimator with the same settings, for cross-validation and searches."""
        from .estimators import PhotoClassifier

        weights = self.weights_file  # raises if other weights are installed under the name
        return PhotoClassifier(
            list(self.head.addresses),
            weights=self.weights if self.weights == weights.name else weights.path,
            engine=self.engine,
            precision=self.precision,
            calibration=self.calibration,
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002 (scikit-learn's signature)
        """The fields by name."""
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
    """The activations averaged over each photo: address -> (N, C) float32."""
    return stream_pooled(network, np.concatenate([network.preprocess(photo) for photo in photos]), addresses)


def check_features(classifier: Classifier) -> None:
    """Raise ``ClassifierError`` unless calibration, photo size and number of features match the weights."""
    file = classifier.weights_file
    if classifier.calibration is not None:
        classifier.calibration.check(file)
    blueprint, size = file.blueprint, file.description.preprocessing.get("size")
    if classifier.preprocess.size != size:
        raise ClassifierError(
            f"it resizes photos to {classifier.preprocess.size} pixels, but its weights expect {size}: "
            "the file is damaged; copy or download it again"
        )
    tensors = [resolve_one(blueprint, address) for address in classifier.head.addresses]
    partial = [tensor.address for tensor in tensors if tensor.channels is not None]
    got = sum(tensor.site.shape[0] for tensor in tensors)
    expected = classifier.head.coefficients.shape[1]
    if partial or got != expected:
        raise ClassifierError(
            f"the head takes {expected} features, but {', '.join(classifier.head.addresses)} give {got}: the file is damaged; copy or download it again"
        )


def listed(photos: Any) -> list[Any]:
    """Convert several photos to a list; scikit-learn's tools may pass an array or data frame of paths, (N,) or (N, 1)."""
    photos = photos.to_numpy() if hasattr(photos, "to_numpy") else photos
    if isinstance(photos, (str, bytes, os.PathLike)) or not isinstance(photos, Iterable):
        raise OptionError(f"got a single {type(photos).__name__}, expected several photos: pass a list")
    if not isinstance(photos, np.ndarray):
        return list(photos)
    if photos.dtype == np.uint8 and photos.ndim == 4:
        return list(photos)
    if photos.dtype.kind not in "OUS" or photos.ndim not in (1, 2) or photos.shape[1:] not in ((), (1,)):
        raise OptionError(
            f"got an array of shape {photos.shape} and type {photos.dtype}, expected several photos: (N,) or (N, 1) paths, "
            "or (N, H, W, 3) of uint8"
        )
    return [str(each) if isinstance(each, str) else each for each in photos.ravel()]
