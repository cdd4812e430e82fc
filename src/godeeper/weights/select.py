"""Which part of a foreign file is the network: the prefix before its names, one copy of several, its classifier.

Wrappers (DataParallel, Lightning, people's own classes) put a prefix before every name, and training scripts keep
other things beside the network.  ``select`` finds the network's tensors and its classifier, gives them the names of
their convention, and says what it left.  Nothing is left that computes: further layers make it another network.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..blueprint.inception_v3 import INCEPTION_V3
from ..blueprint.networks import BLUEPRINTS
from ..blueprint.ops import Blueprint
from ..errors import WeightsError
from ..escaping import escaped
from .file import expected_tensors
from .formats.foreign import FLOATS, ForeignWeights
from .layouts import CONVENTIONS, ReleaseLayout
from .unsupported import NOT_YET, known_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE = "network"
"""What a part without a prefix is called; ``--which network`` also leaves layers that stand beside it."""

AVERAGED = re.compile(r"(?:^|_)(?:ema|swa|shadow|averaged?)(?:_|$)", re.IGNORECASE)
"""A word of a prefix that says: moving averages of the weights (EMA, SWA)."""

POOLING = re.compile(r"(?:^|[._/])\w*(?:pool|gem|attention|attn)\w*(?:[._/]|$)", re.IGNORECASE)
"""Where even a single number changes what a network computes."""

LEAST_KNOWN = 1 / 6
"""Share of a convention's names that a file must have; of a graph with folded normalisations a fifth is left."""

LONGEST_NAME = 512
MOST_NAMED = 3


@dataclass(frozen=True)
class Candidate:
    """One copy of a network in a file: what stands before its names, and the names that are known."""

    network: Blueprint
    convention: ReleaseLayout
    prefix: str
    names: frozenset[str] = field(repr=False)

    @property
    def label(self) -> str:
        """What ``--which`` calls it."""
        return self.prefix.rstrip("./") or WHOLE

    @property
    def averaged(self) -> bool:
        return any(AVERAGED.search(word) for word in re.split(r"[./]", self.prefix))


@dataclass(frozen=True)
class CandidateHead:
    """A classifier's tensors by their names in the file; ``biases`` empty where it has none."""

    weights: str
    biases: str


@dataclass(frozen=True)
class Selected:
    """The network's tensors under the names of their convention, and what to say of the choice.

    ``scope``: what the file writes before the network's names.  ``aliases``: the file's further names of tensors
    -> ours.
    """

    foreign: ForeignWeights
    network: Blueprint
    convention: ReleaseLayout
    scope: str
    aliases: Mapping[str, str]
    reasons: tuple[str, ...]


def select(foreign: ForeignWeights, which: str | None = None) -> Selected:
    """The network in a file; raises ``WeightsError`` where there is none, or several, or one with further layers."""
    part, others, why = choose(foreign, candidates_of(foreign), which)
    inside = {name: name[len(part.prefix) :] for name in foreign.tensors if name.startswith(part.prefix)}
    biases = frozenset(foreign.folded.values())
    taken = {name: bare for name, bare in inside.items() if belongs(part, bare) and name not in biases}
    copies = frozenset[str]().union(*(other.names for other in others))
    apart = [other.prefix for other in others if other.prefix]
    loose = [
        name
        for name in foreign.tensors
        if name not in taken
        and name not in biases
        and name not in copies
        and not name.startswith(tuple(apart) or ("\0",))
    ]
    heads, unused = heads_of(foreign, part, loose)
    layers = further_layers(foreign, part, [name for name in loose if name not in used(heads) and name not in unused])
    head = settle_head(foreign, part, heads, layers, alone=which is not None)
    ours = named(foreign, part, taken, head)
    left = [name for name in loose if name not in used([head] if head else [])]
    reasons = (*why, *scope_notes(part), *head_notes(part, head), *left_notes(left))
    return Selected(ours, part.network, part.convention, part.prefix, aliases(foreign, head), reasons)


RETRAINED = {
    "final_result": "softmax",
    "final_training_ops/Wx_plus_b/add": "softmax/logits",
    "final_retrain_ops/Wx_plus_b/add": "softmax/logits",
    "input/BottleneckInputPlaceholder": "pool_3/_reshape",
}
"""What TensorFlow's retrain.py calls tensors, where a graph does not say how its nodes hang together."""


def aliases(foreign: ForeignWeights, head: CandidateHead | None) -> dict[str, str]:
    """The file's own names of the classifier's tensors -> ours."""
    for each in foreign.heads:
        if head and each.weights == head.weights:
            return {name: ours for name, ours in each.names.items() if name != ours}
    return {name: ours for name, ours in RETRAINED.items() if head and name in foreign.operations}


