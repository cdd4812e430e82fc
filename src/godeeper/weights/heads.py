"""Finds the classifier of a network in a foreign file, and refuses files with further layers.

The classifier of a fine-tuned network often has another name than in the release.  It is recognised by the shape of its
matrix or, in a graph, by its connections.  A file with further layers contains another network.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import WeightsError
from .candidates import Candidate, CandidateHead, abbreviated, is_head_name
from .file import expected_tensors
from .formats.foreign import FLOATS, ForeignWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

POOLING = re.compile(r"(?:^|[._/])\w*(?:pool|gem|attention|attn)\w*(?:[._/]|$)", re.IGNORECASE)
"""Names of pooling and attention layers, which change the result even if they have only one parameter."""

RETRAINED = {
    "final_result": "softmax",
    "final_training_ops/Wx_plus_b/add": "softmax/logits",
    "final_retrain_ops/Wx_plus_b/add": "softmax/logits",
    "input/BottleneckInputPlaceholder": "pool_3/_reshape",
}
"""Tensor names in TensorFlow's retrain.py -> ours, for graphs in which no classifier was found by its connections."""


def aliases(foreign: ForeignWeights, head: CandidateHead | None) -> dict[str, str]:
    """Name of a tensor of the classifier in the file -> our name, where they differ."""
    for each in foreign.heads:
        if head and each.weights == head.weights:
            return {name: ours for name, ours in each.names.items() if name != ours}
    return {name: ours for name, ours in RETRAINED.items() if head and name in foreign.operations}


def heads_of(
    foreign: ForeignWeights, candidate: Candidate, loose: Sequence[str]
) -> tuple[list[CandidateHead], frozenset[str]]:
    """The classifiers on the network's features, and the tensors of an original classifier that retraining replaced."""
    if foreign.heads:
        known = [CandidateHead(head.weights, head.biases) for head in foreign.heads if head.weights in foreign.tensors]
        old = [head for head in known if head.weights.endswith("softmax/weights")]
        new = [head for head in known if head not in old]
        return (new or old), (used(old) if new else frozenset())
    features, _ = expected_tensors(candidate.blueprint, with_classifier=True)["softmax/weights"]
    return [head for name in loose if (head := head_at(foreign, candidate, name, features))], frozenset()


def head_at(foreign: ForeignWeights, candidate: Candidate, name: str, features: int) -> CandidateHead | None:
    """The classifier with the matrix ``name``; None if that is not the matrix of a classifier."""
    _, word = split(name)
    if word not in BIASES:
        return None
    values, bare = foreign.tensors[name], name.removeprefix(candidate.prefix)
    in_torch = candidate.layout.name == "torchvision"
    if not is_head_name(candidate, bare):
        flat = values.ndim == 2 or (values.ndim == 4 and (values.shape[2:] if in_torch else values.shape[:2]) == (1, 1))
        if not flat or values.shape[1 if in_torch else -2] != features:
            return None
    biases = name[: len(name) - len(word)].replace("/weights/", "/biases/") + BIASES[word]
    if biases in foreign.tensors:
        return CandidateHead(name, biases)
    trusted = is_head_name(candidate, bare) or word in ("kernel", "variable_0") or bare.startswith("fc.")
    return CandidateHead(name, "") if trusted else None


BIASES = {
    "weight": "bias", "weights": "biases", "kernel": "bias", "variable_0": "variable_1", "final_weights": "final_biases",
}  # fmt: skip
"""Last part of the name of a classifier's matrix -> last part of the name of its biases."""


def split(name: str) -> tuple[str, str]:
    """Split a name into layer and tensor: ``fc.1.weight`` -> (``fc.1``, ``weight``), ``dense/kernel``."""
    stem, _, word = name.rpartition("." if "." in name.rpartition("/")[2] else "/")
    return stem, word


def used(heads: Iterable[CandidateHead]) -> frozenset[str]:
    """The names of all tensors of these classifiers."""
    return frozenset(name for head in heads for name in (head.weights, head.biases) if name)


def further_layers(foreign: ForeignWeights, candidate: Candidate, loose: Iterable[str]) -> list[str]:
    """The names of the layers among ``loose``, the tensors of the file that do not belong to the network."""
    words: dict[str, dict[str, NDArray[Any]]] = defaultdict(dict)
    for name in loose:
        if foreign.types[name] in FLOATS:
            stem, word = split(name)
            words[stem or name][word] = foreign.tensors[name]
    return [stem for stem, tensors in words.items() if is_layer(candidate, stem, tensors)]


def is_layer(candidate: Candidate, stem: str, tensors: Mapping[str, NDArray[Any]]) -> bool:
    """Whether tensors with a common prefix are a layer's, and not the weights of a loss or the state of a metric."""
    sides = [values.ndim for values in tensors.values()]
    if candidate.layout.name != "torchvision" and max(sides) >= 2:
        return True
    if max(sides) >= 3 or (
        2 in sides and 1 in sides and tensors.keys() & {"weight", "kernel", "weights", "variable_0"}
    ):
        return True
    return bool(tensors.keys() & {"running_mean", "moving_mean"} or {"mean", "variance"} <= tensors.keys()) or bool(
        POOLING.search(stem)
    )


def choose_head(
    foreign: ForeignWeights, candidate: Candidate, heads: Sequence[CandidateHead], layers: Sequence[str], *, alone: bool
) -> CandidateHead | None:
    """The classifier to use, or None; raises ``WeightsError`` if there are several, or further layers.

    ``alone``: whether the user chose the network with ``--which``; further layers and classifiers are then ignored.
    """
    if len(heads) <= 1 and not layers:
        return heads[0] if heads else None
    if alone:
        return (
            heads[0] if len(heads) == 1 and heads[0].weights.startswith(candidate.prefix) and candidate.prefix else None
        )
    advice = f"--which {candidate.label} uses the network without them"
    if layers:
        where = [split(head.weights)[0] for head in heads]
        raise WeightsError(
            f"{foreign.path}: contains layers that Inception does not have ({abbreviated([*where, *layers])}); "
            f"expected one fully connected layer after the network; {advice}"
        )
    raise WeightsError(
        f"{foreign.path}: contains {len(heads)} classifiers ({abbreviated(head.weights for head in heads)}); expected one; {advice}"
    )


def head_notes(candidate: Candidate, head: CandidateHead | None) -> Iterator[str]:
    """A note on the name of the classifier, if it differs from the release's."""
    if head and not is_head_name(candidate, head.weights.removeprefix(candidate.prefix)):
        yield f"the classifier is {head.weights}"
