"""``godeeper contributions``: decomposes the value of a filter at one place into a sum over earlier filters."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError, OutputError, quoted
from ..wording import count_of
from .common import add_command, add_engine, add_force, add_weights, print_table
from .terminal import complain, print_json, read_input, say

if TYPE_CHECKING:
    from ..filters.contributions.listeners import Listener
    from ..filters.contributions.record import Contributions, Term
    from ..filters.contributions.target import Target
    from ..outputs import Outputs
    from ..photos.decode import Photo
    from .common import Verbs

EXAMPLE = """\
  godeeper contributions photo.jpg 'mixed_4/tower_1/conv_4[17]'        where its value is greatest
  godeeper contributions photo.jpg 'mixed_4/tower_1/conv_4[17]' --at 3,9 --out why.png
  godeeper contributions photo.jpg 'Mixed_6b.branch7x7_3[17]' --depth 3 --top 10
  godeeper contributions photo.jpg 'mixed/join[86]' --json             every term
"""

USUAL = 5  # positive terms, and as many negative terms, in the text and the picture


def add_to(verbs: Verbs) -> None:
    summary = "show which earlier filters produce a filter's value"
    parser = add_command(verbs, "contributions", summary, EXAMPLE, run)
    parser.add_argument("photo", metavar="PHOTO", help="the photo file; - reads standard input")
    parser.add_argument("address", metavar="ADDRESS[CHANNEL]", help="one filter of a convolution, by any of its names")
    parser.add_argument(
        "--at", metavar="ROW,COLUMN", help="a cell of the filter's map (default: the cell with the greatest value)"
    )
    parser.add_argument(
        "--depth", type=int, default=1, metavar="N", help="how many convolutions to go back (default: 1)"
    )
    parser.add_argument(
        "--top",
        type=int,
        metavar="N",
        help=f"show the N greatest positive and negative terms (default: {USUAL}; with --json all)",
    )
    add_weights(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE.png|DIR", help="also draw a picture and write it to this file or folder"
    )
    add_engine(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> int:
    from ..engine.prefix_cache import prefix_store
    from ..filters.contributions.target import checked_cell, checked_depth, target_of
    from ..network import load
    from ..outputs import Outputs
    from ..photos.decode import decode

    at = None if options.at is None else cell_in(options.at)
    checked_depth(options.depth)
    if options.top is not None and options.top < 1:
        raise OptionError(f"--top {options.top}: expected at least 1 term")
    if options.out is not None:
        from ..filters.contributions.picture import check_drawn

        check_drawn(options.top or USUAL)
    network = load(weights=options.weights, engine=options.engine, prefixes=prefix_store())
    target = target_of(network.blueprint, options.address)
    if at is not None:
        checked_cell(at, target.site)
    photo = decode(read_input(), name="stdin") if options.photo == "-" else decode(options.photo)
    with Outputs(force=options.force, inputs=[options.photo]) as outputs:
        path = None if options.out is None else claimed(outputs, options.out, photo, target)
        found = network.contributions(photo, options.address, at, options.depth)
        network.close()
        if path is not None:
            from ..filters.contributions.picture import png

            outputs.add(path, png(found, options.top or USUAL))
    if options.json:
        print_json(found.record(options.top, None if path is None else str(path)) | {"photo": options.photo})
    else:
        print_text(found, options.top or USUAL, path)
    return 0


def cell_in(text: str) -> tuple[int, int]:
    """The row and the column in ``3,5``; raises ``OptionError``."""
    numbers = [part.strip() for part in text.split(",")]
    if len(numbers) != 2 or not all(each.isascii() and each.isdecimal() and len(each) <= 9 for each in numbers):
        raise OptionError(f"--at {quoted(text)}: expected ROW,COLUMN, two numbers from 0, such as 3,5")
    return int(numbers[0]), int(numbers[1])


def claimed(outputs: Outputs, out: Path, photo: Photo, target: Target) -> Path:
    """Claim and return the picture's path: ``out`` if it ends in .png, otherwise a file in the folder ``out``."""
    from ..peek.peek import file_part

    if out.suffix.lower() == ".png" and not out.is_dir():
        path = out
    elif out.suffix and not out.is_dir():
        raise OutputError(f"--out {quoted(str(out))}: expected a name that ends in .png, or a folder")
    else:
        path = outputs.picture(
            out, Path(photo.name).stem, f"{file_part(target.tensor)}.contributions.png", photo.sha256
        )
    outputs.claim(path)
    return path


def print_text(found: Contributions, top: int, path: Path | None) -> None:
    """Print the sum, the greatest terms, and the greatest listeners; notes go to standard error."""
    for note in found.origin.photo_notes:
        complain(f"{found.origin.photo}: {note}")
    for note in found.notes:
        complain(f"note: {note}")
    print_sum(found)
    positive, negative = found.greatest(top)
    for title, terms in (("for", positive), ("against", negative)):
        if terms:
            say()
            print_terms(found, f"greatest {title}", terms)
    rest = len(found.terms) - len(positive) - len(negative)
    if rest:
        say(f"{found.rest((*positive, *negative)):+9.4f}  {count_of(rest, 'other term')}")
    say()
    print_listeners(found, top)
    if path is not None:
        say(f"picture: {path}")


def print_sum(found: Contributions) -> None:
    """Print the value and its decomposition into a sum."""
    say(f"{found.tensor.address} at row {found.cell.row}, column {found.cell.column}, before the ReLU:")
    say(f"{found.value:+9.4f}  value{' (inactive: the ReLU returns 0)' if found.is_inactive else ''}")
    say(f"{found.own_bias:+9.4f}  bias of the filter")
    if found.depth > 1:
        say(f"{found.inner_bias:+9.4f}  biases of the filters between, {count_of(found.depth, 'convolution')} back")
    positive, negative = found.greatest(None)
    for terms, side in ((positive, "for"), (negative, "against")):
        say(f"{sum(term.value for term in terms):+9.4f}  {count_of(len(terms), 'term')} {side}")


def print_terms(found: Contributions, heading: str, terms: tuple[Term, ...]) -> None:
    """Print a table of terms."""
    rows = []
    for term in terms:
        read = "" if term.origin == term.tensor else term.tensor.address
        rows.append([f"{term.value:+9.4f}", f"{found.share(term):6.1%}", term.label, read])
    print_table(["   value", " share", heading, "read as" if any(row[-1] for row in rows) else ""], rows)


def print_listeners(found: Contributions, top: int) -> None:
    """Print the later filters that read this filter, by contribution on this photo and by weight."""
    if not found.listeners:
        say("no later convolution reads this filter")
        return
    say(f"{count_of(len(found.listeners), 'later filter reads', 'later filters read')} it")
    tables = [
        ("largest contributions on this photo", found.listeners[:top]),
        ("greatest weights", found.by_weight(top)),
    ]
    if found.is_silent:
        say("the filter is 0 on this photo, so it contributes nothing to them")
    for heading, chosen in tables[found.is_silent :]:
        print_table(["   value", "weight", "at", heading], [listener_row(each) for each in chosen])


def listener_row(listener: Listener) -> list[str]:
    """The cells of a listener's row."""
    row, column = listener.cell
    return [f"{listener.value:+9.4f}", f"{listener.weight:6.4f}", f"{row},{column}", listener.tensor.address]
