"""Class names that people easily take for one another."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable


def same_names(labels: Iterable[str]) -> Iterable[str]:
    """A remark on class names that people easily take for one another; they stay classes of their own."""
    found: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        found[simplified(label)].append(label)
    for names in found.values():
        if len(names) > 1:
            quoted = " and ".join(map(repr, names))
            yield f"classes {quoted} differ only in how they are written; they are kept apart, join them if they are one"


def simplified(label: str) -> str:
    """A class name less case, Unicode composition, and the kind of space."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    return "/".join(re.sub(r"[\s_-]+", " ", part).strip() for part in folded.split("/"))
