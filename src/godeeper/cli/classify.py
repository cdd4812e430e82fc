"""``godeeper classify``: what the weights' own classifier sees in photos."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..errors import PhotoError
from .common import add_command, print_json

if TYPE_CHECKING:
    from ..network import Network
    from .common import Verbs

EXAMPLE = """\
  godeeper weights add imagenet-torchvision
  godeeper classify --weights imagenet-torchvision photo.jpg
  godeeper classify --weights imagenet-2015 *.jpg --top 3 --json
"""


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "classify", "name the likeliest classes of photos", EXAMPLE, run)
    parser.add_argument("photos", metavar="PHOTO", nargs="+", help="the photos' files; - reads standard input")
    parser.add_argument("--weights", required=True, metavar="W", help="installed weights with a classifier, or a file")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="how many classes (default: 5)")


def run(options: argparse.Namespace) -> int:
    from ..network import load

    network = load(weights=options.weights)
    records = []
    for photo in options.photos:
        records.append(record(network, photo, options.top))
        if not options.json:
            print_people(records[-1])
    if options.json:
        print_json({"weights": network.weights.name, "photos": records})
    return 2 if any(each["error"] for each in records) else 0


def record(network: Network, photo: str, top: int) -> dict[str, Any]:
    """One photo's classes as JSON; a photo that cannot be read does not stop the others."""
    source: Any = sys.stdin.buffer.read() if photo == "-" else photo
    try:
        guesses = network.classify(source, top=top)
    except PhotoError as error:
        return {"photo": photo, "top": [], "error": str(error)}
    return {
        "photo": photo,
        "top": [{"label": guess.label, "probability": guess.probability} for guess in guesses],
        "error": None,
    }


def print_people(record: dict[str, Any]) -> None:
    """The photo, then a line for each class; errors go to standard error."""
    if record["error"]:
        print(f"godeeper: {record['error']}", file=sys.stderr)
        return
    print(record["photo"])
    for guess in record["top"]:
        print(f"  {guess['probability']:7.2%}  {guess['label']}")
