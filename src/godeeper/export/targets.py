"""``export``: writes a classifier in another format, after a parity check."""

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
from .parity import Certificate, Export, certify

if TYPE_CHECKING:
    from ..classifier.classifier import Classifier
    from ..photos.decode import PhotoSource
    from ..progress import Progress

ENGINES = {"onnx": "onnxruntime", "openvino": "openvino"}
"""Target -> the engine of the reference, which must be the export's engine because int8 results differ between engines."""

TARGETS = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
"""Target -> file suffix; the module with the target's name in this package makes the export."""


def export(
    classifier: Classifier,
    path: str | Path,
    to: str = "onnx",
    photos: Iterable[PhotoSource] = (),
    report: Progress | None = None,
    *,
    force: bool = True,
    inputs: Iterable[str | Path] = (),
    skip: Callable[[str], None] | None = None,
) -> Certificate:
    """Export ``classifier`` to another format; the file is written only if its predictions match the classifier's.

    Args:
        classifier: the classifier to export.
        path: the output file; OpenVINO's weights go into a ``.bin`` next to it.  The metadata and the certificate are in this
            file, and also in a ``.json`` next to it.
        to: ``onnx``, ``openvino`` or ``torch``.
        photos: the photos to compare on, preferably the whole test set.
        report: called with the number of photos done and the number of all photos.
        force: replace existing files even if godeeper did not write them.
        inputs: files that are never overwritten.
        skip: called with the error of each photo that cannot be read, which is then skipped; if None, the error is raised.

    The classifier's ``engine`` computes the reference.  ``auto`` is the default engine, or for int8 the engine of the export.

    Raises:
        ParityError: the predictions differ; nothing is written.
        OptionError: there are no photos to compare on, ``path`` has another extension, or an int8 classifier is exported to torch.
        PhotoError: a photo cannot be read and ``skip`` is None, or no photo can be read.
        MissingExtra: the target needs a package that is not installed.
        OutputError: the file cannot be written.
    """
    if to not in TARGETS:
        raise UnknownName("target", to, TARGETS)
    path = Path(path)
    if path.suffix != TARGETS[to]:
        raise OptionError(f"{path}: expected the extension {TARGETS[to]} for {to}")
    classifier = with_engine_for(classifier, to)
    with Outputs(force=force, inputs=inputs) as outputs:
        outputs.claim(*output_paths(path, to))
        result: Export = import_module(f".{to}", __package__).make_export(classifier)
        certificate = certify(classifier, result, photos, to, report, skip)
        metadata = description(classifier, certificate)
        for extension, payload in result.files(metadata).items():
            outputs.add(path.with_suffix(extension), payload)
        outputs.add(path.with_name(f"{path.name}.json"), json_bytes(metadata))
    return certificate


def output_paths(path: Path, to: str) -> list[Path]:
    """All files of an export to ``path``."""
    weights = [path.with_suffix(".bin")] if to == "openvino" else []
    return [*weights, path, path.with_name(f"{path.name}.json")]


def with_engine_for(classifier: Classifier, to: str) -> Classifier:
    """The classifier with the engine that computes the reference for the target ``to``."""
    if classifier.calibration is None:
        return classifier
    if to not in ENGINES:
        raise OptionError(
            f"this classifier is int8, and {to} exports are fp32 only: export it to {' or '.join(ENGINES)}"
        )
    return replace(classifier, engine=ENGINES[to]) if classifier.engine == "auto" else classifier


def description(classifier: Classifier, certificate: Certificate) -> dict[str, Any]:
    """The metadata of an export."""
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
    """A document as indented JSON."""
    return json_text(document, indent=2).encode() + b"\n"
