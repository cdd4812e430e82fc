"""``godeeper visualise``: draws pictures that activate filters as much as possible."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError
from .common import DONE, add_command, add_force, add_weights
from .terminal import print_json, say

if TYPE_CHECKING:
    from ..filters.visualisation.visualise import Settings, Visualisation
    from .common import Verbs

EXAMPLE = """\
  godeeper visualise 'mixed/tower_2/conv[3]' --out wanted
  godeeper visualise 'mixed_4/tower_1/conv_4[0:8]' --out wanted --index photos.index
  godeeper visualise 'Mixed_6b.branch7x7_3[17]' --out wanted --diversity 4
  godeeper visualise 'mixed_4/conv[5]' --out wanted --method phase --steps 256 --transparent
  godeeper visualise 'mixed_4/conv[5,9]' --sum --out wanted             one picture for both filters together
  godeeper visualise --class cat --classifier my.godeeper --out wanted  what the classifier takes for a cat
"""


def add_to(verbs: Verbs) -> None:
    summary = "draw pictures that activate a filter as much as possible"
    parser = add_command(verbs, "visualise", summary, EXAMPLE, run)
    parser.add_argument(
        "address", metavar="ADDRESS[CHANNELS]", nargs="?", help="filters of a convolution, by any of its names"
    )
    parser.add_argument("--sum", action="store_true", help="one picture for the sum of the filters")
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="a picture for this class of --classifier")
    parser.add_argument("--classifier", type=Path, metavar="FILE.godeeper", help="with --class: the classifier")
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
    parser.add_argument(
        "--transparent",
        action="store_true",
        help="make pixels that mattered little transparent, as in MaCo (Fel et al., 2023)",
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
    from ..filters.visualisation.visualise import STEPS, Settings
    from .contributions import cell_in

    check_combination(options)
    settings = Settings(
        size=options.size,
        steps=STEPS if options.steps is None else options.steps,
        seed=arguments.seed(options.seed),
        method=options.method,
        cell=None if options.at is None else cell_in(options.at),
        varied=options.diversity,
        transparent=options.transparent,
    )
    if options.class_name is not None or options.sum:
        return run_direction(options, settings)
    return run_filters(options, settings)


def check_combination(options: argparse.Namespace) -> None:
    """Raise ``OptionError`` unless the options fit together."""
    if (options.class_name is None) != (options.classifier is None):
        raise OptionError("--class and --classifier belong together: --class NAME --classifier FILE.godeeper")
    if (options.address is None) == (options.class_name is None):
        raise OptionError(
            "expected either the ADDRESS[CHANNELS] of filters, or --class NAME --classifier FILE.godeeper"
        )
    if options.class_name is not None and options.sum:
        raise OptionError("--sum: only with filters, not with --class")
    if options.class_name is not None and options.weights != "bundled":
        raise OptionError(f"--weights {options.weights}: a classifier has its own weights; leave out --weights")
    if (options.sum or options.class_name is not None) and options.index is not None:
        raise OptionError("--index: only with single filters; it does not hold the best photo for a sum or a class")
    if options.photos is not None and options.index is None:
        raise OptionError(f"--photos {options.photos}: only with --index FILE.index")


def run_direction(options: argparse.Namespace, settings: Settings) -> int:
    """Draw the picture of a sum of filters, or of a class."""
    from dataclasses import asdict

    from ..blueprint.address import resolve_one
    from ..classifier.classifier import Classifier
    from ..filters.visualisation.directions import visualise_sum
    from ..filters.visualisation.visualise import checked
    from ..network import load
    from ..outputs import Outputs
    from .progress import counter

    inputs = [each for each in (options.classifier,) if each is not None]
    with Outputs(force=options.force, inputs=inputs) as outputs:
        if options.sum:
            network = load(weights=options.weights)
            tensor = resolve_one(network.blueprint, options.address)
            checked(network, tensor)
            name = f"{tensor.address}.sum"
        else:
            classifier = Classifier.load(options.classifier)
            name = f"class.{options.class_name}"
        path = options.out / file_name(name, None)
        outputs.claim(path)
        with counter("steps") as progress:
            if options.sum:
                found = visualise_sum(network, tensor, settings, progress)
            else:
                found = classifier.visualise(options.class_name, progress=progress, **asdict(settings))
        outputs.add(path, found.png())
    if options.json:
        document = {"settings": settings.summary, "filters": [], "directions": [found.record(str(path))]}
        print_json(found.origin.record() | document)
        return DONE
    say(f"{path}: {found.name}")
    probable = "" if found.probability is None else f", probability {found.probability:.3f}"
    say(f"  value {found.value:.4g}{probable}")
    say(f"  {found.why}")
    return DONE


def run_filters(options: argparse.Namespace, settings: Settings) -> int:
    """Draw the pictures of single filters."""
    from ..blueprint.address import resolve_one
    from ..filters.visualisation.photos import photos_from
    from ..filters.visualisation.visualise import checked, visualise
    from ..network import load
    from ..outputs import Outputs
    from .progress import counter

    network = load(weights=options.weights)
    tensor = resolve_one(network.blueprint, options.address)
    numbers = checked(network, tensor)
    photos = photos_from(network, options.index, options.photos)
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
