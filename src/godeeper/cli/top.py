"""``godeeper top``: finds the photos that activate a filter most."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PhotoError
from .common import add_command, add_force, add_weights, exit_code, none_of, note_lines
from .terminal import complain, print_json, say

if TYPE_CHECKING:
    from ..blueprint.address import Tensor
    from ..filters.top_photos import TopPhotos
    from ..network import Network
    from ..photos.named import NamedPhoto
    from .common import Verbs

EXAMPLE = """\
  godeeper top photos/ 'mixed_4/tower_1/conv_4[7]'               writes top.mixed_4-tower_1-conv_4[7].png
  godeeper top photos/ 'Mixed_6b.branch7x7_3[7,20:24]' --top 20 --out pictures
  godeeper top examples/ 'mixed/join[86]' --json
"""


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "top", "find the photos that activate a filter most", EXAMPLE, run)
    parser.add_argument(
        "place",
        metavar="PHOTO|FOLDER",
        help="a folder of photos, subfolders included; a zip or .csv list of them",
    )
    parser.add_argument("address", metavar="ADDRESS[FILTERS]", help="filters of one tensor, by any of its names")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="photos for each filter (default: 10)")
    add_weights(parser)
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder for the pictures (default: this one)"
    )
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from ..blueprint.address import resolve_one
    from ..network import load
    from ..photos.sources.find_photos import opened

    network = load(weights=options.weights)
    tensor = resolve_one(network.blueprint, options.address)
    with opened([options.place]) as photos:
        return searched(options, network, tensor, photos)


def searched(options: argparse.Namespace, network: Network, tensor: Tensor, photos: list[str | NamedPhoto]) -> int:
    """Find the photos, write a picture for each filter, and print the results."""
    from ..filters.top_photos import top_photos
    from ..filters.top_picture import png
    from ..outputs import Outputs
    from .progress import counter

    paths = [Path(each) if isinstance(each, str) else each for each in photos]
    records = []
    with Outputs(force=options.force, inputs=[options.place, *photos]) as outputs:
        outputs.claim(*(options.out / file_name(replace(tensor, channels=(each,))) for each in tensor.filters))
        with counter("photos") as progress:
            search = top_photos(network, paths, tensor, options.top, progress)
        network.close()
        if not search.filters[0].photos:
            raise PhotoError(none_of([error for _, error in search.errors]))
        for found in search.filters:
            path = options.out / file_name(found.tensor)
            outputs.add(path, png(found))
            records.append(found.record() | {"png": str(path)})
    errors = [{"photo": str(path), "error": error} for path, error in search.errors]
    notes = {str(path): texts for path, texts in search.notes}
    if options.json:
        print_json(document(search.filters[0], records, errors) | {"photo_notes": notes})
    else:
        for line in note_lines(notes.items()):
            complain(line)
        print_text(records, errors)
    return exit_code(search.filters[0].photos, len(errors))


def file_name(tensor: Tensor) -> str:
    """``top.<address>.png``, the address without characters that some file systems refuse."""
    return f"top.{re.sub(r'[/:]', '-', tensor.address)}.png"


def document(found: TopPhotos, records: list[dict[str, Any]], errors: list[dict[str, str]]) -> dict[str, Any]:
    """The JSON of all filters."""
    return {
        **found.origin.record(),
        "photos": found.photos,
        "filters": records,
        "errors": errors,
    }


def print_text(records: list[dict[str, Any]], errors: list[dict[str, str]]) -> None:
    """Print a line for each filter and each of its photos; errors go to standard error."""
    for record in records:
        say(f"{record['png']}: {record['address']}")
        for each in record["top"]:
            say(f"  {each['value']:8.4g}  {each['photo']}")
    for each in errors:
        complain(f"godeeper: {each['error']}")
