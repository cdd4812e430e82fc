"""``godeeper top``: finds the photos that activate a filter most."""

from __future__ import annotations

import argparse
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, PhotoError
from .common import DONE, add_command, add_force, add_weights, exit_code, none_of, note_lines
from .terminal import complain, print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..blueprint.address import Tensor
    from ..filters.activations import TopPhotos
    from ..network import Network
    from ..outputs import Outputs
    from ..photos.named import NamedPhoto, PhotoPath
    from .common import Verbs

EXAMPLE = """\
  godeeper top photos/ 'mixed_4/tower_1/conv_4[7]'               writes top.mixed_4-tower_1-conv_4[7].png
  godeeper top photos/ 'Mixed_6b.branch7x7_3[7,20:24]' --top 20 --out pictures
  godeeper top examples/ 'mixed/join[86]' --json
  godeeper top photos.index 'mixed/join[86]'                     from an index: at once; pictures only with --out
  godeeper top sample 'mixed/join[86]'                           from the sample pictures that come with godeeper
"""


USUAL = 10  # photos for each filter


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "top", "find the photos that activate a filter most", EXAMPLE, run)
    parser.add_argument(
        "place",
        metavar="PHOTO|FOLDER|FILE.index|sample",
        help="a folder of photos, subfolders included; a zip or .csv list of them; an index (godeeper index); "
        "or sample, the pictures that come with godeeper",
    )
    parser.add_argument("address", metavar="ADDRESS[FILTERS]", help="filters of one tensor, by any of its names")
    parser.add_argument(
        "--top",
        type=int,
        metavar="N",
        help=f"photos for each filter (default: {USUAL}, or all that an index keeps if fewer)",
    )
    add_weights(parser, default=None, text="bundled, or those of the index")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the pictures (default: this one; from an index, no pictures)",
    )
    parser.add_argument("--photos", metavar="FOLDER", help="with an index: the current folder of its photos")
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from ..filters.index import is_index

    if is_index(options.place) or is_sample(options.place):
        return looked_up(options)
    if options.photos is not None:
        raise OptionError(f"--photos {options.photos}: only with an index; {options.place} is not an index")
    from ..blueprint.address import resolve_one
    from ..network import load
    from ..photos.sources.find_photos import opened

    network = load(weights=options.weights or "bundled")
    tensor = resolve_one(network.blueprint, options.address)
    with opened([options.place]) as photos:
        return searched(options, network, tensor, photos)


def searched(options: argparse.Namespace, network: Network, tensor: Tensor, photos: list[str | NamedPhoto]) -> int:
    """Find the photos, write a picture for each filter, and print the results."""
    from ..filters.top_photos import top_photos
    from ..outputs import Outputs
    from .progress import counter

    paths = [Path(each) if isinstance(each, str) else each for each in photos]
    folder = options.out or Path()
    with Outputs(force=options.force, inputs=[options.place, *photos]) as outputs:
        outputs.claim(*(folder / file_name(replace(tensor, channels=(each,))) for each in tensor.filters))
        with counter("photos") as progress:
            search = top_photos(network, paths, tensor, USUAL if options.top is None else options.top, progress)
        network.close()
        if not search.filters[0].photos:
            raise PhotoError(none_of([error for _, error in search.errors]))
        records = with_pictures(outputs, folder, search.filters)
    errors = [{"photo": str(path), "error": error} for path, error in search.errors]
    notes = {str(path): texts for path, texts in search.notes}
    if options.json:
        print_json(document(search.filters[0], records, errors) | {"photo_notes": notes})
    else:
        for line in note_lines(notes.items()):
            complain(line)
        print_text(records, errors)
    return exit_code(search.filters[0].photos, len(errors))


def looked_up(options: argparse.Namespace) -> int:
    """Look the filters up, without the network and without NumPy; with ``--out``, write their pictures."""
    from ..blueprint.address import resolve_one
    from ..filters import sample
    from ..filters.index import read_index
    from ..filters.index_folder import folder_of
    from ..filters.lookup import look_up
    from ..weights.registry import find

    from_sample = is_sample(options.place)
    index = read_index(sample.INDEX if from_sample else options.place)
    if options.weights is not None:
        index.check_weights(find(options.weights))
    tensor = resolve_one(index.blueprint, options.address)
    folder = options.photos or (sample.PICTURES if from_sample else folder_of(index.path))
    found = look_up(index, tensor, min(USUAL, index.most) if options.top is None else options.top, folder)
    records: list[dict[str, Any]] = [each.record() | {"png": None} for each in found]
    if options.out is not None:
        records = drawn(options, found)
    if options.json:
        print_json(
            document(found[0], records, []) | {"photo_notes": {}, "index": str(index.path), "sample": from_sample}
        )
    else:
        if from_sample:
            complain(f"note: from {sample.described(index.photos)}")
        print_text(records, [])
    return DONE


def is_sample(place: str) -> bool:
    """Whether ``place`` means the sample pictures; an existing file or folder of that name takes precedence."""
    from ..filters import sample

    return place == sample.NAME and not Path(place).exists()


def drawn(options: argparse.Namespace, found: list[TopPhotos]) -> list[dict[str, Any]]:
    """Write the pictures and return the records; a photo that is missing or has changed leaves an empty square."""
    from ..outputs import Outputs

    paths = {activation.path: activation.sha256 for each in found for activation in each.activations}
    absent = [path for path in paths if not Path(path).is_file()]
    changed = [path for path, sha256 in paths.items() if path not in absent and not is_unchanged(path, sha256)]
    if absent:
        complain(
            f"note: {len(absent)} of {len(paths)} photos are not found, the first: {absent[0]}; "
            "their squares stay empty; give their folder with --photos FOLDER"
        )
    if changed:
        complain(
            f"note: {len(changed)} of {len(paths)} photos have changed since they were indexed, the first: {changed[0]}; "
            "their squares stay empty; rebuild the index"
        )
    with Outputs(force=options.force, inputs=[options.place, *map(str, paths)]) as outputs:
        return with_pictures(outputs, options.out, found)


def is_unchanged(path: PhotoPath, sha256: str) -> bool:
    """Whether a photo's file can be read and has this hash."""
    from ..photos.opening import read_photo

    try:
        return hashlib.sha256(read_photo(path)).hexdigest() == sha256
    except PhotoError:
        return False


def with_pictures(outputs: Outputs, folder: Path, filters: Sequence[TopPhotos]) -> list[dict[str, Any]]:
    """Add a picture of each filter to the outputs; returns the records, each with its picture's path."""
    from ..filters.top_picture import png

    records = []
    for found in filters:
        path = folder / file_name(found.tensor)
        outputs.add(path, png(found))
        records.append(found.record() | {"png": str(path)})
    return records


def file_name(tensor: Tensor) -> str:
    """The name ``top.<address>.png``, without characters that some file systems refuse."""
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
        say(f"{record['png']}: {record['address']}" if record["png"] else record["address"])
        for each in record["top"]:
            say(f"  {each['value']:8.4g}  {each['photo']}")
    for each in errors:
        complain(f"godeeper: {each['error']}")
