"""Finds a classifier's test photos, whose names in the report are relative to the training folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import OptionError
from ..files import read_regular

TRIED = 20  # photos to look for in each folder


def find_photos(classifier: Path, names: Sequence[Path]) -> list[Path]:
    """Find the photos with these ``names``, and return their paths.

    These folders are searched: the one that the training report (the ``.json`` next to the classifier) names, a folder of
    that name next to the classifier, the classifier's folder, and the current folder.  The folder with the most photos is
    used.

    Raises:
        OptionError: none of these folders has the photos.
    """
    if not names:
        return []
    places = list(dict.fromkeys(candidates(classifier)))
    counts = {place: sum((place / name).is_file() for name in names[:TRIED]) for place in places}
    best = max(places, key=lambda place: counts[place])  # the first folder, if several have the same count
    if not counts[best]:
        searched = ", ".join(map(str, places))
        raise OptionError(
            f"the {len(names)} test photos of {classifier} ({names[0]}, …) are not in {searched}; give their folder, or other photos, with --photos"
        )
    return [best / name for name in names]


def candidates(classifier: Path) -> Iterator[Path]:
    """Yield folders that the photos' names may be relative to, the most likely first."""
    beside, recorded = classifier.resolve().parent, recorded_folder(classifier.with_suffix(".json"))
    if recorded is not None:
        yield recorded if recorded.is_dir() else recorded.parent
        yield beside / recorded.name
    yield beside
    yield Path.cwd()


def recorded_folder(report: Path) -> Path | None:
    """The training folder, list or zip that a report names."""
    try:
        folder = json.loads(read_regular(report))["provenance"]["folder"]
        return Path(folder) if isinstance(folder, str) and "\0" not in folder else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
