"""Finds the networks in a foreign file, and chooses one.

A file may contain several copies of a network: training scripts also store moving averages of the weights.  Wrappers
(DataParallel, Lightning, custom classes) add a prefix to all names.  A prefix is a candidate if the file has enough of
the names of one release after this prefix.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..blueprint.inception_v3 import INCEPTION_V3
from ..blueprint.networks import BLUEPRINTS
from ..blueprint.ops import Blueprint
from ..errors import WeightsError
from ..escaping import escaped
from .formats.foreign import ForeignWeights
from .layouts import LAYOUTS, ReleaseLayout
from .unsupported import NOT_YET, known_network

WHOLE = "network"
"""The label of a candidate without a prefix."""

AVERAGED = re.compile(r"(?:^|_)(?:ema|swa|shadow|averaged?)(?:_|$)", re.IGNORECASE)
"""A word in the prefix of moving averages of the weights (EMA, SWA)."""

LEAST_KNOWN = 1 / 6
"""The minimum share of a release's names in a candidate; a graph with folded normalisations has a fifth of them."""

LONGEST_NAME = 512

MOST_NAMED = 3


@dataclass(frozen=True)
class Candidate:
    """One copy of a network in a file.  ``names``: its tensors in the file, including the prefix."""

    blueprint: Blueprint
    layout: ReleaseLayout
    prefix: str
    names: frozenset[str] = field(repr=False)

    @property
    def label(self) -> str:
        """The value of ``--which`` that selects this candidate."""
        return self.prefix.rstrip("./") or WHOLE

    @property
    def averaged(self) -> bool:
        return any(AVERAGED.search(word) for word in re.split(r"[./]", self.prefix))


@dataclass(frozen=True)
class CandidateHead:
    """The names of a classifier's tensors in the file; ``biases`` is empty if the file has none."""

    weights: str
    biases: str


def candidates_of(foreign: ForeignWeights) -> list[Candidate]:
    """The copies of a network in the file, the most complete first; no tensor belongs to two of them."""
    blueprints = [blueprint for blueprint in BLUEPRINTS.values() if blueprint.family == INCEPTION_V3.family]
    found = [
        candidate
        for blueprint in blueprints
        for layout in LAYOUTS
        for candidate in candidates_in_layout(foreign, blueprint, layout)
    ]
    found.sort(key=lambda candidate: (-len(candidate.names), len(candidate.prefix)))
    apart: list[Candidate] = []
    for candidate in found:
        if all(candidate.names.isdisjoint(other.names) for other in apart):
            apart.append(candidate)
    return apart


def candidates_in_layout(foreign: ForeignWeights, blueprint: Blueprint, layout: ReleaseLayout) -> Iterator[Candidate]:
    """Yield the candidates with the layout of one release: one for each prefix with enough names."""
    known: dict[str, set[str]] = defaultdict(set)
    slots = frozenset(layout.slots(blueprint, ()))
    for name in foreign.tensors:
        for prefix in prefixes(name):
            if layout.name == "keras" or name[len(prefix) :] in slots:
                known[prefix].add(name)
    for prefix, names in known.items():
        if layout.name == "keras":
            bare = {name[len(prefix) :] for name in names}
            if not any(re.match(r"conv2d(_\d+)?/", name) for name in bare):
                continue
            slots = frozenset(layout.slots(blueprint, bare))
            names = {name for name in names if name[len(prefix) :] in slots}
        if len(names) >= len(slots) * LEAST_KNOWN:
            yield Candidate(blueprint, layout, prefix, frozenset(names))


def prefixes(name: str) -> Iterator[str]:
    """The empty prefix and all prefixes of a name that end with a dot or slash."""
    yield ""
    if len(name) <= LONGEST_NAME:
        yield from (name[: match.end()] for match in re.finditer(r"[./]", name))