def candidates_of(foreign: ForeignWeights) -> list[Candidate]:
    """Every copy of a network in the file, the most complete first; copies share no tensor."""
    networks = [network for network in BLUEPRINTS.values() if network.family == INCEPTION_V3.family]
    found = [
        part for network in networks for convention in CONVENTIONS for part in known_under(foreign, network, convention)
    ]
    found.sort(key=lambda part: (-len(part.names), len(part.prefix)))
    apart: list[Candidate] = []
    for part in found:
        if all(part.names.isdisjoint(other.names) for other in apart):
            apart.append(part)
    return apart


def known_under(foreign: ForeignWeights, network: Blueprint, convention: ReleaseLayout) -> Iterator[Candidate]:
    """The prefixes under which enough names of one convention are there."""
    known: dict[str, set[str]] = defaultdict(set)
    slots = frozenset(convention.slots(network, ()))
    for name in foreign.tensors:
        for prefix in prefixes(name):
            if convention.name == "keras" or name[len(prefix) :] in slots:
                known[prefix].add(name)
    for prefix, names in known.items():
        if convention.name == "keras":
            bare = {name[len(prefix) :] for name in names}
            if not any(re.match(r"conv2d(_\d+)?/", name) for name in bare):
                continue
            slots = frozenset(convention.slots(network, bare))
            names = {name for name in names if name[len(prefix) :] in slots}
        if len(names) >= len(slots) * LEAST_KNOWN:
            yield Candidate(network, convention, prefix, frozenset(names))


def prefixes(name: str) -> Iterator[str]:
    """Nothing, and every beginning of a name that ends where a word does."""
    yield ""
    if len(name) <= LONGEST_NAME:
        yield from (name[: match.end()] for match in re.finditer(r"[./]", name))


def choose(
    foreign: ForeignWeights, parts: Sequence[Candidate], which: str | None
) -> tuple[Candidate, list[Candidate], tuple[str, ...]]:
    """(The part to take, the others, what to say of the choice)."""
    if not parts:
        raise another_network(foreign)
    distinct = without_doubles(foreign, parts)
    plain = [part for part in distinct if not part.averaged]
    wanted = [part for part in parts if is_called(part, which)] if which else plain or distinct
    listed = ", ".join(part.label for part in parts)
    if not wanted:
        raise WeightsError(
            f"{foreign.path}: nothing in it is called {which!r}; expected --which to be one of: {listed}"
        )
    if len(wanted) > 1:
        raise WeightsError(
            f"{foreign.path}: holds {len(wanted)} networks ({', '.join(part.label for part in wanted)}); "
            f"say which to take: --which {wanted[0].label}"
        )
    others = [part for part in parts if part is not wanted[0]]
    return wanted[0], others, choice_notes(wanted[0], [part for part in others if part in distinct])


def without_doubles(foreign: ForeignWeights, parts: Sequence[Candidate]) -> list[Candidate]:
    """Parts with the same numbers as an earlier one left out: one module under two names."""
    import numpy as np

    def same(one: Candidate, other: Candidate) -> bool:
        pairs = {name[len(one.prefix) :]: name for name in one.names}
        return {name[len(other.prefix) :] for name in other.names} == set(pairs) and all(
            np.array_equal(foreign.tensors[name], foreign.tensors[pairs[name[len(other.prefix) :]]])
            for name in other.names
        )

    kept: list[Candidate] = []
    for part in parts:
        if part.averaged or not any(same(earlier, part) for earlier in kept):
            kept.append(part)
    return kept


def is_called(part: Candidate, which: str) -> bool:
    """Whether ``which`` is the part's label, a word of it, or asks for averages."""
    words = {part.label.casefold(), *re.split(r"[./]", part.label.casefold())}
    return which.casefold().rstrip("./") in words or (which.casefold() == "ema" and part.averaged)


def choice_notes(part: Candidate, others: Sequence[Candidate]) -> tuple[str, ...]:
    """Which copy was taken, and how to take another."""
    if not others:
        return (f"{part.label}: moving averages of the weights",) if part.averaged else ()
    kind = "moving averages of the weights" if part.averaged else "the weights themselves"
    rest = ", ".join(f"{other.label}{' (moving averages)' if other.averaged else ''}" for other in others)
    return (f"{1 + len(others)} copies: took {part.label}, {kind}; left {rest}, which --which takes",)


