"""Selects the tensors of one network and its classifier from a foreign file, with the names of its release.

``candidates`` finds the network and ``heads`` its classifier.  Other tensors are skipped with a note, but a file with
further layers is refused, because it contains another network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..blueprint.ops import Blueprint
from .candidates import Candidate, CandidateHead, abbreviated, belongs, candidates_of, choose
from .formats.foreign import ForeignWeights
from .heads import aliases, choose_head, further_layers, head_notes, heads_of, used
from .layouts import Axes, ReleaseLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Selected:
    """The tensors of the selected network with the names of its release, and notes on the selection.

    ``scope``: the prefix of the network's names in the file.  ``aliases``: further tensor names in the file -> ours.
    """

    foreign: ForeignWeights
    blueprint: Blueprint
    layout: ReleaseLayout
    scope: str
    aliases: Mapping[str, str]
    reasons: tuple[str, ...]


def select(foreign: ForeignWeights, which: str | None = None) -> Selected:
    """The network in a file; raises ``WeightsError`` if there is none, more than one, or one with further layers.

    ``which``: the network to use if there are several; its further layers are then ignored.
    """
    candidate, others, reasons = choose(foreign, candidates_of(foreign), which)
    inside = {name: name[len(candidate.prefix) :] for name in foreign.tensors if name.startswith(candidate.prefix)}
    biases = frozenset(foreign.folded.values())
    own = {name: bare for name, bare in inside.items() if belongs(candidate, bare) and name not in biases}
    copies = frozenset[str]().union(*(other.names for other in others))
    other_prefixes = [other.prefix for other in others if other.prefix]
    loose = [
        name
        for name in foreign.tensors
        if name not in own
        and name not in biases
        and name not in copies
        and not name.startswith(tuple(other_prefixes) or ("\0",))
    ]
    heads, unused = heads_of(foreign, candidate, loose)
    layers = further_layers(
        foreign, candidate, [name for name in loose if name not in used(heads) and name not in unused]
    )
    head = choose_head(foreign, candidate, heads, layers, alone=which is not None)
    renamed = without_prefix(foreign, candidate, own, head)
    left = [name for name in loose if name not in used([head] if head else [])]
    notes = (*reasons, *scope_notes(candidate), *head_notes(candidate, head), *left_notes(left))
    return Selected(renamed, candidate.blueprint, candidate.layout, candidate.prefix, aliases(foreign, head), notes)


def without_prefix(
    foreign: ForeignWeights, candidate: Candidate, own: Mapping[str, str], head: CandidateHead | None
) -> ForeignWeights:
    """The tensors of the network and its classifier with the release's names.

    ``own``: name in the file -> name without the prefix.
    """
    slots = candidate.layout.slots(candidate.blueprint, own.values())
    ends = {slot.name: name for name, slot in slots.items() if slot.name.startswith("softmax/")}
    tensors = {bare: foreign.tensors[name] for name, bare in own.items()}
    types = {bare: foreign.types[name] for name, bare in own.items()}
    if head:
        matrix = foreign.tensors[head.weights]
        tensors[ends["softmax/weights"]] = flat_matrix(matrix, slots[ends["softmax/weights"]].axes)
        types[ends["softmax/weights"]] = foreign.types[head.weights]
    if head and head.biases:
        tensors[ends["softmax/biases"]] = foreign.tensors[head.biases]
        types[ends["softmax/biases"]] = foreign.types[head.biases]
    cut = len(candidate.prefix)
    operations = {name.removeprefix(candidate.prefix): kind for name, kind in foreign.operations.items()}
    folded = {kernel[cut:]: bias for kernel, bias in foreign.folded.items() if kernel in own}
    for kernel, bias in folded.items():
        tensors[f"{kernel}{FOLDED}"], types[f"{kernel}{FOLDED}"] = foreign.tensors[bias], foreign.types[bias]
    ends_in = (each.activation for each in foreign.heads if head and each.weights == head.weights)
    activation = next(ends_in, foreign.activation)
    return replace(foreign, tensors=tensors, types=types, operations=operations, folded=folded, activation=activation)


FOLDED = " bias"
"""The name of the bias of a folded batch normalisation is the name of its kernel with this suffix."""


def flat_matrix(matrix: NDArray[Any], axes: Axes) -> NDArray[Any]:
    """The matrix of a classifier without the spatial axes of a 1x1 convolution; unchanged if the release has these axes."""
    if axes == "1x1 HWIO" or matrix.ndim != 4:
        return matrix
    return (
        matrix[:, :, 0, 0]
        if axes == "classes first" and matrix.shape[2:] == (1, 1)
        else matrix.reshape(matrix.shape[-2:])
    )


def scope_notes(candidate: Candidate) -> tuple[str, ...]:
    """A note on the prefix of the network's names, if they have one."""
    return (f"names begin with {candidate.prefix}",) if candidate.prefix else ()


def left_notes(left: Sequence[str]) -> tuple[str, ...]:
    """A note on the tensors that were skipped because they do not belong to the network, if there are any."""
    return (f"skipped {len(left)} tensors that do not belong to the network: {abbreviated(left)}",) if left else ()
