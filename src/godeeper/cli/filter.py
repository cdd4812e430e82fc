"""``godeeper filter``: says what is known of one filter, and what it answers to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..wording import count_of, first_of
from .common import DONE, add_command, add_engine, print_table
from .terminal import complain, print_json, read_input, say

if TYPE_CHECKING:
    from ..filters.account import Account
    from ..filters.index import FilterIndex
    from ..network import Network
    from .common import Verbs

EXAMPLE = """\
  godeeper filter 'mixed_4/tower_1/conv_4[17]'                         from the sample pictures that come with godeeper
  godeeper filter 'mixed/join[86]' --index photos.index                what it answers to in your photos
  godeeper filter 'mixed/join[86]' --index photos.index --photo cat.jpg --json
  godeeper filter 'Mixed_5b.branch_pool[3]' --index photos.index --index-only     at once, without the photos
"""

SHOWN = 5  # top photos in the text


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "filter", "show what one filter answers to", EXAMPLE, run)
    parser.add_argument("address", metavar="ADDRESS[CHANNEL]", help="one filter of a convolution, by any of its names")
    parser.add_argument(
        "--index",
        type=Path,
        metavar="FILE",
        help="an index that godeeper index wrote (default: that of the sample pictures that come with godeeper)",
    )
    parser.add_argument("--photo", metavar="PHOTO", help="also say its value on this photo; - reads standard input")
    parser.add_argument("--photos", metavar="FOLDER", help="where the photos of the index are now")
    parser.add_argument(
        "--index-only", action="store_true", help="do not read the index's photos: only names of classes, at once"
    )
    parser.add_argument("--weights", metavar="W", help="installed weights, or a file (default: those of the index)")
    add_engine(parser)


def run(options: argparse.Namespace) -> int:
    from ..filters import sample
    from ..filters.account import account_of
    from ..filters.contributions.target import target_of
    from ..filters.index import read_index
    from ..filters.index_folder import folder_of
    from ..photos.decode import decode

    index = read_index(options.index or sample.INDEX)
    target_of(index.blueprint, options.address)
    network = network_of(index, options)
    folder = options.photos or (sample.PICTURES if options.index is None else folder_of(index.path))
    photo = None
    if options.photo is not None:
        photo = decode(read_input(), name="stdin") if options.photo == "-" else decode(options.photo)
    account = account_of(index, options.address, folder, network, photo, with_photos=not options.index_only)
    if network is not None:
        network.close()
    if options.json:
        print_json(account.record() | {"index": str(index.path), "sample": options.index is None})
    else:
        if options.index is None:
            complain(f"note: from {sample.described(index.photos)}; for your own photos: --index FILE")
        print_text(account)
    return DONE


def network_of(index: FilterIndex, options: argparse.Namespace) -> Network | None:
    """The network of the index; None if nothing is computed.  Raises ``IndexFileError`` if the weights are others."""
    from ..engine.prefix_cache import prefix_store
    from ..filters.account import check_weights
    from ..network import load
    from ..weights.registry import find

    needed = not options.index_only or options.photo is not None
    if not needed and options.weights is None:
        return None
    weights = find(options.weights or index.origin.weights)
    check_weights(index, weights)
    if not needed:
        return None
    return load(weights=options.weights or index.origin.weights, engine=options.engine, prefixes=prefix_store())


def print_text(account: Account) -> None:
    """Print the account; notes go to standard error."""
    for note in account.notes:
        complain(f"note: {note}")
    indexed = account.indexed
    height, width = indexed.tensor.field.size
    say(f"{indexed.tensor.address}, which sees {height} x {width} pixels")
    say(
        f"  active on {indexed.active:.0%} of {count_of(account.photos, 'photo')}, mean of the maxima {indexed.mean:.4g}"
    )
    if indexed.examples:
        say("  " + ", ".join(f"{each}th percentile {photo.value:.4g}" for each, photo in indexed.examples.items()))
    if account.on_photo is not None:
        print_on_photo(account)
    say()
    print_names(account)
    if account.colour_or_shape is not None:
        print_colour_or_shape(account)
    if indexed.top:
        say()
        print_table(
            ("value", "row", "column", "top photo"),
            [(f"{each.value:.4g}", str(each.row), str(each.column), each.name) for each in indexed.top[:SHOWN]],
        )
    if indexed.classes:
        say()
        ranked = sorted(indexed.classes.items(), key=lambda item: (-item[1][0], item[0]))[:SHOWN]
        rows = [(f"{mean:.4g}", f"{active:.0%}", name) for name, (mean, active) in ranked]
        print_table(("mean", "active", "class"), rows)


def print_on_photo(account: Account) -> None:
    """Print the filter's value on the photo that was given."""
    found = account.on_photo
    assert found is not None  # noqa: S101 (for the type checker)
    beside = f", at or above the {found.percentile}th percentile" if found.percentile else ""
    among = f", number {found.rank} among the top photos" if found.rank else ""
    say(f"  on {found.photo}: {found.value:.4g} at row {found.row}, column {found.column}{beside}{among}")


def print_names(account: Account) -> None:
    """Print the names, or that there are none."""
    if account.names:
        say(f"answers to: {first_of([each.text for each in account.names])}")
        print_table(
            ("  name", "effect", "p, corrected", "evidence"),
            [(f"  {each.text}", f"{each.effect:.2f}", f"{each.p:.1g}", each.evidence) for each in account.names],
        )
        return
    tried = "" if account.with_photos else "; only classes were tested, not what the filter sees"
    say(f"no name: nothing is significant among {len(account.indexed.top)} top photos{tried}")


def print_colour_or_shape(account: Account) -> None:
    """Print what is left of the values without colour and without shape."""
    found = account.colour_or_shape
    assert found is not None  # noqa: S101 (for the type checker)
    say(
        f"colour or shape: needs {found.verdict}; greyed it keeps {found.greyed.median:.0%} of its value (p {found.greyed.p:.1g}), "
        f"with shuffled patches {found.shuffled.median:.0%} (p {found.shuffled.p:.1g})"
    )
