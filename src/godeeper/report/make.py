"""Builds the report of a training run."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..errors import PhotoError
from ..network import Network
from ..photos.doctor.checkup import Checkup
from ..photos.remote import decode_anywhere, is_remote, photo_at
from ..photos.sources.folder import Entry
from ..training.background_bias import background_biases, remarks
from ..training.confidence import KEPT
from ..training.dataset import Dataset
from ..training.label_errors import held_out_probabilities, suspected_mislabels
from ..training.learning_curve import count_right, forecast, learning_curve
from ..training.metrics import worth
from ..training.split import TEST_SET, too_few_reasons
from ..training.train import Trained
from ..version import __version__
from .report import CrossClassDuplicates, LabelError, Report


def make_report(data: Dataset, trained: Trained, network: Network, seconds: dict[str, float]) -> Report:
    """Make the report of a training run; the learning curve and the suspected label errors come from the store if possible."""
    rows, head, selection = trained.trained, trained.head, trained.selection
    photo_worth = worth(data.groups[rows], cross_validated=True)
    curve = learning_curve(
        data.cache_array(
            f"learning {selection}",
            rows,
            lambda: count_right(data.coordinates(rows, selection), data.targets.of(rows), selection.strength),
        ),
        photo_worth,
    )
    return Report(
        classifier=name_of(data.checkup.folder),
        classes=data.checkup.classes,
        paths=tuple(data.photos[row].entry.name for row in trained.tested.tolist()),
        truth=data.labels[trained.tested],
        logits=trained.logits,
        calibrated=trained.calibrated,
        groups=data.groups[trained.tested],
        tested_by=trained.held_out.by,
        why_tested_so=trained.held_out.why,
        cross_validation=curve[-1].accuracy if curve and trained.held_out.by == TEST_SET else None,
        majority=int(np.bincount(data.labels[rows]).argmax()),
        selection=selection,
        temperature=head.temperature,
        threshold=head.threshold,
        unknown=trained.unknown,
        kept=KEPT,
        verdicts=data.checkup.verdicts,
        unusable=len(data.checkup.unusable),
        leaks=tuple(one.entry.name for one in data.checkup.leaks),
        places={one.entry.name: place_of(one.entry) for one in data.checkup.verdicts},
        sets=trained.held_out.counts,
        curve=curve,
        forecast=forecast(curve, 2 * len(rows), data.seed, photo_worth),
        suspects=label_errors(data, trained),
        twins=cross_class_duplicates(data.checkup),
        notes=(*data.checkup.notes, *too_few_reasons(data.checkup), *background_remarks(data)),
        seconds=seconds,
        memory_mib=peak_memory(),
        provenance=provenance(data, network),
    )


def name_of(folder: Path | str) -> str:
    """The name of a folder, or of a list or zip without its suffix."""
    if isinstance(folder, str):  # an address
        return folder.rpartition("/")[2]
    return folder.resolve().stem if folder.is_file() else folder.resolve().name


def place_of(entry: Entry) -> str:
    """Where the file is: its path or its address."""
    return entry.remote.whole_address if entry.remote else str(entry.path)


def background_remarks(data: Dataset) -> tuple[str, ...]:
    """A note that names the classes with background bias; empty if there are none."""
    edges = np.array([photo.edges for photo in data.photos], np.float32)
    return remarks(background_biases(edges, data.targets, data.checkup.classes))


def label_errors(data: Dataset, trained: Trained) -> tuple[LabelError, ...]:
    """Photos with a label that contradicts an out-of-fold prediction, the most suspicious first."""
    rows, selection = np.arange(len(data.labels)), trained.selection
    probabilities = data.cache_array(
        f"held out {selection}",
        rows,
        lambda: held_out_probabilities(data.coordinates(rows, selection), data.targets, selection.strength),
    )
    suspected = suspected_mislabels(probabilities, data.labels)
    classes = data.checkup.classes
    return tuple(
        LabelError(data.photos[each.row].entry.name, classes[each.label], classes[each.suggested], each.probability)
        for each in suspected
    )


def cross_class_duplicates(checkup: Checkup) -> tuple[CrossClassDuplicates, ...]:
    """Pairs of near-duplicates in different classes."""
    pairs = []
    for group in checkup.alike:
        first = group[0]
        for other in group[1:]:
            if other.entry.label != first.entry.label:
                paths = first.entry.name, other.entry.name
                pairs.append(CrossClassDuplicates(paths, (first.entry.label, other.entry.label)))
    return tuple(pairs)


def provenance(data: Dataset, network: Network) -> dict[str, str]:
    """The versions, the weights and the settings that reproduce the training."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "onnxruntime", "pillow", "scikit-learn"))
    return {
        "godeeper": __version__,
        "libraries": libraries,
        "python": sys.version.partition(" ")[0],
        "engine": str(network.batch_engine.identity()),
        "weights": f"{network.weights.name}, SHA-256 {network.weights.sha256}",
        "preprocessing": network.preprocess.summary,
        "seed": str(data.seed),
        "folder": folder if isinstance(folder := data.checkup.folder, str) else str(folder.resolve()),
    }


def peak_memory() -> float | None:
    """The peak memory of this process in MiB; None on systems that do not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


def thumbnails(paths: Sequence[str], side: int = 96) -> dict[str, bytes]:
    """Path -> a small JPEG, for the report's page; photos that can no longer be read are left out."""
    pictures = {}
    for path in paths:
        try:
            pictures[path] = thumbnail(path, side)
        except (OSError, ValueError, PhotoError):
            continue
    return pictures


def thumbnail(path: str, side: int) -> bytes:
    """A small JPEG of one photo; a large JPEG is decoded at reduced size."""
    small = decode_anywhere(photo_at(path) if is_remote(path) else path, 2 * side).image.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
