"""``godeeper classify``: predicts the classes of photos with your own classifier, or with the one in the weights."""

from __future__ import annotations

import argparse
import csv
import io
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..classifier.refusal import written
from ..errors import OptionError, PhotoError
from ..escaping import csv_cell
from .common import add_command, add_engine, add_on, note_lines, print_table, records_code
from .terminal import complain, print_json, read_input, say, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..classifier.judgement import JudgementRecord
    from ..network import Network
    from .common import Verbs

EXAMPLE = """\
  godeeper classify cars.godeeper photo.jpg holiday/            your own classifier, from godeeper retrain
  godeeper classify cars.godeeper holiday/ --csv > holiday.csv
  godeeper weights add imagenet-torchvision
  godeeper classify --weights imagenet-torchvision photo.jpg    ImageNet's classes
  godeeper classify --weights imagenet-2015 *.jpg --top 3 --json
"""

USAGE = """godeeper classify [options] FILE.godeeper PHOTO|FOLDER [PHOTO|FOLDER ...]
       godeeper classify [options] --weights W PHOTO [PHOTO ...]"""

ENDING = ".godeeper"


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "classify", "predict the classes of photos", EXAMPLE, run)
    parser.usage = USAGE
    parser.add_argument(
        "photos",
        metavar="FILE.godeeper|PHOTO|FOLDER",
        nargs="+",
        help="a classifier (not with --weights), then photos, folders, zips or .csv lists of photos; - reads standard input",
    )
    parser.add_argument("--weights", metavar="W", help="installed weights that include a classifier, or a file")
    parser.add_argument(
        "--top", type=int, default=5, metavar="N", help="number of classes to print with --weights (default: 5)"
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="decode large JPEGs at full size instead of a reduced one (classifiers only)",
    )
    add_engine(parser)
    add_on(parser)
    parser.add_argument("--csv", action="store_true", help="print one CSV table and nothing else")


def run(options: argparse.Namespace) -> int:
    if options.json and options.csv:
        raise OptionError("--json and --csv: expected only one of them, since both print to standard output")
    first, *others = options.photos
    if options.weights:
        return run_weights(options)
    if not first.endswith(ENDING) or not others:
        got = f"{first} alone" if first.endswith(ENDING) else first
        raise OptionError(f"classify {got}: expected FILE{ENDING} and then photos, or --weights W and photos")
    return run_classifier(options, Path(first), others)


def run_classifier(options: argparse.Namespace, path: Path, places: Sequence[str]) -> int:
    """Classify all photos with a ``.godeeper`` file."""
    from ..classifier.classifier import Classifier

    classifier = Classifier.load(path, engine=options.engine)
    records = judge(classifier, places, exact=options.exact, on=options.on)
    if options.json:
        computed = classifier.network.batch_engine.identity()
        print_json({"classifier": str(path), **computed.record, "photos": records})
    elif options.csv:
        print_csv(records, classifier.head.classes)
    else:
        print_verdicts(records)
    return records_code(records)


def judge(classifier: Any, places: Sequence[str], *, exact: bool, on: str | None) -> list[JudgementRecord]:
    """One record per photo in the given order, then an error record for each place that cannot be read."""
    from ..classifier.judgement import Judgement
    from ..features.executors.executor import executor_named
    from ..photos.decode import decode
    from ..photos.sources.anywhere import opened_anywhere
    from .progress import status

    photos: list[Any] = []
    without_photos: dict[str, JudgementRecord] = {}
    with ExitStack() as stack:
        for place in places:
            try:
                photos += (
                    [decode(read_input(), name="-")]
                    if place == "-"
                    else stack.enter_context(opened_anywhere([place], remote=bool(on)))
                )
            except PhotoError as error:
                without_photos[place] = Judgement(place, None, {}, str(error)).record()
        executor = stack.enter_context(executor_named(on, status))
        judgements = classifier.judge(photos, exact=exact, executor=executor)
        return [*(judgement.record() for judgement in judgements), *without_photos.values()]


def print_csv(records: Sequence[JudgementRecord], classes: Sequence[str]) -> None:
    """Print the records as CSV, with one column per class.

    The verdict is empty for "none of these" and for errors.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    heads = (csv_cell(f"probability of {name}") for name in classes)
    writer.writerow(["photo", "verdict", "error", "none of these", *heads])
    for each in records:
        likely = [f"{each['probabilities'][name]:.6f}" if each["probabilities"] else "" for name in classes]
        refused = "yes" if each["none_of_these"] else "no"
        cells = map(csv_cell, (each["photo"], each["verdict"] or "", each["error"] or "", refused))
        writer.writerow([*cells, *likely])
    write(table.getvalue())
    complain_notes(records)


def complain_notes(records: Iterable[Mapping[str, Any]]) -> None:
    """Print notes on repaired photos to standard error."""
    for line in note_lines((each["photo"], each["photo_notes"]) for each in records):
        complain(line)


def print_verdicts(records: Sequence[JudgementRecord]) -> None:
    """Print a line for each photo; notes and errors go to standard error."""
    readable = [each for each in records if not each["error"]]
    if readable:
        print_table(("verdict", "likeliest", "photo"), [verdict_row(each) for each in readable])
    complain_notes(records)
    for each in records:
        if each["error"]:
            complain(f"godeeper: {each['error']}")


def verdict_row(record: JudgementRecord) -> tuple[str, str, str]:
    """The cells of one photo: verdict, most likely class with its probability, photo."""
    name, probability = max(record["probabilities"].items(), key=lambda item: item[1])
    verdict = written(record["verdict"])
    return verdict, f"{probability:6.1%} {written(name)}", record["photo"]


def run_weights(options: argparse.Namespace) -> int:
    """Classify all photos with the classifier in the weights."""
    from ..network import load

    if options.csv:
        raise OptionError("--csv with --weights: expected a classifier, FILE.godeeper; print --json instead")
    if options.on:
        raise OptionError("--on with --weights: expected a classifier, FILE.godeeper; remove --on")
    network = load(weights=options.weights, engine=options.engine)
    records = []
    for photo in options.photos:
        records.append(record(network, photo, options.top))
        if not options.json:
            print_text(records[-1])
    if not options.json:
        complain_notes(records)
    else:
        computed = network.engine.identity()
        print_json({"weights": network.weights.name, **computed.record, "photos": records})
    return records_code(records)


def record(network: Network, photo: str, top: int) -> dict[str, Any]:
    """One photo's record; a photo that cannot be read has an ``error``."""
    from ..photos.decode import decode

    try:
        decoded = decode(read_input() if photo == "-" else photo)
        guesses = network.classify(decoded, top=top)
    except PhotoError as error:
        return {"photo": photo, "photo_notes": [], "top": [], "error": str(error)}
    return {
        "photo": photo,
        "photo_notes": list(decoded.notes),
        "top": [{"label": guess.label, "probability": guess.probability} for guess in guesses],
        "error": None,
    }


def print_text(record: dict[str, Any]) -> None:
    """Print the photo, then a line for each class; errors go to standard error."""
    if record["error"]:
        complain(f"godeeper: {record['error']}")
        return
    say(record["photo"])
    for guess in record["top"]:
        say(f"  {guess['probability']:7.2%}  {guess['label']}")