def belongs(part: Candidate, bare: str) -> bool:
    """Whether a name is the network's own: known, or inside one of its modules; its classifier is found apart."""
    if part.convention.dropped.search(bare):
        return True
    return bool(re.match(own_names(part.convention.name), bare)) and not is_head_name(part, bare)


def own_names(convention: str) -> str:
    """What the names of a network's layers begin with, in one convention."""
    return {
        "torchvision": r"(Conv2d_\w+|Mixed_\w+)\.",
        "tf2015": r"(conv|mixed)(_\d+)?/",
        "slim": r"InceptionV3/",
        "keras": r"(conv2d|batch_normalization)(_\d+)?/",
    }[convention]


def is_head_name(part: Candidate, bare: str) -> bool:
    """Whether the convention itself calls the classifier so."""
    names = {
        "torchvision": r"fc\.(weight|bias)",
        "tf2015": r"softmax/(weights|biases)",
        "slim": r"InceptionV3/Logits/Conv2d_1c_1x1/(weights|biases)",
        "keras": r"predictions/(kernel|bias)",
    }
    return bool(re.fullmatch(names[part.convention.name], bare))


def heads_of(
    foreign: ForeignWeights, part: Candidate, loose: Sequence[str]
) -> tuple[list[CandidateHead], frozenset[str]]:
    """(The classifiers on the network's features, the tensors of the one that a retrained graph no longer uses)."""
    if foreign.heads:
        known = [CandidateHead(head.weights, head.biases) for head in foreign.heads if head.weights in foreign.tensors]
        old = [head for head in known if head.weights.endswith("softmax/weights")]
        new = [head for head in known if head not in old]
        return (new or old), (used(old) if new else frozenset())
    features, _ = expected_tensors(part.network, with_classifier=True)["softmax/weights"]
    return [head for name in loose if (head := head_at(foreign, part, name, features))], frozenset()


def head_at(foreign: ForeignWeights, part: Candidate, name: str, features: int) -> CandidateHead | None:
    """The classifier whose matrix ``name`` is; None where it is none."""
    _, word = split(name)
    if word not in BIASES:
        return None
    values, bare = foreign.tensors[name], name.removeprefix(part.prefix)
    in_torch = part.convention.name == "torchvision"
    if not is_head_name(part, bare):
        flat = values.ndim == 2 or (values.ndim == 4 and (values.shape[2:] if in_torch else values.shape[:2]) == (1, 1))
        if not flat or values.shape[1 if in_torch else -2] != features:
            return None
    biases = name[: len(name) - len(word)].replace("/weights/", "/biases/") + BIASES[word]
    if biases in foreign.tensors:
        return CandidateHead(name, biases)
    trusted = is_head_name(part, bare) or word in ("kernel", "variable_0") or bare.startswith("fc.")
    return CandidateHead(name, "") if trusted else None


BIASES = {
    "weight": "bias", "weights": "biases", "kernel": "bias", "variable_0": "variable_1", "final_weights": "final_biases",
}  # fmt: skip
"""What a classifier's matrix is called -> what its biases are, beside it."""


def split(name: str) -> tuple[str, str]:
    """(A layer's name, what its tensor is called): ``fc.1.weight``, ``dense/kernel``."""
    stem, _, word = name.rpartition("." if "." in name.rpartition("/")[2] else "/")
    return stem, word


def used(heads: Iterable[CandidateHead]) -> frozenset[str]:
    """The tensors of classifiers."""
    return frozenset(name for head in heads for name in (head.weights, head.biases) if name)


def further_layers(foreign: ForeignWeights, part: Candidate, loose: Iterable[str]) -> list[str]:
    """The layers among tensors that are not the network's: kernels, dense layers, normalisations."""
    words: dict[str, dict[str, NDArray[Any]]] = defaultdict(dict)
    for name in loose:
        if foreign.types[name] in FLOATS:
            stem, word = split(name)
            words[stem or name][word] = foreign.tensors[name]
    return [stem for stem, tensors in words.items() if is_layer(part, stem, tensors)]


def is_layer(part: Candidate, stem: str, tensors: Mapping[str, NDArray[Any]]) -> bool:
    """Whether these tensors of one name are a layer that computes, not a loss's weights or a metric's state."""
    sides = [values.ndim for values in tensors.values()]
    if part.convention.name != "torchvision" and max(sides) >= 2:
        return True
    if max(sides) >= 3 or (
        2 in sides and 1 in sides and tensors.keys() & {"weight", "kernel", "weights", "variable_0"}
    ):
        return True
    return bool(tensors.keys() & {"running_mean", "moving_mean"} or {"mean", "variance"} <= tensors.keys()) or bool(
        POOLING.search(stem)
    )


