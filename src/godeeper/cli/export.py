"""``godeeper export``: exports a classifier to another format, after checking that both predict the same."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import add_command, add_force, exit_code
from .terminal import complain, print_json, say

if TYPE_CHECKING:
    from ..export.parity import Certificate
    from .common import Verbs

EXAMPLE = """\
  godeeper export cars.godeeper --to onnx --out cars.onnx
  godeeper export cars.godeeper --to openvino --out cars.xml --photos test/
  godeeper export cars.godeeper --to torch --out cars.pt2
"""


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "export", "export a classifier to ONNX, OpenVINO or PyTorch", EXAMPLE, run)
    parser.add_argument("classifier", type=Path, metavar="FILE.godeeper", help="the classifier")
    parser.add_argument("--to", required=True, metavar="T", help="onnx, openvino or torch")
    parser.add_argument("--out", required=True, type=Path, metavar="PATH", help="output file: .onnx, .xml or .pt2")
    parser.add_argument(
        "--photos",
        nargs="+",
        metavar="PHOTO",
        help="photos or folders on which both must agree (default: the test set of the training)",
    )
    add_force(parser)
    parser.add_argument(
        "--engine",
        default="auto",
        metavar="E",
        help="engine that runs the classifier for the comparison: auto (default; for int8, the engine of the export), "
        "onnxruntime, openvino or torch",
    )


def run(options: argparse.Namespace) -> int:
    from ..classifier.classifier import Classifier
    from ..export.targets import export
    from ..export.whereabouts import find_photos
    from ..photos.sources.find_photos import photos_in

    classifier = Classifier.load(options.classifier, engine=options.engine)
    photos: Sequence[str | Path] = (
        photos_in(options.photos) if options.photos else find_photos(options.classifier, classifier.test_photos)
    )
    errors: list[str] = []
    certificate = export(
        classifier,
        options.out,
        options.to,
        photos,
        force=options.force,
        inputs=[options.classifier, *photos],
        skip=errors.append,
    )
    for error in errors:
        complain(f"godeeper: {error}")
    record: dict[str, Any] = {
        "classifier": str(options.classifier),
        "out": str(options.out),
        "certificate": certificate.record(),
        "errors": errors,
    }
    if options.json:
        print_json(record)
    else:
        say(
            f"{options.out}: agrees with {options.classifier} on {agreeing(certificate)} photos, "
            f"probabilities within {certificate.difference:.1g}, computed by {certificate.engine}"
        )
    return exit_code(certificate.photos, len(errors))


def agreeing(certificate: Certificate) -> str:
    """The number of photos on which the classifier and the export agree, as text."""
    if certificate.agreeing == certificate.photos:
        return f"all {certificate.photos}"
    return f"{certificate.agreeing} of {certificate.photos}"
