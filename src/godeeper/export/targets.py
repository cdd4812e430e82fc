"""``export``: a classifier for another program, written once it has been checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, UnknownName
from ..escaping import json_text
from ..outputs import Outputs
from ..version import __version__
from .parity import Certificate, Export, Progress, certify

if TYPE_CHECKING:
    from ..classifier.classifier import Classifier

ENGINES = {"onnx": "onnxruntime", "openvino": "openvino"}
"""Kind -> what runs it: in 8 bits engines differ, so that the classifier is computed by the same one."""

TARGETS = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
"""Kind -> ending of its file; each is made by the file of that name beside this one."""


def export(
    classifier: Classifier,
    path: str | Path,
    to: str = "onnx",
    photos: Iterable[Any] = (),
    report: Progress | None = None,
    *,
    force: bool = True,
    inputs: Iterable[str | Path] = (),
    skip: Callable[[str], None] | None = None,
) -> Certificate:
    """Write ``classifier`` for another program, if it says the same there.

    Args:
        classifier: what to export.
        path: the file; OpenVINO's numbers go beside it, under ``.bin``.  What the export is, its certificate
            included, is inside, and beside it under ``.json``.
        to: ``onnx``, ``openvino`` or ``torch``.
        photos: what to score with both, best the whole test set.
        report: told how many photos are done, and of how many.
        force: replace files that godeeper did not write, too.
        inputs: files that are never written over.
        skip: told the error of each photo that cannot be read, which is then left out; if not given, the error is raised.

    The classifier's ``engine`` computes what the export is compared with; ``auto`` is the default engine, and for 8 bits what the
    export is for.

    Raises:
        ParityError: the export does not say what the classifier says; nothing is written.
        OptionError: there is no photo to compare them with, ``path`` has another ending, or torch is to compute in 8 bits.
        PhotoError: a photo cannot be read, or none can.
        MissingExtra: the target needs a package that is not installed.
        OutputError: it cannot be written.
    """
    if to not in TARGETS:
        raise UnknownName("target", to, TARGETS)
    path = Path(path)
    if path.suffix != TARGETS[to]:
        raise OptionError(f"{path}: a file for {to} is called *{TARGETS[to]}; give it that ending")
    classifier = computed_for(classifier, to)
    with Outputs(force=force, inputs=inputs) as outputs:
        outputs.claim(*output_paths(path, to))
        made: Export = import_module(f".{to}", __package__).made(classifier)
        certificate = certify(classifier, made, photos, to, report, skip)
        said = description(classifier, certificate)
        for ending, payload in made.files(said).items():
            outputs.add(path.with_suffix(ending), payload)
        outputs.add(path.with_name(f"{path.name}.json"), json_bytes(said))
    return certificate


def output_paths(path: Path, to: str) -> list[Path]:
    """All files that an export to ``path`` consists of."""
    numbers = [path.with_suffix(".bin")] if to == "openvino" else []
    return [*numbers, path, path.with_name(f"{path.name}.json")]


def computed_for(classifier: Classifier, to: str) -> Classifier:
    """The classifier with the engine that an export of that kind is compared with."""
    if classifier.calibration is None:
        return classifier
    if to not in ENGINES:
        raise OptionError(
            f"this classifier computes in int8, and {to} exports in fp32 only: export it to {' or '.join(ENGINES)}"
        )
    return replace(classifier, engine=ENGINES[to]) if classifier.engine == "auto" else classifier


def description(classifier: Classifier, certificate: Certificate) -> dict[str, Any]:
    """What an export says of itself."""
    head = classifier.head
    return {
        "godeeper": __version__,
        "classes": list(head.classes),
        "threshold": head.threshold,
        "false_accept_rate": head.false_accept_rate,
        "features": list(head.addresses),
        "weights": {"name": classifier.weights, "sha256": classifier.weights_sha256},
        "preprocessing": dict(classifier.preprocessing),
        "certificate": certificate.record(),
    }


def json_bytes(document: Any) -> bytes:
    """For people and programs."""
    return json_text(document, indent=2).encode() + b"\n"
