"""Find class names that differ only in case, spacing or Unicode form."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable


def same_names(labels: Iterable[str]) -> Iterable[str]:
    """Yield a note for each set of class names that are equal when simplified."""
    by_simple_name: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        by_simple_name[simplified(label)].append(label)
    for names in by_simple_name.values():
        if len(names) > 1:
            quoted = " and ".join(map(repr, names))
            yield f"classes {quoted} differ only in spelling; they stay separate classes: merge the folders if they are one class"


def simplified(label: str) -> str:
    """A class name, case-folded and normalised to NFKC, with each run of spaces, hyphens and underscores as one space."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    return "/".join(re.sub(r"[\s_-]+", " ", part).strip() for part in folded.split("/"))
