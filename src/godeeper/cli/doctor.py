"""``godeeper doctor``: what is wrong with the photos in a folder."""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from .common import add_command, exit_code, print_table
from .terminal import complain, print_json, say

if TYPE_CHECKING:
    from ..photos.doctor.checkup import Checkup
    from .common import Verbs

EXAMPLE = """\
  godeeper doctor photos/             photos/cars/*.jpg, photos/bikes/*.jpg, …
  godeeper doctor photos/ --json      every file's verdict, reasons, size, hashes
"""


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "doctor", "say what is wrong with the photos in a folder", EXAMPLE, run)
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        type=Path,
        help="a folder with one subfolder of photos per class, optionally inside train, val and test; a .csv with path,label[,group][,split]; or a .zip",
    )


def run(options: argparse.Namespace) -> int:
    from ..features.store import ResultStore
    from ..photos.doctor.checkup import examine
    from ..training.split import too_few_reasons
    from .progress import counter

    with counter("photos") as progress, ResultStore() as store:
        checkup = examine(options.folder, progress, store)
    lines = too_few_reasons(checkup)
    if options.json:
        print_json({**checkup.record(), "few": list(lines)})
    elif not checkup.flat:
        print_text(checkup, lines)
    if not checkup.usable:
        message = checkup.flat or "no photo can be used; every file and why not is in the table"
        complain(f"godeeper: {options.folder!s}: {message}")
        return 2
    return exit_code(len(checkup.usable), len(checkup.unusable))


def print_text(checkup: Checkup, too_few_reasons: tuple[str, ...]) -> None:
    """What is wrong, file by file or reason by reason; remarks; one line to sum up."""
    from ..photos.doctor.checkup import counted

    rows = [*quarantined(checkup), *unclassed(checkup), *repaired(checkup), *alike(checkup), *odd_looks(checkup)]
    if rows:
        print_table(("verdict", "photos", "why", "which"), rows)
        say()
    for line in (*checkup.notes, *too_few_reasons):
        say(f"note: {line}")
    say(f"{checkup.folder!s}: {counted(checkup.counts)}; {len(checkup.classes)} classes")


def quarantined(checkup: Checkup) -> list[list[str]]:
    """A row for each photo that is not used."""
    from ..photos.doctor.checkup import NO_CLASS

    return [
        ["quarantined", "1", "; ".join(verdict.reasons), verdict.entry.name]
        for verdict in checkup.verdicts
        if not verdict.usable and verdict.reasons != (NO_CLASS,)
    ]


def unclassed(checkup: Checkup) -> list[list[str]]:
    """One row for all photos that lack nothing but a class."""
    from ..photos.doctor.checkup import NO_CLASS, some

    names = [verdict.entry.name for verdict in checkup.verdicts if verdict.reasons == (NO_CLASS,)]
    return [["quarantined", str(len(names)), NO_CLASS, some(names, 3)]] if names else []


def repaired(checkup: Checkup) -> list[list[str]]:
    """A row for each way in which photos were put right."""
    from ..photos.doctor.checkup import some

    found: dict[str, list[str]] = defaultdict(list)
    for verdict in checkup.verdicts:
        if verdict.status == "repaired":
            for reason in verdict.reasons:
                found[reason].append(verdict.entry.name)
    return [["repaired", str(len(names)), reason, some(names, 3)] for reason, names in sorted(found.items())]


def alike(checkup: Checkup) -> list[list[str]]:
    """A row for each group that stays together."""
    from ..photos.doctor.checkup import of_one_group, some

    return [
        [
            "used",
            str(len(each)),
            f"{'of one group' if of_one_group(each) else 'nearly the same'}, kept in one set",
            some([v.entry.name for v in each], 3),
        ]
        for each in checkup.alike
    ]


def odd_looks(checkup: Checkup) -> list[list[str]]:
    """A row for each kind of remark on photos that are used: how many, what is measured, and which."""
    from ..photos.doctor.checkup import some
    from ..photos.doctor.quality import KINDS

    rows = []
    for kind in KINDS:
        names = [each.entry.name for each in checkup.usable if any(map(kind.says, each.remarks))]
        if names:
            rows.append(["used", str(len(names)), kind.rule, some(names, 3)])
    return rows
