"""``godeeper tensors``: every address, its names, shape, cost and receptive field."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .common import add_command, print_json, print_table

if TYPE_CHECKING:
    from .common import Verbs

EXAMPLE = """\
  godeeper tensors                  the whole network
  godeeper tensors 'mixed_4/**'     one module
  godeeper tensors activation_11    what is this called elsewhere?
  godeeper tensors 'mixed4?' --network googlenet
"""


def add_to(verbs: Verbs) -> None:
    parser = add_command(
        verbs, "tensors", "list what can be looked at: names, shape, cost, receptive field", EXAMPLE, run
    )
    parser.add_argument(
        "pattern", metavar="PATTERN", nargs="?", default="**", help="an address or a pattern (default: all)"
    )
    parser.add_argument(
        "--network", default="inception_v3", metavar="N", help="inception_v3 (default), googlenet or inception_v4"
    )


def run(options: argparse.Namespace) -> int:
    from ..blueprint.address import resolve
    from ..blueprint.networks import network_named
    from ..blueprint.records import document

    network = network_named(options.network)
    listing = document(network, resolve(network, options.pattern))
    if options.json:
        print_json(listing)
        return 0
    records = listing["tensors"]
    print_table([*records[0]["names"], "kind", "shape", "cost", "field"], [row(each) for each in records])
    return 0


def row(record: dict[str, Any]) -> list[str]:
    """A record as a line of the table."""
    return [
        *(name or "-" for name in record["names"].values()),
        record["kind"],
        "x".join(str(side or "?") for side in record["shape"]),
        f"{record['macs_share']:.1%}",
        "x".join(map(str, record["receptive_field"])),
    ]
