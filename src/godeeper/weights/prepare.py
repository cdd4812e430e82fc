"""Prepares a selected network for conversion: chooses its dialect, and changes it to the structure of the blueprint.

Batch normalisations that were folded into kernels become separate again, and a single logistic output becomes two
classes with a softmax.  Neither changes the values that the network computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..blueprint.dialects import DIALECTS, in_dialect
from ..blueprint.ops import Blueprint
from ..errors import WeightsError
from ..escaping import escaped
from .file import BATCHNORM_EPSILON
from .formats.foreign import ForeignWeights
from .layouts import NORM_PARTS, ReleaseLayout, Slot
from .select import FOLDED, Selected

SOFTMAX = ("softmax", "log_softmax")
"""Final activations for which the probabilities are the softmax of the logits, as in godeeper."""


@dataclass(frozen=True)
class PreparedNetwork:
    """The selected network in its dialect, with tensors ready to be converted, and notes on the preparation.

    ``slots``: tensor name in the release -> our tensor.  ``classes``: outputs of the classifier, 0 without one.
    ``logistic``: whether the classifier in the file has a single output.
    """

    selected: Selected
    foreign: ForeignWeights
    slots: Mapping[str, Slot]
    blueprint: Blueprint
    classes: int
    logistic: bool
    notes: tuple[str, ...]


def prepare(selected: Selected) -> PreparedNetwork:
    """The selected network in its dialect, with separate batch normalisations and a softmax classifier."""
    slots = selected.layout.slots(selected.blueprint, selected.foreign.tensors)
    foreign, about_folding = unfold(selected.foreign, slots)
    foreign, about_output = split_logistic(foreign, slots)
    classes = count_classes(foreign, slots)
    dialect, why = decide_dialect(selected.layout, classes, foreign, slots)
    blueprint = replace(in_dialect(selected.blueprint, dialect), classes=classes or DIALECTS[dialect].classes)
    notes = (*why, *selected.reasons, *foreign.notes, about_folding, about_output)
    return PreparedNetwork(selected, foreign, slots, blueprint, classes, bool(about_output), notes)


def count_classes(foreign: ForeignWeights, slots: Mapping[str, Slot]) -> int:
    """The number of outputs of the classifier in the file; 0 without one."""
    biases = [name for name, slot in slots.items() if slot.name == "softmax/biases" and name in foreign.tensors]
    return foreign.tensors[biases[0]].size if biases else 0


def unfold(foreign: ForeignWeights, slots: Mapping[str, Slot]) -> tuple[ForeignWeights, str]:
    """The weights with separate batch normalisations in place of those folded into kernels, and a note.

    The new normalisations only add the stored bias: gamma 1, mean 0, variance 1 - epsilon.  Their scale is exactly 1 in
    single precision, so the network computes the same values.
    """
    import numpy as np

    scopes = {slot.name: their_name for their_name, slot in slots.items()}
    tensors, types = dict(foreign.tensors), dict(foreign.types)
    for kernel in foreign.folded:
        bias, kind = tensors.pop(f"{kernel}{FOLDED}"), types.pop(f"{kernel}{FOLDED}")
        site = slots[kernel].name.removesuffix("/conv2d_params") if kernel in slots else ""
        parts = {part: scopes.get(f"{site}/batchnorm/{part}") for part in NORM_PARTS}
        if any(their_name in tensors for their_name in parts.values()):
            continue
        neutral = {"gamma": 1.0, "moving_mean": 0.0, "moving_variance": 1 - BATCHNORM_EPSILON}
        for part, their_name in parts.items():
            if their_name is not None:
                tensors[their_name] = bias if part == "beta" else np.full(bias.shape, neutral[part], np.float32)
                types[their_name] = kind if part == "beta" else "float32"
    count = len(foreign.folded)
    note = f"{count} batch normalisations are folded into their kernels and stored as biases" if count else ""
    return replace(foreign, tensors=tensors, types=types), note


def split_logistic(foreign: ForeignWeights, slots: Mapping[str, Slot]) -> tuple[ForeignWeights, str]:
    """The weights with a classifier of two classes in place of a single logistic output, and a note.

    If p is the sigmoid of the output z, the softmax of (0, z) is (1 - p, p).  A classifier with several outputs is
    unchanged.  Raises ``WeightsError`` for an activation that does not give class probabilities.
    """
    import numpy as np

    names = {slot.name: name for name, slot in slots.items() if slot.name.startswith("softmax/")}
    biases = foreign.tensors.get(names["softmax/biases"])
    matrix = foreign.tensors.get(names["softmax/weights"])
    last = foreign.activation.lower()
    if biases is None or matrix is None:
        return foreign, ""
    if biases.shape != (1,):
        if last == "sigmoid":
            raise WeightsError(
                f"{foreign.path}: {biases.size} outputs with a sigmoid each: a multi-label classifier; "
                "expected a softmax, or one output; --which network uses the network without the classifier"
            )
        if last not in ("", *SOFTMAX):
            raise WeightsError(
                f"{foreign.path}: {biases.size} outputs with activation {escaped(last)} are not class probabilities; "
                "expected a softmax; --which network uses the network without the classifier"
            )
        return foreign, ""
    if last not in ("", "sigmoid"):
        raise WeightsError(
            f"{foreign.path}: one output with activation {escaped(last)} is not a classifier; expected a sigmoid, or two or more classes"
        )
    axis = 0 if slots[names["softmax/weights"]].axes == "classes first" else matrix.ndim - 1
    tensors = {
        **foreign.tensors,
        names["softmax/weights"]: np.concatenate([np.zeros_like(matrix), matrix], axis),
        names["softmax/biases"]: np.concatenate([np.zeros_like(biases), biases]),
    }
    output = "one output with a sigmoid" if last else "one output, assumed to be a sigmoid's"
    return replace(foreign, tensors=tensors), f"{output}: p is the probability of the second class, 1 - p of the first"


def decide_dialect(
    layout: ReleaseLayout, classes: int, foreign: ForeignWeights, slots: Mapping[str, Slot]
) -> tuple[str, tuple[str, ...]]:
    """The dialect, and the reasons for it."""
    gammas = [name for name, slot in slots.items() if slot.name.endswith("/gamma") and name in foreign.tensors]
    gamma = f"gamma {'stored' if gammas else 'not stored'}"
    outputs = f"{classes} outputs" if classes else "no classifier"
    if layout.name == "torchvision":
        if classes == DIALECTS["2015"].classes:
            return "2015", (
                "torchvision names",
                f"fc has {outputs}: the 2015 graph's classes, as in pytorch-fid",
                gamma,
            )
        return "torchvision", ("torchvision names, which timm shares", outputs, gamma)
    if layout.name == "tf2015":
        return "2015", ("names of the 2015 graph", outputs, gamma, *last_pool(foreign))
    what = {"slim": "slim's names", "keras": "Keras layers, in order of creation"}[layout.name]
    return layout.name, (what, outputs, gamma)


def last_pool(foreign: ForeignWeights) -> tuple[str, ...]:
    """A note on the pool in the last module of the graph; raises ``WeightsError`` unless it is a max pool."""
    operation = foreign.operations.get("mixed_10/tower_2/pool")
    if operation not in (None, "MaxPool"):
        raise WeightsError(
            f"{foreign.path}: mixed_10/tower_2/pool is {operation}, expected MaxPool as in the 2015 graph; no dialect fits"
        )
    return ("mixed_10/tower_2/pool is MaxPool",) if operation else ()