def settle_head(
    foreign: ForeignWeights, part: Candidate, heads: Sequence[CandidateHead], layers: Sequence[str], *, alone: bool
) -> CandidateHead | None:
    """The classifier to take; none where the file has none, or has more and only the network was asked for."""
    if len(heads) <= 1 and not layers:
        return heads[0] if heads else None
    if alone:
        return heads[0] if len(heads) == 1 and heads[0].weights.startswith(part.prefix) and part.prefix else None
    way = f"--which {part.label} takes the network without them"
    if layers:
        where = [split(head.weights)[0] for head in heads]
        raise WeightsError(
            f"{foreign.path}: holds layers that Inception does not have ({few([*where, *layers])}); "
            f"expected one fully connected layer after the network; {way}"
        )
    raise WeightsError(
        f"{foreign.path}: holds {len(heads)} classifiers ({few(head.weights for head in heads)}); expected one; {way}"
    )


def named(
    foreign: ForeignWeights, part: Candidate, taken: Mapping[str, str], head: CandidateHead | None
) -> ForeignWeights:
    """The network's tensors under the names of their convention, its classifier's included."""
    names = dict(taken)
    slots = part.convention.slots(part.network, taken.values())
    ends = {slot.name: name for name, slot in slots.items() if slot.name.startswith("softmax/")}
    tensors = {bare: foreign.tensors[name] for name, bare in names.items()}
    types = {bare: foreign.types[name] for name, bare in names.items()}
    if head:
        matrix = foreign.tensors[head.weights]
        layout = slots[ends["softmax/weights"]].layout
        tensors[ends["softmax/weights"]] = flat_matrix(matrix, layout)
        types[ends["softmax/weights"]] = foreign.types[head.weights]
    if head and head.biases:
        tensors[ends["softmax/biases"]] = foreign.tensors[head.biases]
        types[ends["softmax/biases"]] = foreign.types[head.biases]
    cut = len(part.prefix)
    operations = {name.removeprefix(part.prefix): kind for name, kind in foreign.operations.items()}
    folded = {kernel[cut:]: bias for kernel, bias in foreign.folded.items() if kernel in taken}
    for kernel, bias in folded.items():
        tensors[f"{kernel}{FOLDED}"], types[f"{kernel}{FOLDED}"] = foreign.tensors[bias], foreign.types[bias]
    ends_in = (each.activation for each in foreign.heads if head and each.weights == head.weights)
    activation = next(ends_in, foreign.activation)
    return replace(foreign, tensors=tensors, types=types, operations=operations, folded=folded, activation=activation)


FOLDED = " bias"
"""After a kernel's name: the bias that stands for the normalisation folded into it."""


def flat_matrix(matrix: NDArray[Any], layout: str) -> NDArray[Any]:
    """A classifier's matrix without the sides of a 1x1 convolution, where its convention has none."""
    if layout == "1x1 HWIO" or matrix.ndim != 4:
        return matrix
    return (
        matrix[:, :, 0, 0]
        if layout == "classes first" and matrix.shape[2:] == (1, 1)
        else matrix.reshape(matrix.shape[-2:])
    )


def scope_notes(part: Candidate) -> tuple[str, ...]:
    """What the file writes before the network's names."""
    return (f"names begin with {part.prefix}",) if part.prefix else ()


def head_notes(part: Candidate, head: CandidateHead | None) -> Iterator[str]:
    """Where the classifier was found, if not where the convention has it."""
    if head and not is_head_name(part, head.weights.removeprefix(part.prefix)):
        yield f"the classifier is {head.weights}"


def left_notes(left: Sequence[str]) -> tuple[str, ...]:
    """The tensors that were left out because they are not the network's."""
    return (f"left {len(left)} tensors that are not the network's: {few(left)}",) if left else ()


def another_network(foreign: ForeignWeights) -> WeightsError:
    """The error for a file in which no network was found, by the network's name where it is known."""
    known = known_network(foreign.tensors)
    if NOT_YET in known:
        return WeightsError(f"{foreign.path}: {known}")
    name = f" ({known})" if known else ""
    return WeightsError(
        f"{foreign.path}: weights of another network{name}: its {len(foreign.tensors)} tensors are called {few(foreign.tensors)}; "
        f"expected those of {INCEPTION_V3.name} as the 2015 graph, slim, torchvision or Keras call them"
    )


def few(names: Iterable[str]) -> str:
    """The first names, and that there are more."""
    listed = list(map(escaped, names))
    return ", ".join(listed[:MOST_NAMED]) + (", …" if len(listed) > MOST_NAMED else "")
