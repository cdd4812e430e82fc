"""``godeeper weights``: lists, shows, verifies and adds weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GodeeperError, WeightsError
from .common import add_command, add_group, print_table
from .terminal import complain, print_json, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..weights.file import WeightsFile
    from .common import Verbs

ADD_EXAMPLE = """\
  godeeper weights add imagenet-torchvision                                  an official release, by name
  godeeper weights add classify_image_graph_def.pb --name imagenet-2015      TensorFlow's graph of 2015
  godeeper weights add inception_v3_google-0cc3c7bd.pth                      torchvision, timm, pytorch-fid
  godeeper weights add mine.keras --name mine --labels classes.txt           your own, fine-tuned
"""

FEW_LABELS = 5

EXAMPLE = """\
  godeeper weights list
  godeeper weights add imagenet-torchvision
  godeeper weights add classify_image_graph_def.pb --name imagenet-2015
  godeeper weights show bundled
  godeeper weights verify            all installed weights
"""


def add_to(verbs: Verbs) -> None:
    actions = add_group(verbs, "weights", "list, show, add and verify weights", EXAMPLE)
    add_command(actions, "list", "list the installed weights", "  godeeper weights list\n", run_list)
    show = add_command(
        actions, "show", "show the description and source of weights", "  godeeper weights show bundled\n", run_show
    )
    show.add_argument("name", metavar="NAME", help="installed weights, or a file")
    add = add_command(actions, "add", "install weights from a file or an official release", ADD_EXAMPLE, run_add)
    add.add_argument(
        "what", metavar="FILE_OR_NAME", help="a weights file in any supported format, or an official release"
    )
    add.add_argument("--name", metavar="N", help="name for the weights (default: the release's or the file's name)")
    add.add_argument("--labels", type=Path, metavar="FILE", help="names of the classes, one per line")
    add.add_argument(
        "--scaling",
        metavar="S",
        help="how photos were scaled in training: unit (x / 255), inception, imagenet, 2015, raw, or SUBTRACT/DIVIDE "
        "(default: the scaling that the weights' dialect uses)",
    )
    add.add_argument(
        "--which",
        metavar="PART",
        help="which network to use if the file holds several: a name prefix, or ema for the moving averages",
    )
    add.add_argument("--replace", action="store_true", help="replace installed weights of the same name")
    verify = add_command(
        actions, "verify", "read all tensors and check them", "  godeeper weights verify bundled\n", run_verify
    )
    verify.add_argument("name", metavar="NAME", nargs="?", help="installed weights, or a file (default: all installed)")


def run_list(options: argparse.Namespace) -> int:
    from ..weights.file import read
    from ..weights.registry import installed_paths

    records, errors = [], []
    for path in installed_paths().values():
        try:
            records.append(record(read(path)))
        except WeightsError as error:  # one damaged file must not hide the others
            errors.append(str(error))
    available = official({each["name"] for each in records})
    if options.json:
        print_json({"weights": records, "official": available, "errors": errors})
    else:
        rows = [
            [r["name"], r["architecture"], r["dialect"], f"{r['bytes'] / 1e6:.0f} MB", r["licence"]] for r in records
        ]
        print_table(("name", "architecture", "dialect", "size", "licence"), rows)
        say()
        say("official releases, not installed (godeeper weights add NAME)")
        print_table(("name", "what"), [[each["name"], each["summary"]] for each in available])
    for message in errors:
        complain(f"godeeper: {message}")
    return 1 if errors else 0


def official(installed: set[str]) -> list[dict[str, Any]]:
    """The official releases that are not installed, as JSON."""
    from ..weights.official import OFFICIAL

    return [
        {
            "name": release.name,
            "summary": release.summary,
            "address": release.address,
            "check": release.check,
            "published": release.published,
            "licence": release.licence,
            "size": release.size or None,
        }
        for release in OFFICIAL.values()
        if release.name not in installed
    ]


def run_add(options: argparse.Namespace) -> int:
    from ..weights.install import Options, add
    from .progress import bar

    with bar() as report:
        added = add(
            options.what,
            Options(
                name=options.name,
                labels=options.labels,
                scaling=options.scaling,
                which=options.which,
                replace=options.replace,
            ),
            report,
        )
    if options.json:
        print_json({**record(added.file), "found": list(added.notes)})
        return 0
    for note in added.notes:
        say(f"  {note}")
    say(f"{added.file.name}: installed as {added.file.path}")
    return 0


def run_show(options: argparse.Namespace) -> int:
    from ..photos.preprocess import Preprocess
    from ..weights.registry import find

    file = find(options.name)
    labels = file.description.labels
    shown = record(file) | {"labels": list(labels)}
    if options.json:
        print_json(shown)
        return 0
    summary = Preprocess.from_mapping(shown["preprocessing"]).summary
    for key, value in (shown | {"preprocessing": summary, "labels": labels_line(labels)}).items():
        say(f"{key + ':':<15} {value}")
    return 0


def labels_line(labels: Sequence[str]) -> str:
    """The first few labels and the total number."""
    if not labels:
        return "none: these weights have no classifier"
    first = ", ".join(labels[:FEW_LABELS])
    return first if len(labels) <= FEW_LABELS else f"{first}, … ({len(labels)}; --json prints all)"


def run_verify(options: argparse.Namespace) -> int:
    from ..weights.file import read
    from ..weights.registry import find, installed_paths

    if options.name:
        results = [check(find(options.name))]
    else:
        results = [check_path(name, path, read) for name, path in installed_paths().items()]
    if options.json:
        print_json({"weights": results})
    for result in results:
        if result["error"]:
            complain(f"godeeper: {result['error']}")
        elif not options.json:
            say(f"{result['name']}: {result['tensors']} tensors, complete and unchanged (SHA-256 {result['sha256']})")
    return 1 if any(result["error"] for result in results) else 0


def check_path(name: str, path: Path, read: Callable[[Path], WeightsFile]) -> dict[str, Any]:
    """Like ``check``, but also reports a file whose header cannot be read."""
    try:
        return check(read(path))
    except GodeeperError as error:
        return {"name": name, "path": str(path), "tensors": None, "sha256": None, "error": str(error)}


def check(file: WeightsFile) -> dict[str, Any]:
    """Read and check a whole weights file; returns the result as JSON."""
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
    """The description of a weights file, as JSON."""
    description = file.description
    return {
        "name": description.name,
        "architecture": description.architecture,
        "dialect": description.dialect,
        "preprocessing": dict(description.preprocessing),
        "classes": len(description.labels),
        "precision": "8 bits" if description.quantised else "float32",
        "source": description.source,
        "licence": description.licence,
        "notes": description.notes,
        "sha256": description.sha256,
        "bytes": file.path.stat().st_size,
        "path": str(file.path),
    }
