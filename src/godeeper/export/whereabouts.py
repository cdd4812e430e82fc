"""Where the photos are that tested a classifier: its file names them from the folder of the training, wherever that is now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import OptionError
from ..files import read_regular

TRIED = 20  # photos that are looked for in each place


def find_photos(classifier: Path, names: Sequence[Path]) -> list[Path]:
    """The files of the photos ``names``.

    They are looked for in the folder that the training's report (``.json`` beside the classifier) names, in a folder of that name
    beside the classifier, beside the classifier itself, and here.

    Raises:
        OptionError: they are in none of these places.
    """
    if not names:
        return []
    places = list(dict.fromkeys(candidates(classifier)))
    found = {place: sum((place / name).is_file() for name in names[:TRIED]) for place in places}
    best = max(places, key=lambda place: found[place])  # the first of several
    if not found[best]:
        looked = ", ".join(map(str, places))
        raise OptionError(
            f"the {len(names)} photos that tested {classifier} ({names[0]}, …) are not in {looked}; name their folder, or others, with --photos"
        )
    return [best / name for name in names]


def candidates(classifier: Path) -> Iterator[Path]:
    """Folders that the photos' names may start at, the likeliest first."""
    beside, recorded = classifier.resolve().parent, recorded_folder(classifier.with_suffix(".json"))
    if recorded is not None:
        yield recorded if recorded.is_dir() else recorded.parent
        yield beside / recorded.name
    yield beside
    yield Path.cwd()


def recorded_folder(report: Path) -> Path | None:
    """The folder, list or zip that a report says the training was of."""
    try:
        folder = json.loads(read_regular(report))["provenance"]["folder"]
        return Path(folder) if isinstance(folder, str) and "\0" not in folder else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
