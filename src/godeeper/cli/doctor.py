"""``godeeper doctor``: checks the photos in a folder."""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import TYPE_CHECKING

from ..wording import count_of, first_of
from .common import add_command, add_on, exit_code, print_table
from .terminal import complain, print_json, say

if TYPE_CHECKING:
    from ..photos.doctor.checkup import Checkup
    from .common import Verbs

EXAMPLE = """\
  godeeper doctor photos/             photos/cars/*.jpg, photos/bikes/*.jpg, …
  godeeper doctor photos/ --json      verdict, reasons, size and hashes of each file
"""


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "doctor", "check the photos in a folder and report what is wrong", EXAMPLE, run)
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="a folder with one subfolder of photos per class, optionally inside train, val and test; a .csv with path,label[,group][,split]; a .zip; with --on ray also an s3://, gs:// or file:// folder",
    )
    add_on(parser)


def run(options: argparse.Namespace) -> int:
    from ..features.executors.executor import executor_named
    from ..features.inspect_elsewhere import inspection_by
    from ..features.store import ResultStore
    from ..photos.doctor.checkup import examine
    from ..photos.sources.source import open_source
    from ..training.split import too_few_reasons
    from .progress import counter, status

    with (
        open_source(options.folder, remote=bool(options.on)) as source,
        executor_named(options.on, status) as executor,
        counter("photos") as progress,
        ResultStore() as store,
    ):
        checkup = examine(source, progress, store, inspect=inspection_by(executor))
    lines = too_few_reasons(checkup)
    if options.json:
        print_json({**checkup.record(), "few": list(lines)})
    elif not checkup.flat:
        print_text(checkup, lines)
    if not checkup.usable:
        message = checkup.flat or "no photo can be used; the reasons are listed by file"
        complain(f"godeeper: {checkup.folder!s}: {message}")
        return 2
    return exit_code(len(checkup.usable), len(checkup.unusable))


def print_text(checkup: Checkup, too_few_reasons: tuple[str, ...]) -> None:
    """Print a table with a row per file or per kind of finding, then the notes and a summary line."""
    from ..photos.doctor.checkup import counted

    rows = [
        *quarantined(checkup),
        *unclassed(checkup),
        *repaired(checkup),
        *near_duplicates(checkup),
        *quality_remarks(checkup),
    ]
    if rows:
        print_table(("verdict", "photos", "why", "which"), rows)
        say()
    for line in (*checkup.notes, *too_few_reasons):
        say(f"note: {line}")
    say(f"{checkup.folder!s}: {counted(checkup.counts)}; {count_of(len(checkup.classes), 'class', 'classes')}")


def quarantined(checkup: Checkup) -> list[list[str]]:
    """A row for each quarantined photo, except those that only lack a class (see ``unclassed``)."""
    from ..photos.doctor.checkup import NO_CLASS

    return [
        ["quarantined", "1", "; ".join(verdict.reasons), verdict.entry.name]
        for verdict in checkup.verdicts
        if not verdict.usable and verdict.reasons != (NO_CLASS,)
    ]


def unclassed(checkup: Checkup) -> list[list[str]]:
    """One row for all photos that are quarantined only because they have no class."""
    from ..photos.doctor.checkup import NO_CLASS

    names = [verdict.entry.name for verdict in checkup.verdicts if verdict.reasons == (NO_CLASS,)]
    return [["quarantined", str(len(names)), NO_CLASS, first_of(names, 3)]] if names else []


def repaired(checkup: Checkup) -> list[list[str]]:
    """A row for each kind of repair."""
    found: dict[str, list[str]] = defaultdict(list)
    for verdict in checkup.verdicts:
        if verdict.status == "repaired":
            for reason in verdict.reasons:
                found[reason].append(verdict.entry.name)
    return [["repaired", str(len(names)), reason, first_of(names, 3)] for reason, names in sorted(found.items())]


def near_duplicates(checkup: Checkup) -> list[list[str]]:
    """A row for each group of near-duplicates."""
    from ..photos.doctor.checkup import of_one_group

    return [
        [
            "used",
            str(len(each)),
            f"{'one group' if of_one_group(each) else 'near-duplicates'}: kept in one set",
            first_of([v.entry.name for v in each], 3),
        ]
        for each in checkup.alike
    ]


def quality_remarks(checkup: Checkup) -> list[list[str]]:
    """A row for each kind of quality remark on photos that are used."""
    from ..photos.doctor.quality import KINDS

    rows = []
    for kind in KINDS:
        names = [each.entry.name for each in checkup.usable if any(map(kind.matches, each.remarks))]
        if names:
            rows.append(["used", str(len(names)), kind.rule, first_of(names, 3)])
    return rows
