"""Artificial features with separable classes, and a report on them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from godeeper.report.report import CrossClassDuplicates, LabelError, Report
from godeeper.training.confidence import KEPT
from godeeper.training.head import fit, nested_logits
from godeeper.training.label_errors import held_out_probabilities, suspected_mislabels
from godeeper.training.learning_curve import count_right, forecast, learning_curve
from godeeper.training.selection import components_by_module, join
from godeeper.training.targets import Targets
from godeeper.training.unknown_classes import UnknownClasses

Ints = NDArray[np.int64]
Features = dict[str, NDArray[np.float32]]

ADDRESSES = ("mixed/join", *(f"mixed_{number}/join" for number in range(1, 11)))
NAMES = ("кошки", "Parked Cars", 'a<b>&"c"', "猫/nested")


@dataclass(frozen=True)
class Entry:
    name: str
    label: str


@dataclass(frozen=True)
class Verdict:
    entry: Entry
    status: str
    reasons: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def make_features(labels: Ints, distance: float = 4.0, width: int = 40, seed: int = 0, modules: int = 3) -> Features:
    """Return rectified features of Gaussian classes whose centres are ``distance`` from the origin in 8 of ``width`` features.

    Of the ``modules``, the middle one separates the classes best.
    """
    random = np.random.default_rng(seed)
    centres = random.standard_normal((int(labels.max()) + 1, 8))
    centres *= distance / np.linalg.norm(centres, axis=1, keepdims=True)
    hidden = centres[labels] + random.standard_normal((len(labels), 8))
    features = {}
    start = (11 - modules) // 2
    for number, address in enumerate(ADDRESSES[start : start + modules]):
        noise = 0.5 + abs(number - modules // 2)
        mixed = hidden @ random.standard_normal((8, width)) / 3
        features[address] = np.maximum(mixed + noise * random.standard_normal(mixed.shape), 0).astype(np.float32)
    return features


def make_report(photos: int = 160, distance: float = 2.2) -> Report:
    """Return a report on ``photos`` of four classes with unusual names."""
    labels = np.arange(photos, dtype=np.int64) % 4
    features, groups = make_features(labels, distance, modules=11), np.arange(photos, dtype=np.int64)
    head, selection = fit(features, Targets(labels, groups, 0), NAMES)
    coordinates = join(components_by_module(features, selection.chosen, seed=0))
    seen = held_out_probabilities(coordinates, Targets(labels, groups, 0), selection.strength)
    logits, calibrated = nested_logits(features, Targets(labels, groups, 0), NAMES)
    tested = np.flatnonzero(~np.isnan(logits).any(axis=1))
    paths = tuple(f"{NAMES[label]}/photo {number} <&'\">.jpg" for number, label in enumerate(labels))
    curve = learning_curve(count_right(coordinates, Targets(labels, groups, 0), selection.strength))
    found = suspected_mislabels(seen, labels)
    files = [Verdict(Entry(path, path), "used", ()) for path in paths]
    files[3] = replace(files[3], status="repaired", reasons=("turned upright",))
    files.append(Verdict(Entry("a<b>/empty & void.jpg", "a<b>"), "quarantined", ("empty file",)))
    return Report(
        classifier="cars & <others>.godeeper",
        classes=NAMES,
        paths=tuple(paths[row] for row in tested),
        truth=labels[tested],
        logits=logits[tested],
        calibrated=calibrated[tested],
        tested_by="cross-validation in five parts, near-duplicates together",
        majority=0,
        selection=selection,
        temperature=head.temperature,
        threshold=head.threshold,
        unknown=UnknownClasses(0.7, 0.8, NAMES[:3]),
        kept=KEPT,
        verdicts=files,
        sets={"train": photos - 20, "test": 20},
        curve=curve,
        forecast=forecast(curve, 2 * photos),
        suspects=tuple(LabelError(paths[s.row], NAMES[s.label], NAMES[s.suggested], s.probability) for s in found),
        twins=(CrossClassDuplicates((paths[0], paths[1]), (NAMES[0], NAMES[1])),),
        notes=("Class names are kept byte by byte.",),
        seconds={"doctor": 1.5, "features": 20.25, "head": 0.8},
        memory_mib=312.0,
        provenance={
            "godeeper": "0.1",
            "seed": "0",
            "weights sha256": "ab" * 32,
            "command": "godeeper retrain <photos>",
        },
    )


def make_thumbnails(paths: Sequence[str]) -> Mapping[str, bytes]:
    """Return a small JPEG of a single colour for each path."""
    return {path: jpeg(number) for number, path in enumerate(paths)}


def jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    colour: Any = tuple(int(value) for value in np.random.default_rng(number).integers(40, 220, 3))
    Image.new("RGB", (96, 72), colour).save(buffer, "JPEG", quality=70)
    return buffer.getvalue()
