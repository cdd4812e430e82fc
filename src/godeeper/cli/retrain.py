"""``godeeper retrain``: trains a classifier on a folder of photos and reports how good it is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from ..wording import count_of
from .common import add_command, add_engine, add_force, add_on, add_weights, exit_code
from .terminal import print_json, say

if TYPE_CHECKING:
    from ..report.report import Report
    from .common import Verbs

EXAMPLE = """\
  godeeper retrain photos/ --out cars.godeeper        photos/cars/*.jpg, photos/bikes/*.jpg, …
  godeeper retrain photos/ --out cars.godeeper --features mixed_5/join --seed 1
"""

ENDING = ".godeeper"


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "retrain", "train a classifier on your own photos and test it", EXAMPLE, run)
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="a folder with one subfolder of photos per class, optionally inside train, val and test; a .csv with path,label[,group][,split]; a .zip; with --on ray also an s3://, gs:// or file:// folder",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.godeeper",
        help="the classifier; its report is written next to it, as .html and .json",
    )
    parser.add_argument(
        "--features",
        default="auto",
        metavar="ADDRESS,…",
        help="tensors whose mean activations are the features (default: the best of the eleven modules)",
    )
    add_weights(parser)
    add_engine(parser)
    parser.add_argument(
        "--precision",
        default="fp32",
        metavar="P",
        help="fp32 (default); int8, used if it predicts as well on a sample of your photos; auto, which tries int8 only for large folders",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        help="a CSV list of the folder's photos and their classes: path,label[,group][,split]",
    )
    add_on(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from ..classifier.file import packed
    from ..features.executors.executor import executor_named
    from ..outputs import Outputs
    from ..photos.sources.source import open_source
    from ..report.make import thumbnails
    from ..report.report import encoded
    from ..retraining import retrain
    from .progress import bars, status

    if options.out.suffix != ENDING:
        raise OptionError(f"--out {options.out}: expected a file that ends in {ENDING}")
    page, record = options.out.with_suffix(".html"), options.out.with_suffix(".json")
    inputs = [options.folder, *([options.labels] if options.labels else [])]
    with Outputs(force=options.force, inputs=inputs) as outputs, ExitStack() as closer:
        outputs.claim(options.out, page, record)
        source = closer.enter_context(open_source(options.folder, options.labels, remote=bool(options.on)))
        executor = closer.enter_context(executor_named(options.on, status))
        with bars() as progress:
            classifier = retrain(
                source,
                weights=options.weights,
                features=options.features,
                seed=options.seed,
                engine=options.engine,
                precision=options.precision,
                progress=progress,
                executor=executor,
            )
        report = classifier.report
        assert report is not None  # noqa: S101 (retrain always makes one)
        outputs.add(options.out, packed(classifier))
        outputs.add(page, encoded(report.html(thumbnails)))
        outputs.add(record, encoded(report.json()))
    if options.json:
        print_json(document(report, options.out))
    else:
        print_text(report, options.out, page)
    return exit_code(len(report.paths), report.unusable)


def document(report: Report, path: Path) -> dict[str, Any]:
    """The report as JSON, with the path of the classifier's file."""
    engine, precision = report.provenance["engine"].split()
    return {**report.record(), "classifier": str(path), "engine": engine, "precision": precision}


def print_text(report: Report, path: Path, page: Path) -> None:
    """Print the classes, the features, the accuracy with its interval, and all notes."""
    from ..photos.doctor.checkup import counted

    say(f"{count_of(len(report.classes), 'class', 'classes')}; photos: {counted(report.photos)}")
    say(f"features: {', '.join(report.selection.chosen)}, computed by {report.provenance['engine']}")
    for line in (*scores(report), *refusals(report)):
        say(line)
    for note in (report.caution, *report.notes):
        if note:
            say(f"note: {note}")
    say(f"{path}: the classifier; {page}: the report")


def scores(report: Report) -> Iterator[str]:
    """Lines with the accuracy and its interval, the balanced accuracy and the majority-class baseline."""
    accuracy, balanced = report.accuracy, report.balanced_accuracy
    if accuracy.value is None or balanced is None:
        yield "accuracy: unknown, no photo could be held out for a test"
        return
    interval = f"95 % interval {accuracy.low:.1%} to {accuracy.high:.1%}"
    yield f"accuracy: {accuracy.value:.1%}, {interval}, on {report.tested}"
    if report.cross_validation:
        other = report.cross_validation
        yield f"cross-validation accuracy on the training photos: {other.value or 0:.1%}, 95 % interval {other.low:.1%} to {other.high:.1%}"
    yield f"balanced accuracy: {balanced:.1%} (mean recall of the classes)"
    largest = repr(report.classes[report.majority])
    yield f"majority-class baseline: {report.baseline.value or 0:.1%} (always guessing {largest})"


def refusals(report: Report) -> Iterator[str]:
    """Lines with the threshold of "none of these" and the share of photos of unknown classes that reach it."""
    if report.threshold is None:
        return
    yield f"none of these: probability below {report.threshold:.1%}; {report.kept:.0%} of held-out photos reach this threshold"
    if report.unknown:
        rate, count = report.unknown.false_accept_rate, len(report.unknown.classes)
        yield f"unknown classes: {rate:.1%} of their photos reach it, AUROC {report.unknown.auroc:.2f} ({count_of(count, 'class', 'classes')}, each left out of training once)"
    else:
        from ..report.fields import why_unmeasured

        yield f"unknown classes: not measured, {why_unmeasured(len(report.classes))}"