def choose(
    foreign: ForeignWeights, candidates: Sequence[Candidate], which: str | None
) -> tuple[Candidate, list[Candidate], tuple[str, ...]]:
    """The chosen candidate, the others, and notes on the choice; raises ``WeightsError`` if no choice is possible."""
    if not candidates:
        raise another_network(foreign)
    distinct = without_copies(foreign, candidates)
    plain = [candidate for candidate in distinct if not candidate.averaged]
    wanted = [candidate for candidate in candidates if is_selected_by(candidate, which)] if which else plain or distinct
    listed = ", ".join(candidate.label for candidate in candidates)
    if not wanted:
        raise WeightsError(
            f"{foreign.path}: contains no network called {which!r}; expected --which to be one of: {listed}"
        )
    if len(wanted) > 1:
        raise WeightsError(
            f"{foreign.path}: contains {len(wanted)} networks ({', '.join(candidate.label for candidate in wanted)}); "
            f"choose one with --which, for example --which {wanted[0].label}"
        )
    others = [candidate for candidate in candidates if candidate is not wanted[0]]
    return wanted[0], others, choice_notes(wanted[0], [candidate for candidate in others if candidate in distinct])


def without_copies(foreign: ForeignWeights, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates without exact copies of earlier candidates, except moving averages, which are all kept.

    A file has copies if it stores one module under two names.
    """
    import numpy as np

    def equal(a: Candidate, b: Candidate) -> bool:
        in_a = {name[len(a.prefix) :]: name for name in a.names}
        return {name[len(b.prefix) :] for name in b.names} == set(in_a) and all(
            np.array_equal(foreign.tensors[name], foreign.tensors[in_a[name[len(b.prefix) :]]]) for name in b.names
        )

    kept: list[Candidate] = []
    for candidate in candidates:
        if candidate.averaged or not any(equal(earlier, candidate) for earlier in kept):
            kept.append(candidate)
    return kept


def is_selected_by(candidate: Candidate, which: str) -> bool:
    """Whether ``which`` is the candidate's label or a word of it, or ``ema`` for moving averages."""
    words = {candidate.label.casefold(), *re.split(r"[./]", candidate.label.casefold())}
    return which.casefold().rstrip("./") in words or (which.casefold() == "ema" and candidate.averaged)


def choice_notes(candidate: Candidate, others: Sequence[Candidate]) -> tuple[str, ...]:
    """A note on which copy was chosen, and how to choose another."""
    if not others:
        return (f"{candidate.label}: moving averages of the weights",) if candidate.averaged else ()
    kind = "moving averages of the weights" if candidate.averaged else "the weights themselves"
    rest = ", ".join(f"{other.label}{' (moving averages)' if other.averaged else ''}" for other in others)
    return (f"{1 + len(others)} copies: used {candidate.label}, {kind}; ignored {rest} (choose with --which)",)


def belongs(candidate: Candidate, bare: str) -> bool:
    """Whether a name without prefix belongs to the network; False for the classifier, which ``heads`` finds."""
    if candidate.layout.dropped.search(bare):
        return True
    return bool(re.match(layer_pattern(candidate.layout.name), bare)) and not is_head_name(candidate, bare)


def layer_pattern(layout: str) -> str:
    """The pattern of the first part of a layer's name in one layout."""
    return {
        "torchvision": r"(Conv2d_\w+|Mixed_\w+)\.",
        "tf2015": r"(conv|mixed)(_\d+)?/",
        "slim": r"InceptionV3/",
        "keras": r"(conv2d|batch_normalization)(_\d+)?/",
    }[layout]


def is_head_name(candidate: Candidate, bare: str) -> bool:
    """Whether a name belongs to the release's classifier."""
    names = {
        "torchvision": r"fc\.(weight|bias)",
        "tf2015": r"softmax/(weights|biases)",
        "slim": r"InceptionV3/Logits/Conv2d_1c_1x1/(weights|biases)",
        "keras": r"predictions/(kernel|bias)",
    }
    return bool(re.fullmatch(names[candidate.layout.name], bare))


def another_network(foreign: ForeignWeights) -> WeightsError:
    """The error for a file without a supported network; its message names the network if it is recognised."""
    known = known_network(foreign.tensors)
    if NOT_YET in known:
        return WeightsError(f"{foreign.path}: {known}")
    name = f" ({known})" if known else ""
    return WeightsError(
        f"{foreign.path}: weights of another network{name}: its {len(foreign.tensors)} tensors are named {abbreviated(foreign.tensors)}; "
        f"expected {INCEPTION_V3.name} with the names of the 2015 graph, slim, torchvision or Keras"
    )


def abbreviated(names: Iterable[str]) -> str:
    """The first few names, followed by an ellipsis if there are more."""
    listed = list(map(escaped, names))
    return ", ".join(listed[:MOST_NAMED]) + (", …" if len(listed) > MOST_NAMED else "")
