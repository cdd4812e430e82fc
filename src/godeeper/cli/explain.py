"""``godeeper explain``: shows which parts of a photo led to a classifier's verdict."""

from __future__ import annotations

import argparse
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..classifier.refusal import why_refused, written
from ..errors import OptionError, PhotoError
from .common import add_command, add_force, records_code
from .terminal import complain, print_json, read_input, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..classifier.classifier import Classifier
    from ..explain.evidence import Evidence
    from ..explain.nearest import ReferencePhotos
    from ..explain.picture import Question
    from ..outputs import Outputs
    from ..photos.decode import Photo
    from .common import Verbs

    Source = str | Path | Photo

EXAMPLE = """\
  godeeper explain cars.godeeper photo.jpg                          writes photo.<class>.evidence.png
  godeeper explain cars.godeeper photo.jpg --class bicycle          the evidence for a class other than the verdict
  godeeper explain cars.godeeper photo.jpg --class car --against van --out pictures
  godeeper explain cars.godeeper photo.jpg --near photos/           also list the most similar photos there
  godeeper explain cars.godeeper holiday/ --json > holiday.json
"""

BAR = 30
MOST = 10  # classes listed
REFUSED = re.compile(r'[/\\:*?"<>|\x00-\x1f]')
"""Characters that some file systems do not allow in a name."""

LONGEST = 60  # bytes of a class name in a file name


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "explain", "show which parts of a photo led to a verdict", EXAMPLE, run)
    parser.add_argument("classifier", type=Path, metavar="FILE.godeeper", help="the classifier")
    parser.add_argument(
        "photos",
        metavar="PHOTO|FOLDER",
        nargs="+",
        help="photos, folders, zips or .csv lists of them; - reads standard input",
    )
    parser.add_argument(
        "--class",
        dest="label",
        metavar="C",
        help="the class to explain (default: the likeliest one other than --against)",
    )
    parser.add_argument(
        "--against", metavar="C", help="subtract the evidence for this class, to see why the first class won over it"
    )
    parser.add_argument(
        "--near",
        type=Path,
        metavar="FOLDER",
        help="also list the most similar photos from a folder of class folders, a .csv list or a .zip",
    )
    parser.add_argument(
        "--top", type=int, default=5, metavar="N", help="number of filters and photos to list (default: 5)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder for the pictures (default: this one)"
    )
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from ..classifier.classifier import Classifier
    from ..outputs import Outputs

    if options.top < 1:
        raise OptionError(f"--top {options.top}: expected at least 1 filter")
    classifier = Classifier.load(options.classifier)
    check_classes(classifier, options.label, options.against)
    records = []
    with Outputs(force=options.force, inputs=[options.classifier, *options.photos]) as outputs:
        outputs.claim_folder(options.out)
        album = read(classifier, options.near) if options.near else None
        for name, source in sources(options.photos):
            records.append(explained(classifier, name, source, options, outputs, album))
    for each in () if options.json else records:  # after the pictures are written
        print_text(each)
    if options.json:
        print_json({"classifier": str(options.classifier), "photos": records})
    return records_code(records)


def check_classes(classifier: Classifier, label: str | None, against: str | None) -> None:
    """Raise an error unless the given classes are classes of the classifier and differ."""
    from ..errors import UnknownName

    for asked in (label, against):
        if asked is not None and asked not in classifier.head.classes:
            raise UnknownName("class", asked, classifier.head.classes)
    if against is not None and against == label:
        raise OptionError(f"--class {label} --against {against}: expected two classes")


def sources(places: Sequence[str]) -> Iterator[tuple[str, Source | PhotoError]]:
    """Yield the name and the photo, or the error, of each given photo and of each photo in the given folders."""
    from ..photos.decode import decode
    from ..photos.sources.find_photos import opened

    for place in places:
        with ExitStack() as stack:
            try:
                found: list[Any] = (
                    [decode(read_input(), name="-")] if place == "-" else stack.enter_context(opened([place]))
                )
            except PhotoError as error:
                yield place, error
                continue
            yield from ((place if place == "-" else str(each), each) for each in found)


def read(classifier: Classifier, folder: Path) -> ReferencePhotos:
    """Read the reference photos with a progress bar."""
    from ..explain.nearest import read_reference_photos
    from .progress import bars as progress_bars

    with progress_bars() as progress:
        return read_reference_photos(classifier, folder, progress)


