"""``godeeper weights``: what numbers are installed, where they are from, whether they are whole."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..errors import WeightsError
from .common import add_command, print_json, print_table

if TYPE_CHECKING:
    from ..weights.file import WeightsFile
    from .common import Verbs

EXAMPLE = """\
  godeeper weights list
  godeeper weights show bundled
  godeeper weights verify            all that are installed
"""


def add_to(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "weights",
        help="list, show and verify weights",
        epilog=f"example:\n{EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    add_command(actions, "list", "list the installed weights", "  godeeper weights list\n", run_list)
    show = add_command(
        actions, "show", "say what weights are and where they are from", "  godeeper weights show bundled\n", run_show
    )
    show.add_argument("name", metavar="NAME", help="installed weights, or a file")
    verify = add_command(
        actions, "verify", "read weights whole and check them", "  godeeper weights verify bundled\n", run_verify
    )
    verify.add_argument("name", metavar="NAME", nargs="?", help="installed weights, or a file (default: all installed)")


def run_list(options: argparse.Namespace) -> int:
    from ..weights.registry import installed

    records = [record(file) for file in installed()]
    if options.json:
        print_json({"weights": records})
        return 0
    rows = [[r["name"], r["architecture"], r["dialect"], f"{r['bytes'] / 1e6:.0f} MB", r["licence"]] for r in records]
    print_table(("name", "architecture", "dialect", "size", "licence"), rows)
    return 0


def run_show(options: argparse.Namespace) -> int:
    from ..photos.preprocess import Preprocess
    from ..weights.registry import find

    shown = record(find(options.name))
    if options.json:
        print_json(shown)
        return 0
    for key, value in (shown | {"preprocessing": Preprocess.from_mapping(shown["preprocessing"]).summary}).items():
        print(f"{key + ':':<15} {value}")
    return 0


def run_verify(options: argparse.Namespace) -> int:
    from ..weights.registry import find, installed

    results = [check(file) for file in ([find(options.name)] if options.name else installed())]
    if options.json:
        print_json({"weights": results})
    for result in results:
        if result["error"]:
            print(f"godeeper: {result['error']}", file=sys.stderr)
        elif not options.json:
            print(f"{result['name']}: {result['tensors']} tensors, whole and as described (SHA-256 {result['sha256']})")
    return 1 if any(result["error"] for result in results) else 0


def check(file: WeightsFile) -> dict[str, Any]:
    """The result of reading a weights file whole."""
    result = {
        "name": file.name,
        "path": str(file.path),
        "tensors": len(file.expected),
        "sha256": file.sha256,
        "error": None,
    }
    try:
        file.verify()
    except WeightsError as error:
        result["error"] = str(error)
    return result


def record(file: WeightsFile) -> dict[str, Any]:
    """What a weights file says of itself, as JSON."""
    said = file.description
    return {
        "name": said.name,
        "architecture": said.architecture,
        "dialect": said.dialect,
        "preprocessing": dict(said.preprocessing),
        "classes": len(said.labels),
        "precision": "8 bits" if said.quantised else "float32",
        "source": said.source,
        "licence": said.licence,
        "notes": said.notes,
        "sha256": said.sha256,
        "bytes": file.path.stat().st_size,
        "path": str(file.path),
    }
