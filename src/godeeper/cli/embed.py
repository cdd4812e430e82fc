"""``godeeper embed``: computes the features of a folder of photos and writes them to one file."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PhotoError
from ..version import __version__
from ..wording import count_of
from .common import add_command, add_engine, add_force, add_on, add_weights, exit_code, none_of, note_lines
from .terminal import complain, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..features.batch import Batch
    from ..features.executors.executor import Executor
    from ..features.file import Writer
    from ..photos.sources.anywhere import AnyPhoto
    from .common import Verbs

EXAMPLE = """\
  godeeper embed photos/ --out photos.npz                              768 numbers per photo: the means of mixed_4/join
  godeeper embed photos/ --out photos.parquet --features mixed_5/join,mixed_10/join
"""

USUAL = "the recommended tensor of the weights"


def add_to(verbs: Verbs) -> None:
    parser = add_command(
        verbs, "embed", "compute the features of a folder of photos and write them to a file", EXAMPLE, run
    )
    parser.add_argument(
        "places",
        metavar="FOLDER|PHOTO",
        nargs="+",
        help="folders of photos, zips or .csv lists of them, or photos; with --on ray also s3://, gs:// and file:// folders",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="output file: FILE.npz, or FILE.parquet with godeeper[parquet]",
    )
    parser.add_argument(
        "--features", metavar="ADDRESS,…", help=f"write the spatial means of these tensors (default: {USUAL})"
    )
    add_weights(parser)
    add_engine(parser)
    parser.add_argument(
        "--precision",
        default="fp32",
        metavar="P",
        help="fp32 (default), or int8, which is faster and slightly less exact",
    )
    parser.add_argument("--exact", action="store_true", help="decode large JPEGs at full size instead of a reduced one")
    add_on(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from ..features.executors.executor import executor_named
    from ..features.file import check_ending
    from ..photos.sources.anywhere import opened_anywhere
    from .progress import status

    check_ending(options.out)
    with (
        opened_anywhere(options.places, remote=bool(options.on)) as photos,
        executor_named(options.on, status) as executor,
    ):
        return embedded(options, photos, executor)


def embedded(options: argparse.Namespace, photos: list[AnyPhoto], executor: Executor) -> int:
    """Write the features of the photos, and report the result; returns the exit code."""
    from ..features.batch import decoded, encoded
    from ..features.executors.kept import KeptChunks
    from ..features.file import writer_for
    from ..features.recommended import recommended
    from ..features.stream import stream, whole_tensors
    from ..network import load
    from ..outputs import Outputs
    from ..photos.remote import RemotePhoto
    from .progress import counter

    files = (photo for photo in photos if not isinstance(photo, RemotePhoto))
    outputs = Outputs(force=options.force, inputs=[*options.places, *files])
    outputs.claim(options.out)
    network = load(weights=options.weights, engine=options.engine, precision=options.precision)
    asked = options.features.split(",") if options.features else [recommended(network)]
    addresses = whole_tensors(network, asked)
    provenance = {
        "godeeper": __version__,
        **network.provenance().record(),
        "exact": options.exact,
        **network.batch_engine.identity().record,
    }
    with (
        outputs,
        closing(writer_for(options.out, outputs.temporary(options.out), addresses, provenance)) as writer,
        counter("photos") as progress,
    ):
        kept = KeptChunks(json.dumps([provenance, addresses]), encoded, decoded) if executor.is_remote else None
        batches = stream(
            network,
            photos,
            list(addresses),
            exact=options.exact,
            executor=executor,
            progress=lambda done: progress(done, len(photos)),
            kept=kept,
        )
        errors, notes = written(writer, batches)
        if all(str(photo) in errors for photo in photos):  # a photo may be named twice
            raise PhotoError(none_of(list(errors.values())))
        writer.finish()
    if kept:
        kept.remove()
    if not options.features:
        complain(f"godeeper: --features {asked[0]}, the default for weights {network.weights.name!r}")
    done = sum(str(photo) not in errors for photo in photos)
    report(options, addresses, done, errors, notes)
    return exit_code(done, len(errors))


def written(writer: Writer, batches: Iterable[Batch]) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Write the features of all readable photos; returns the errors and the notes, by photo name."""
    errors: dict[str, str] = {}
    notes: dict[str, tuple[str, ...]] = {}
    for batch in batches:
        errors |= {batch.names[place]: error for place, error in batch.errors.items()}
        notes |= {batch.names[place]: texts for place, texts in batch.notes.items()}
        if batch.features:
            writer.add([batch.names[place] for place in batch.readable], batch.features)
    return errors, notes


def report(
    options: argparse.Namespace,
    addresses: dict[str, int],
    count: int,
    errors: dict[str, str],
    notes: dict[str, tuple[str, ...]],
) -> None:
    """Print what was written, the errors, and the notes on repaired photos."""
    for error in errors.values():
        complain(f"godeeper: {error}")
    if options.json:
        document = {
            "out": str(options.out),
            "photos": count,
            "features": addresses,
            "default_features": not options.features,
            "errors": errors,
            "photo_notes": notes,
        }
        print_json(document)
    else:
        for line in note_lines(notes.items()):
            complain(line)
        listed = ", ".join(f"{address} ({channels})" for address, channels in addresses.items())
        say(f"{options.out}: {count_of(count, 'photo')}, {listed}")
