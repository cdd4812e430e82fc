"""``godeeper visualise``: draws pictures that activate filters as much as possible."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .common import DONE, add_command, add_force, add_weights
from .terminal import print_json, say

if TYPE_CHECKING:
    from ..filters.visualisation.visualise import Visualisation
    from .common import Verbs

EXAMPLE = """\
  godeeper visualise 'mixed/tower_2/conv[3]' --out wanted
  godeeper visualise 'mixed_4/tower_1/conv_4[0:8]' --out wanted --index photos.index
  godeeper visualise 'Mixed_6b.branch7x7_3[17]' --out wanted --diversity 4
  godeeper visualise 'mixed_4/conv[5]' --out wanted --method phase --steps 256
"""


def add_to(verbs: Verbs) -> None:
    summary = "draw pictures that activate a filter as much as possible"
    parser = add_command(verbs, "visualise", summary, EXAMPLE, run)
    parser.add_argument("address", metavar="ADDRESS[CHANNELS]", help="filters of a convolution, by any of its names")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder for the pictures")
    parser.add_argument(
        "--size", type=int, metavar="N", help="side of a picture in pixels (default: the network's input)"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="steps of gradient ascent (default: 96)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="random seed; each seed gives a different picture (default: 0)"
    )
    parser.add_argument(
        "--method",
        default="fourier",
        metavar="fourier|phase",
        help="fourier: change all frequencies; phase: keep the magnitudes of photos (default: fourier)",
    )
    parser.add_argument(
        "--at", metavar="ROW,COLUMN", help="maximise only this cell of the map (default: the strongest cell)"
    )
    parser.add_argument("--diversity", type=int, default=1, metavar="N", help="N different pictures for each filter")
    parser.add_argument(
        "--index",
        metavar="FILE.index",
        help="compare with the photos of this index (default: the sample pictures that come with godeeper)",
    )
    parser.add_argument("--photos", metavar="FOLDER", help="with --index: the current folder of its photos")
    add_weights(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from .. import arguments
    from ..blueprint.address import resolve_one
    from ..errors import OptionError
    from ..filters.visualisation.photos import photos_from
    from ..filters.visualisation.visualise import STEPS, Settings, checked, visualise
    from ..network import load
    from ..outputs import Outputs
    from .contributions import cell_in
    from .progress import counter

    if options.photos is not None and options.index is None:
        raise OptionError(f"--photos {options.photos}: only with --index FILE.index")
    settings = Settings(
        options.size,
        STEPS if options.steps is None else options.steps,
        arguments.seed(options.seed),
        options.method,
        None if options.at is None else cell_in(options.at),
        options.diversity,
    )
    network = load(weights=options.weights)
    tensor = resolve_one(network.blueprint, options.address)
    numbers = checked(network, tensor)
    photos = photos_from(network.weights, options.index, options.photos)
    inputs = [each for each in (options.index,) if each is not None]
    with Outputs(force=options.force, inputs=inputs) as outputs:
        names = [
            file_name(f"{tensor.site.address}[{number}]", turn if settings.varied > 1 else None)
            for number in numbers
            for turn in range(settings.varied)
        ]
        paths = [options.out / name for name in names]
        outputs.claim(*paths)
        with counter("steps") as progress:
            found = visualise(network, tensor, settings, photos, progress)
        network.close()
        for each, path in zip(found, paths, strict=True):
            outputs.add(path, each.png())
    if options.json:
        print_json(
            {
                **network.provenance().record(),
                "settings": settings.summary,
                "filters": [each.record(str(path)) for each, path in zip(found, paths, strict=True)],
            }
        )
    else:
        for each, path in zip(found, paths, strict=True):
            print_text(each, path)
    return DONE


def file_name(address: str, turn: int | None) -> str:
    """The name ``wants.<address>.png``, with a number if there are several pictures of one filter."""
    return f"wants.{re.sub(r'[/:]', '-', address)}{'' if turn is None else f'.{turn}'}.png"


def print_text(found: Visualisation, path: Path) -> None:
    """Print the lines for one picture."""
    best = found.best_photo
    say(f"{path}: {found.tensor.address}")
    say(f"  value {found.value:.4g}" + (f", best photo {best.value:.4g} ({best.name})" if best else ""))
    say(f"  {'' if found.trusted else 'doubtful: '}{found.why}")
