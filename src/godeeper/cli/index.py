"""``godeeper index``: finds the photos of a folder that activate each filter most, for all filters in one pass."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..wording import count_of
from .common import add_command, add_engine, add_force, add_on, add_weights, exit_code, note_lines
from .terminal import complain, print_json, say

if TYPE_CHECKING:
    from ..filters.build_index import Indexed
    from ..network import Network
    from .common import Verbs

EXAMPLE = """\
  godeeper index photos/ --out photos.index               all filters, one pass; run it again after photos changed
  godeeper top photos.index 'mixed_4/tower_1/conv_4[7]'   look a filter up
"""


def add_to(verbs: Verbs) -> None:
    parser = add_command(
        verbs, "index", "find the photos that activate each filter most, for all filters", EXAMPLE, run
    )
    parser.add_argument(
        "place",
        metavar="FOLDER",
        help="a folder of photos, subfolders included; a zip or .csv list of them; with --on ray also an s3://, gs:// or file:// folder; folders in it are classes",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.index", help="the index")
    parser.add_argument("--top", type=int, default=12, metavar="N", help="photos kept for each filter (default: 12)")
    add_weights(parser)
    add_engine(parser)
    add_on(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from ..features.executors.executor import executor_named
    from ..filters.index_folder import check_ending, index_folder
    from ..network import load
    from .progress import counter, status

    check_ending(options.out)
    network = load(weights=options.weights, engine=options.engine)
    with executor_named(options.on, status) as executor, counter("photos") as progress:
        built = index_folder(
            network, options.place, options.out, options.top, progress, force=options.force, executor=executor
        )
    network.close()
    report(options, network, built)
    return exit_code(built.photos, len(built.errors))


def report(options: argparse.Namespace, network: Network, built: Indexed) -> None:
    """Print what was written, the photos that cannot be read, and the notes on repaired ones."""
    for error in built.errors.values():
        complain(f"godeeper: {error}")
    if options.json:
        document = {
            **network.provenance().record(),
            "out": str(options.out),
            "photos": built.photos,
            "computed": built.computed,
            "filters": built.filters,
            "top": options.top,
            "classes": built.classes,
            "bytes": len(built.content),
            "errors": [{"photo": name, "error": error} for name, error in built.errors.items()],
            "photo_notes": built.notes,
        }
        print_json(document)
        return
    for line in note_lines(built.notes.items()):
        complain(line)
    classes = f" in {count_of(len(built.classes), 'class', 'classes')}" if built.classes else ""
    known = built.photos - built.computed
    stored = f", {known} of them computed before" if known else ""
    say(
        f"{options.out}: {built.filters} filters, {count_of(built.photos, 'photo')}{classes}{stored}, "
        f"{len(built.content) / 1e6:.1f} MB"
    )
