"""``godeeper tensors``: lists tensors with their names, shape, cost and receptive field."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .common import add_command, print_table
from .terminal import complain, print_json

if TYPE_CHECKING:
    from .common import Verbs

EVERYTHING = "**"
MOST_REMARKS = 3

EXAMPLE = """\
  godeeper tensors                  the whole network
  godeeper tensors 'mixed_4/**'     one module
  godeeper tensors activation_11    one tensor's names in all conventions
  godeeper tensors 'mixed4?' --network googlenet
"""


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "tensors", "list tensors: names, shape, cost, receptive field", EXAMPLE, run)
    parser.add_argument(
        "pattern", metavar="PATTERN", nargs="?", default=EVERYTHING, help="an address or a pattern (default: all)"
    )
    parser.add_argument(
        "--network", default="inception_v3", metavar="N", help="inception_v3 (default), googlenet or inception_v4"
    )


def run(options: argparse.Namespace) -> int:
    from ..blueprint.address import resolve
    from ..blueprint.networks import blueprint_named
    from ..blueprint.records import document
    from ..blueprint.remarks import remarks_on

    network = blueprint_named(options.network)
    listing = document(network, resolve(network, options.pattern))
    typed = remarks_on(network, [options.pattern], likeness=not options.json)
    if options.pattern != EVERYTHING:
        print_remarks(typed, [] if options.json else listing["tensors"])
    if options.json:
        print_json(listing)
        return 0
    records = listing["tensors"]
    print_table([*records[0]["names"], "kind", "shape", "cost", "field"], [row(each) for each in records])
    return 0


def print_remarks(typed: list[str], records: list[dict[str, Any]]) -> None:
    """Print to standard error a note for each easily confused name, or one general note if there are many."""
    listed = [remark for record in records if record["remark"] for remark in record["remark"].split("; ")]
    remarks = list(dict.fromkeys([*typed, *listed]))
    if len(remarks) > MOST_REMARKS:
        remarks = [
            "two conventions may use similar names for different modules, such as Mixed_7b and mixed_7: each row lists the names of one tensor"
        ]
    for text in remarks:
        complain(f"note: {text}")


def row(record: dict[str, Any]) -> list[str]:
    """A record as a row of the table."""
    return [
        *(name or "-" for name in record["names"].values()),
        record["kind"],
        "x".join(str(side or "?") for side in record["shape"]),
        f"{record['macs_share']:.1%}",
        "x".join(map(str, record["receptive_field"])),
    ]