def explained(
    classifier: Classifier,
    name: str,
    source: Source | PhotoError,
    options: argparse.Namespace,
    outputs: Outputs,
    album: ReferencePhotos | None,
) -> dict[str, Any]:
    """Draw one photo's picture and return its record; a photo that cannot be read has an ``error``."""
    from ..explain.evidence import evidence
    from ..explain.picture import Question, png

    try:
        if isinstance(source, PhotoError):
            raise source
        found = evidence(classifier, source)
    except PhotoError as error:
        return {
            "photo": name,
            "verdict": None,
            "none_of_these": False,
            "reason": None,
            "probabilities": {},
            "evidence": None,
            "png": None,
            "error": str(error),
            "nearest": [],
        }
    others = [number for number in found.ranking if found.classes[number] != options.against]
    question = Question(others[0] if options.label is None else options.label, options.against)
    path = picture_path(options.out, found, question, outputs)
    outputs.inputs.append(name)
    outputs.add(path, png(found, question))
    like = [] if album is None else [each.record() for each in album.nearest(found, options.top)]
    return record(found, name, question, path, options.top) | {"nearest": like}


def picture_path(folder: Path, found: Evidence, question: Question, outputs: Outputs) -> Path:
    """``<photo>.<class>.evidence.png``; see ``Outputs.picture`` for photos of the same name."""
    labels = [found.classes[found.number(each)] for each in (question.label, question.against) if each is not None]
    what = "-over-".join(REFUSED.sub("-", label).encode()[:LONGEST].decode(errors="ignore") for label in labels)
    stem = "stdin" if found.photo.name == "-" else Path(found.photo.name).stem
    return outputs.picture(folder, stem, f"{what}.evidence.png", found.photo.sha256)


def record(found: Evidence, name: str, question: Question, path: Path, top: int) -> dict[str, Any]:
    """One photo's verdict and evidence as JSON; it includes all fields of a record of ``godeeper classify``."""
    likely = dict(zip(found.classes, found.probabilities.tolist(), strict=True))
    return {
        "photo": name,
        "photo_sha256": found.photo.sha256,
        "photo_notes": list(found.photo.notes),
        "verdict": found.verdict,
        "probabilities": likely,
        "none_of_these": found.verdict is None,
        "reason": why_refused(likely, found.threshold, found.strangeness) if found.verdict is None else None,
        "threshold": found.threshold,
        "temperature": found.temperature,
        "strangeness": found.strangeness,
        "evidence": found.record(question.label, question.against, top),
        "png": str(path),
        "error": None,
    }


def print_text(record: dict[str, Any]) -> None:
    """Print the verdict, a bar for each class and the evidence; errors go to standard error."""
    if record["error"]:
        complain(f"godeeper: {record['error']}")
        return
    for note in record["photo_notes"]:
        complain(f"{record['photo']}: {note}")
    say(f"{record['photo']}: {written(record['verdict'])}")
    if record["reason"]:
        say(f"  {record['reason']}")
    for line in (*bars(record["probabilities"]), *sums(record["evidence"]), *contributions(record["evidence"])):
        say(f"  {line}")
    if record["nearest"]:
        say("  most similar photos:")
    for like in record["nearest"]:
        say(f"    {like['distance']:7.3f}  {like['class']}  {like['photo']}")
    say(f"  picture: {record['png']}")


def bars(probabilities: dict[str, float]) -> list[str]:
    """A line with a bar for each of the most likely classes."""
    width = max(map(len, probabilities))
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    lines = [f"{name:{width}} {value:6.1%}  {'#' * round(BAR * value)}".rstrip() for name, value in ranked[:MOST]]
    return [*lines, f"and {len(ranked) - MOST} less likely classes"] if len(ranked) > MOST else lines


def sums(evidence: dict[str, Any]) -> list[str]:
    """The evidence as a sum of the constant and each module's part."""
    about = " over ".join(written(evidence[each]) for each in ("class", "over") if evidence[each] is not None)
    modules = "".join(f" {each['evidence']:+.3f} {each['address']}" for each in evidence["modules"])
    return [f"evidence for {about}: {evidence['total']:.3f} = {evidence['constant']:.3f} constant{modules}"]


def contributions(evidence: dict[str, Any]) -> list[str]:
    """The filters with the largest contributions for and against the class."""
    lines = []
    for side, filters in evidence["filters"].items():
        if filters:
            listed = [f"{each['origin']} {each['evidence']:+.3f} ({each['share']:.0%})" for each in filters]
            lines.append(f"{side}: {', '.join(listed)}")
    return lines
