"""``godeeper map``: draws the network as SVG or HTML."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError, UnknownName, WeightsError, quoted
from ..version import GENERATOR
from .common import add_command, add_force
from .terminal import complain, print_json, say

if TYPE_CHECKING:
    from ..blueprint.ops import Blueprint as Blueprint
    from ..diagram.card import Style
    from ..diagram.sheet import Diagram
    from ..diagram.svg import Pictures
    from .common import Verbs

EXAMPLE = """\
  godeeper map --out network.svg                       the whole network on one sheet, to print
  godeeper map --out network.html                      with search, and one column on a phone
  godeeper map --module mixed_7 --out module.svg       one module, by any of its names
  godeeper map --photo photo.jpg --out photo.html      with the filters' responses to a photo
"""

ENDINGS = (".svg", ".html")
SHEET_ROWS, MODULE_ROWS = 2, 4  # rows of tiles in a box's picture


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "map", "draw the network as a picture", EXAMPLE, run)
    parser.add_argument("--network", default="inception_v3", metavar="N", help="the network (default: inception_v3)")
    parser.add_argument("--module", metavar="M", help="only this module; also: photo, stem, classifier")
    parser.add_argument("--photo", metavar="PHOTO", help="show the filters' responses to this photo")
    parser.add_argument(
        "--weights",
        metavar="W",
        help="installed weights, or a file, whose network is drawn (default with --photo: bundled)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the picture: FILE.svg or FILE.html")
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from ..diagram.card import Style
    from ..diagram.page import page
    from ..diagram.svg import svg
    from ..outputs import Outputs

    if options.out.suffix.lower() not in ENDINGS:
        raise OptionError(
            f"cannot tell the format of {quoted(options.out)}: expected a name that ends in .svg or .html"
        )
    with Outputs(force=options.force, inputs=[options.photo] if options.photo else []) as outputs:
        outputs.claim(options.out)
        if options.photo:
            drawn, pictures, provenance = with_photo(options)
        else:
            drawn = draw(blueprint_of(options), options.module, Style(names=options.module is not None))
            pictures, provenance = {}, f"Drawn by {GENERATOR}."
        write = svg if options.out.suffix.lower() == ".svg" else page
        payload = write(drawn, pictures, provenance).encode()
        outputs.add(options.out, payload)
    report(options, drawn, len(payload))
    return 0


def blueprint_of(options: argparse.Namespace) -> Blueprint:
    """The blueprint to draw, in the dialect of the weights if they are given."""
    from ..blueprint.networks import BLUEPRINTS
    from ..weights.registry import find

    if options.network not in BLUEPRINTS:
        raise UnknownName("network", options.network, BLUEPRINTS)
    if options.weights is None and not options.photo:
        return BLUEPRINTS[options.network]
    weights = find(options.weights or "bundled")
    blueprint = weights.blueprint
    if blueprint.name != options.network:
        raise WeightsError(
            f"weights {weights.name!r} are for {blueprint.name}, not for {options.network}: use other weights, or --network {blueprint.name}"
        )
    return blueprint


def draw(blueprint: Blueprint, module: str | None, style: Style, notes: tuple[str, ...] = ()) -> Diagram:
    """The whole network, or one module of it."""
    from ..diagram.sheet import diagram, module_diagram

    if module is None:
        return diagram(blueprint, style, notes)
    return module_diagram(blueprint, module, style, notes)


def with_photo(options: argparse.Namespace) -> tuple[Diagram, Pictures, str]:
    """The diagram with space for pictures, the pictures, and their provenance."""
    from ..diagram.card import Style
    from ..network import load
    from ..peek.thumbnails import NOTES, thumbnails
    from ..photos.decode import decode

    blueprint = blueprint_of(options)
    style = Style(
        names=options.module is not None, picture_rows=MODULE_ROWS if options.module is not None else SHEET_ROWS
    )
    photo = decode(options.photo)
    for note in photo.notes:
        complain(f"{photo.name}: {note}")
    network = load(options.network, weights=options.weights or "bundled")
    source = f"Photo {shortened(photo.name)}, weights {shortened(network.weights.name)}."
    drawn = draw(blueprint, options.module, style, (*NOTES, source))
    boxes = [box for placed in drawn.cards for box in placed.card.boxes if box.picture]
    pictures = thumbnails(network.peeks(photo, [box.site.address for box in boxes]), boxes)
    provenance = (
        f"Drawn by {GENERATOR}; photo {photo.name}, SHA-256 {photo.sha256}; "
        f"weights {network.weights.name}, SHA-256 {network.weights.sha256}; {network.preprocess.summary}."
    )
    return drawn, pictures, provenance


def shortened(name: str, most: int = 24) -> str:
    """``name``, shortened to fit into the legend."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def report(options: argparse.Namespace, drawn: Diagram, size: int) -> None:
    """Print the result as a line, or as JSON."""
    boxes = sum(len(placed.card.boxes) for placed in drawn.cards)
    if options.json:
        print_json(
            {
                "out": str(options.out),
                "network": drawn.network,
                "modules": [placed.card.title for placed in drawn.cards],
                "boxes": boxes,
                "photo": options.photo,
                "bytes": size,
            }
        )
    else:
        say(f"{options.out}: {drawn.title}, {boxes} boxes, {size / 1e3:.0f} kB")
