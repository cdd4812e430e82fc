"""``godeeper poster``: draws every filter of every tensor in one zoomable picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import add_command, add_force, add_weights
from .terminal import complain, print_json, read_input, say

if TYPE_CHECKING:
    from ..poster.poster import Poster
    from .common import Verbs

EXAMPLE = """\
  godeeper poster photo.jpg --out poster                    then open poster/index.html
  godeeper poster photo.jpg --out poster --scale filter     each filter from its minimum to its maximum
"""


def add_to(verbs: Verbs) -> None:
    parser = add_command(
        verbs, "poster", "draw every filter of the whole network as one zoomable picture", EXAMPLE, run
    )
    parser.add_argument("photo", metavar="PHOTO", help="the photo file; - reads standard input")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a new folder, or the folder of a poster to replace"
    )
    parser.add_argument(
        "--scale", default="shared", metavar="S", help="shared (default), filter, percentile, signed or blog"
    )
    add_weights(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from ..network import load
    from ..photos.decode import decode
    from ..poster.poster import check_folder

    check_folder(options.out, force=options.force)
    photo = decode(read_input(), name="stdin") if options.photo == "-" else decode(options.photo)
    for note in photo.notes:
        complain(f"{photo.name}: {note}")
    poster = load(weights=options.weights).poster(photo, options.out, scale=options.scale, force=options.force)
    if options.json:
        print_json(document(poster))
    else:
        tensors = poster.record["tensors"]
        filters = sum(tensor["shape"][0] for tensor in tensors)
        say(
            f"{poster.page}: {len(tensors)} tensors, {filters} filters, {poster.width} x {poster.height} pixels, "
            f"{poster.tiles} tiles, {poster.bytes / 1e6:.1f} MB"
        )
    return 0


def document(poster: Poster) -> dict[str, Any]:
    """The poster's record as JSON, with its paths."""
    return {"out": str(poster.folder), "page": str(poster.page), "bytes": poster.bytes, **poster.record}
