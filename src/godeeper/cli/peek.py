"""``godeeper peek``: draws every filter of a tensor in one picture."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..wording import count_of
from .common import add_command, add_engine, add_force, add_weights
from .terminal import complain, print_json, read_input, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..network import Network
    from ..peek.peek import Peek
    from ..peek.picture import View
    from ..peek.records import PeekedTensorRecord
    from .common import Verbs

EXAMPLE = """\
  godeeper peek photo.jpg                                        the blog's three pictures
  godeeper peek photo.jpg mixed/tower_2/conv:0 --scale blog      as the blog drew it
  godeeper peek photo.jpg Mixed_6b.branch_pool activation_11     names of torchvision and Keras
  godeeper peek photo.jpg 'mixed*/join' --out pictures           all eleven modules
  godeeper peek photo.jpg 'mixed_4/**/Conv2D' --scale signed     before batch normalisation and ReLU
  curl … | godeeper peek - 'mixed/tower_2/conv[3,7:12]' --numbers
"""


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "peek", "draw every filter of a tensor for a photo", EXAMPLE, run)
    parser.add_argument("photo", metavar="PHOTO", help="the photo file; - reads standard input")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=[],
        help="tensors, by any name or pattern (default: the blog's three)",
    )
    add_weights(parser)
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder for the pictures (default: this one)"
    )
    parser.add_argument(
        "--scale", default="shared", metavar="S", help="shared (default), filter, percentile, signed or blog"
    )
    parser.add_argument("--rows", type=int, metavar="N", help="number of rows of tiles")
    parser.add_argument("--zoom", type=int, metavar="N", help="screen pixels for each value")
    parser.add_argument("--colour", metavar="NAME", help="grey, viridis, magma, blue-orange or blue-red")
    parser.add_argument("--gutter", type=int, metavar="N", help="pixels between tiles")
    parser.add_argument("--numbers", action="store_true", help="write each filter's number over its tile")
    parser.add_argument(
        "--frame",
        action=argparse.BooleanOptionalAction,
        help="draw a heading and a legend (default: yes, except with --scale blog)",
    )
    add_engine(parser)
    parser.add_argument("--fit", metavar="F", help="squash or crop (default: as the weights were trained)")
    parser.add_argument("--filter", metavar="F", help="antialias or tf2015 (default: as the weights were trained)")
    parser.add_argument("--npz", type=Path, metavar="FILE", help="also write the activations as NumPy arrays")
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from ..blueprint.remarks import remarks_on
    from ..engine.prefix_cache import prefix_store
    from ..network import BLOG_TENSORS, load
    from ..peek.peek import document

    view = view_of(options)
    network = load(
        weights=options.weights,
        engine=options.engine,
        fit=options.fit,
        filter=options.filter,
        prefixes=prefix_store(),
    )
    addresses = options.addresses or BLOG_TENSORS
    peeks, paths = computed(options, network, addresses, view)
    hidden = [tensor.address for tensor in network.tensors(addresses) if not network.shows(tensor)]
    if hidden:
        complain(f"no picture of {', '.join(hidden)} with weights {network.weights.name!r}: left out")
    for text in remarks_on(network.blueprint, addresses, likeness=not options.json):
        complain(f"note: {text}")
    records = [peek.record(str(path), view.scale) for peek, path in zip(peeks, paths, strict=True)]
    if options.json:
        print_json(document(options.photo, peeks[0], records, network.engine.identity()))
    else:
        print_text(peeks, records)
    return 0


def view_of(options: argparse.Namespace) -> View:
    """The view that the options describe."""
    from ..peek.picture import View

    return View(
        scale=options.scale,
        rows=options.rows,
        zoom=options.zoom,
        colour=options.colour,
        gutter=options.gutter,
        numbers=options.numbers,
        frame=options.frame,
    )


def computed(
    options: argparse.Namespace, network: Network, addresses: Sequence[str], view: View
) -> tuple[list[Peek], list[Path]]:
    """Compute the peeks and write all files; returns the peeks and the paths of their pictures."""
    from ..outputs import Outputs
    from ..peek.peek import file_part, npz_bytes
    from ..photos.decode import decode

    photo = decode(read_input(), name="stdin") if options.photo == "-" else decode(options.photo)
    tensors = network.select(addresses)
    with Outputs(force=options.force, inputs=[options.photo]) as outputs:
        paths = [
            outputs.picture(options.out, Path(photo.name).stem, f"{file_part(tensor)}.png", photo.sha256)
            for tensor in tensors
        ]
        outputs.claim(*paths, *([options.npz] if options.npz else []))
        peeks = network.peeks(photo, addresses)
        network.close()  # frees memory for drawing
        for path, payload in zip(paths, drawn(peeks, view), strict=True):
            outputs.add(path, payload)
        if options.npz:
            outputs.add(options.npz, npz_bytes(peeks))
    return peeks, paths


def drawn(peeks: list[Peek], view: View) -> list[bytes]:
    """Draw each peek as a PNG, in parallel."""
    from ..peek.picture import png

    if len(peeks) == 1:
        return [png(peeks[0], view)]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(len(peeks), os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda peek: png(peek, view), peeks))


def print_text(peeks: list[Peek], records: list[PeekedTensorRecord]) -> None:
    """Print a line for each picture; notes on repairs go to standard error."""
    for note in peeks[0].photo_notes:
        complain(f"{peeks[0].photo}: {note}")
    for peek, record in zip(peeks, records, strict=True):
        count, height, width = peek.shape[1:]
        dead = f", {len(peek.dead)} dead" if peek.dead else ""
        say(
            f"{record['png']}: {peek.address}, {count_of(count, 'filter')} of {height}x{width}, {record['minimum']:.4g} to {record['maximum']:.4g}{dead}"
        )
