"""The names of every site of Inception v4, by rule.

slim  as Inception v3's; two names break the rule.
timm  attribute paths into one long ``features``: ``features.6.branch1.0``.  Its batch normalisation
      holds the ReLU too, so that what lies between them has no name.

Sources: tensorflow/models, research/slim/nets/inception_v4.py; timm, models/inception_v4.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_lowercase as LETTERS

from ..ops import Fork
from . import NamedPlace, NamingConvention, Place, Spelled, with_endings
from .inception_v3 import slim_names, slim_staged

SLIM_EXCEPTIONS = {
    "Mixed_3a/Branch_0/MaxPool_1a_3x3": "Mixed_3a/Branch_0/MaxPool_0a_3x3",
    "Mixed_3a/Branch_1/Conv2d_1a_3x3": "Mixed_3a/Branch_1/Conv2d_0a_3x3",
}
"""Name by the rule -> name as released."""


def timm_names(places: Sequence[NamedPlace]) -> Iterator[Spelled]:
    """``features.0``, ``features.3.maxpool``, ``features.6.branch1.0``, ``features.21.branch2_3a``."""
    stem = sum(placed.place.module is None for placed in places)
    for placed in places:
        place = placed.place
        if place.module is None:
            yield f"features.{place.step}"
        elif place.branch is None:
            yield f"features.{stem + place.module}"
        else:
            part = timm_part(place)
            yield f"features.{stem + place.module}.{part}" if part else None


def timm_part(place: Place) -> str | None:
    """``branch1.0`` of a sequence, ``branch2_3a`` of a branch that forks, ``conv`` in the stem; joins of forks have none."""
    branch = place.branch
    if branch is None:
        return None
    if not branch.label.isdecimal():
        return branch.label
    if not any(isinstance(step, Fork) for step in branch.steps):
        return f"branch{branch.label}" + (f".{place.step}" if len(branch.steps) > 1 else "")
    if place.arm is None and isinstance(branch.steps[place.step or 0], Fork):
        return None
    return f"branch{branch.label}_{place.step}" + ("" if place.arm is None else LETTERS[place.arm])


CONVENTIONS = (
    NamingConvention(
        "slim",
        lambda places: slim_names(places, SLIM_EXCEPTIONS),
        fixed={
            "average": "Logits/AvgPool_1a",
            "reshape": "Logits/PreLogitsFlatten",
            "dense": "Logits/Logits",
            "softmax": "Logits/Predictions",
        },
        staged=slim_staged,
        scopes=("InceptionV4/InceptionV4/", "InceptionV4/"),
    ),
    NamingConvention(
        "timm",
        timm_names,
        fixed={"multiply": "x", "average": "global_pool", "dense": "last_linear"},
        staged=with_endings({"conv": (".conv",), "relu": ("", ".bn")}),
    ),
)
