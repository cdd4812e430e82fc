"""``godeeper filter``: prints what is known about one filter and what it responds to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError, quoted
from ..wording import count_of, first_of
from .common import DONE, add_command, add_engine, add_force, print_table
from .terminal import complain, print_json, read_input, say

if TYPE_CHECKING:
    from ..filters.account import Account
    from ..filters.index import FilterIndex
    from ..network import Network
    from ..photos.decode import Photo
    from .common import Verbs

EXAMPLE = """\
  godeeper filter 'mixed_4/tower_1/conv_4[17]'                         from the sample pictures that come with godeeper
  godeeper filter 'mixed/join[86]' --index photos.index                what it responds to in your photos
  godeeper filter 'mixed/join[86]' --index photos.index --photo cat.jpg --json
  godeeper filter 'mixed_4/tower_1/conv_4[17]' --photo cat.jpg --out filter.html      one page with everything
  godeeper filter 'Mixed_5b.branch_pool[3]' --index photos.index --index-only     at once, without the photos
"""

SHOWN = 5  # top photos in the text


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "filter", "show what one filter responds to", EXAMPLE, run)
    parser.add_argument("address", metavar="ADDRESS[CHANNEL]", help="one filter of a convolution, by any of its names")
    parser.add_argument(
        "--index",
        type=Path,
        metavar="FILE",
        help="an index that godeeper index wrote (default: that of the sample pictures that come with godeeper)",
    )
    parser.add_argument(
        "--photo", metavar="PHOTO", help="also print the filter's value on this photo; - reads standard input"
    )
    parser.add_argument("--photos", metavar="FOLDER", help="the current folder of the index's photos")
    parser.add_argument(
        "--index-only",
        action="store_true",
        help="do not read the index's photos; only class names are tested, which is immediate",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.html",
        help="also write one page with everything: photos, earlier and later filters, and a visualisation (10 to 20 seconds)",
    )
    add_force(parser)
    parser.add_argument("--weights", metavar="W", help="installed weights, or a file (default: those of the index)")
    add_engine(parser)


def run(options: argparse.Namespace) -> int:
    from ..filters import sample
    from ..filters.account import account_of
    from ..filters.contributions.target import target_of
    from ..filters.index import read_index
    from ..filters.index_folder import folder_of
    from ..outputs import Outputs
    from ..photos.decode import decode

    index = read_index(options.index or sample.INDEX)
    target_of(index.blueprint, options.address)
    network = network_of(index, options)
    folder = options.photos or (sample.PICTURES if options.index is None else folder_of(index.path))
    photo = None
    if options.photo is not None:
        photo = decode(read_input(), name="stdin") if options.photo == "-" else decode(options.photo)
    with Outputs(force=options.force, inputs=[each for each in (options.index, options.photo) if each]) as outputs:
        if options.out is not None:
            outputs.claim(checked_page(options))
        account = account_of(index, options.address, folder, network, photo, with_photos=not options.index_only)
        if options.out is not None and network is not None:
            outputs.add(options.out, whole_page(options, account, index, folder, network, photo))
    if network is not None:
        network.close()
    page = None if options.out is None else str(options.out)
    if options.json:
        print_json(account.record() | {"index": str(index.path), "sample": options.index is None, "page": page})
    else:
        if options.index is None:
            complain(f"note: from {sample.described(index.photos)}; for your own photos: --index FILE")
        print_text(account)
        if page is not None:
            say(f"page: {page}")
    return DONE


def checked_page(options: argparse.Namespace) -> Path:
    """The file of the page; raises ``OptionError`` if it cannot be made."""
    path: Path = options.out
    if path.suffix.lower() not in (".html", ".htm"):
        raise OptionError(f"--out {quoted(str(path))}: expected a name that ends in .html")
    if options.index_only:
        raise OptionError("--out needs the photos of the index: leave out --index-only")
    return path


def whole_page(
    options: argparse.Namespace,
    account: Account,
    index: FilterIndex,
    folder: str | Path | None,
    network: Network,
    photo: Photo | None,
) -> bytes:
    """The page: the account, contributions on the photo (by default the best of the index), and a visualisation."""
    from ..filters.account_page import Parts, page
    from ..filters.contributions.decompose import contributions
    from ..filters.names.places import opened_photos
    from ..filters.visualisation.photos import photos_from
    from ..filters.visualisation.visualise import Settings, visualise
    from ..photos.decode import decode
    from .progress import counter

    tensor = account.indexed.tensor
    with opened_photos(index, folder) as opened:
        paths = {name: (opened.paths or {}).get(name, opened.folder / name) for name in index.names}
        best = account.indexed.top[0] if account.indexed.top else None
        shown = photo if photo is not None or best is None else decode(paths[best.name])
        found = None if shown is None else contributions(network, shown, tensor.address)
        with counter("steps") as progress:
            photos = photos_from(network, options.index, folder if options.index else None)
            (wanted,) = visualise(network, tensor, Settings(), photos, progress)
        name = "the sample pictures" if options.index is None else options.index.name
        parts = Parts(
            index, network.weights, paths, found, shown.name if shown else "", photo is not None, wanted, name
        )
        return page(account, parts).encode()


def network_of(index: FilterIndex, options: argparse.Namespace) -> Network | None:
    """The index's network, or None if nothing is computed; raises ``IndexFileError`` for weights other than the index's."""
    from ..engine.prefix_cache import prefix_store
    from ..network import load
    from ..weights.registry import find

    needed = not options.index_only or options.photo is not None
    if not needed and options.weights is None:
        return None
    weights = find(options.weights or index.origin.weights)
    index.check_weights(weights)
    if not needed:
        return None
    return load(
        weights=options.weights or index.origin.weights,
        engine=options.engine,
        fit=index.fitting.fit,
        filter=index.fitting.filter,
        prefixes=prefix_store(),
    )


def print_text(account: Account) -> None:
    """Print the account; notes go to standard error."""
    for note in account.notes:
        complain(f"note: {note}")
    indexed = account.indexed
    height, width = indexed.tensor.field.size
    say(f"{indexed.tensor.address}, receptive field {height} x {width} pixels")
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
    """Print the names, or a line that says there are none."""
    if account.names:
        say(f"responds to: {first_of([each.text for each in account.names])}")
        print_table(
            ("  name", "effect", "p, corrected", "evidence"),
            [(f"  {each.text}", f"{each.effect:.2f}", f"{each.p:.1g}", each.evidence) for each in account.names],
        )
        return
    tried = "" if account.with_photos else "; only classes were tested, not the attributes of what the filter sees"
    say(f"no name: nothing is significant among {len(account.indexed.top)} top photos{tried}")


def print_colour_or_shape(account: Account) -> None:
    """Print which share of the filter's value remains without colour and without shape."""
    found = account.colour_or_shape
    assert found is not None  # noqa: S101 (for the type checker)
    say(
        f"colour or shape: depends on {found.verdict}; in greyscale it keeps {found.greyed.median:.0%} of its value (p {found.greyed.p:.1g}), "
        f"with shuffled patches {found.shuffled.median:.0%} (p {found.shuffled.p:.1g})"
    )
