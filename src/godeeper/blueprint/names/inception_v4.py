"""The rules that name the sites of Inception v4 in two conventions.

slim  the same rule as for Inception v3; two names break it.
timm  attribute paths within ``features``: ``features.6.branch1.0``.  The batch normalisation layer includes the
      ReLU, so the value between them has no name.

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
"""Name by the rule -> name in the release."""


def timm_names(places: Sequence[NamedPlace]) -> Iterator[Spelled]:
    """Names such as ``features.0``, ``features.3.maxpool``, ``features.6.branch1.0`` and ``features.21.branch2_3a``."""
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
    """The name of a site in its module; None for the join of a fork.

    It is ``branch1.0`` in a plain branch, ``branch2_3a`` in a branch with a fork, and ``conv`` in the first modules.
    """
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
