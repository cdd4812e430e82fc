"""Foreign weights made ours: which tensor is which, in which dialect, and whether all of it fits.

Names come from ``conventions``.  A file is taken whole or not at all: what is missing, unknown, of
another shape or not a number is an error that names the tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..blueprint.dialects import DIALECTS, in_dialect
from ..errors import WeightsError
from ..escaping import escaped
from .file import BATCHNORM_EPSILON, Description, expected_tensors
from .formats.foreign import FLOATS, ForeignWeights
from .labels import labels_for
from .layouts import AXES, NORM_PARTS, Layout, ReleaseLayout, Slot
from .select import FOLDED, few, select

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PREPROCESSING = {
    "2015": {"size": 299, "fit": "squash", "filter": "tf2015", "subtract": 128.0, "divide": 128.0},
    "torchvision": {"size": 299, "fit": "crop", "filter": "antialias", "subtract": 127.5, "divide": 127.5},
    "slim": {"size": 299, "fit": "squash", "filter": "antialias", "subtract": 127.5, "divide": 127.5},
    "keras": {"size": 299, "fit": "squash", "filter": "antialias", "subtract": 127.5, "divide": 127.5},
}
"""What each release's own code does to a photo first.

torchvision normalises with ImageNet's mean and deviation, and its network's ``transform_input`` undoes that:
what enters the first convolution is x / 127.5 - 1, x from 0 to 255.
"""

SOFTMAX = ("softmax", "log_softmax")
"""Activations of which godeeper's own softmax is the result, or the exponential of it."""


@dataclass(frozen=True)
class Converted:
    """Foreign weights in our names and layouts, with what to say of them."""

    tensors: Mapping[str, Floats] = field(repr=False)
    description: Description
    reasons: tuple[str, ...]


def convert(
    foreign: ForeignWeights,
    name: str,
    *,
    source: str,
    licence: str = "unknown: ask where the file is from",
    preprocessing: Mapping[str, Any] | None = None,
    labels: tuple[str, ...] = (),
    which: str | None = None,
    bgr: bool = False,
    said: tuple[str, ...] = (),
) -> Converted:
    """Foreign weights as ours, checked whole.

    Args:
        foreign: what a reader of ``formats`` answered.
        name: what to call them.
        source: where the file is from.
        licence: under which licence they are.
        preprocessing: fields that differ from the dialect's own.
        labels: one a class; the dialect's own, if not given.
        which: the part of the file to take, by its prefix or as ``ema``, where there are several.
        bgr: the network was trained on blue, green, red; ours reads red, green, blue, so its first kernels are turned.
        said: what else to keep of how this was decided.

    Raises:
        WeightsError: there are several networks in it and ``which`` does not say which; it is another network, or tensors are missing, unknown, of another shape, or not finite.
    """
    import numpy as np

    selected = select(foreign, which)
    bare, network, convention = selected.foreign, selected.network, selected.convention
    slots = convention.slots(network, bare.tensors)
    bare, about_folding = unfolded(bare, slots)
    bare, about_output = two_classes(bare, slots)
    classes = count_classes(bare, slots)
    dialect, why = decide_dialect(convention, classes, bare, slots)
    own = bare.labels if classes == DIALECTS[dialect].classes else ()
    named, about_labels = labels_for(dialect, classes, labels or own, logistic=bool(about_output), partial=not labels)
    network = replace(in_dialect(network, dialect), classes=classes or DIALECTS[dialect].classes)
    expected = expected_tensors(network, with_classifier=bool(classes))
    theirs = {slot.name: (found, slot.layout) for found, slot in slots.items() if found in bare.tensors}
    dropped = [found for found in bare.tensors if convention.dropped.search(found)]
    check_names(bare, slots, theirs, expected, dropped)
    tensors = {ours: fitted(bare, *theirs[ours], shape) for ours, shape in expected.items()}
    check_values(bare, {theirs[ours][0]: values for ours, values in tensors.items()})
    if bgr:
        first = next(name for name in expected if name.endswith("/conv2d_params"))
        tensors[first] = np.ascontiguousarray(tensors[first][:, ::-1])
    reasons = tuple(
        filter(
            None,
            (
                *why,
                *selected.reasons,
                *foreign.notes,
                about_folding,
                about_output,
                dropped_note(dropped),
                *type_notes(bare, theirs, expected),
                about_labels,
                *said,
            ),
        )
    )
    description = Description(
        name=name,
        architecture=network.name,
        dialect=dialect,
        preprocessing={**PREPROCESSING[dialect], **(preprocessing or {})},
        labels=named,
        source=source,
        licence=licence,
        notes="; ".join(reasons),
        quantised={},
        scope=selected.scope,
        aliases=selected.aliases,
    )
    return Converted(tensors, description, reasons)


def count_classes(foreign: ForeignWeights, slots: Mapping[str, Slot]) -> int:
    """How many classes the file's classifier tells apart; 0 where it has none."""
    found = [name for name, slot in slots.items() if slot.name == "softmax/biases" and name in foreign.tensors]
    return foreign.tensors[found[0]].size if found else 0


def unfolded(foreign: ForeignWeights, slots: Mapping[str, Slot]) -> tuple[ForeignWeights, str]:
    """Normalisations that were folded into kernels, as ones that only add: gamma 1, mean 0, variance 1 - epsilon.

    Their scale is 1 to the last bit of single precision, so nothing is lost.
    """
    import numpy as np

    scopes = {slot.name: found for found, slot in slots.items()}
    tensors, types = dict(foreign.tensors), dict(foreign.types)
    for kernel in foreign.folded:
        bias, kind = tensors.pop(f"{kernel}{FOLDED}"), types.pop(f"{kernel}{FOLDED}")
        site = slots[kernel].name.removesuffix("/conv2d_params") if kernel in slots else ""
        parts = {part: scopes.get(f"{site}/batchnorm/{part}") for part in NORM_PARTS}
        if any(found in tensors for found in parts.values()):
            continue
        stands = {"gamma": 1.0, "moving_mean": 0.0, "moving_variance": 1 - BATCHNORM_EPSILON}
        for part, found in parts.items():
            if found is not None:
                tensors[found] = bias if part == "beta" else np.full(bias.shape, stands[part], np.float32)
                types[found] = kind if part == "beta" else "float32"
    count = len(foreign.folded)
    note = f"{count} normalisations are folded into their kernels: biases stand for them" if count else ""
    return replace(foreign, tensors=tensors, types=types), note


def two_classes(foreign: ForeignWeights, slots: Mapping[str, Slot]) -> tuple[ForeignWeights, str]:
    """A classifier of one output, the logistic of class 1, as one of two: softmax over (0, z) is (1 - p, p)."""
    import numpy as np

    found = {slot.name: name for name, slot in slots.items() if slot.name.startswith("softmax/")}
    biases = foreign.tensors.get(found["softmax/biases"])
    matrix = foreign.tensors.get(found["softmax/weights"])
    last = foreign.activation.lower()
    if biases is None or matrix is None:
        return foreign, ""
    if biases.shape != (1,):
        if last == "sigmoid":
            raise WeightsError(
                f"{foreign.path}: {biases.size} outputs that end in a sigmoid say yes or no to each class for itself; "
                "expected a softmax, or one output; --which network takes the network without them"
            )
        if last not in ("", *SOFTMAX):
            raise WeightsError(
                f"{foreign.path}: {biases.size} outputs that end in {escaped(last)} are no probabilities of classes; "
                "expected a softmax; --which network takes the network without them"
            )
        return foreign, ""
    if last not in ("", "sigmoid"):
        raise WeightsError(
            f"{foreign.path}: one output that ends in {escaped(last)} is no classifier; expected a sigmoid, or two or more classes"
        )
    axis = 0 if slots[found["softmax/weights"]].layout == "classes first" else matrix.ndim - 1
    tensors = {
        **foreign.tensors,
        found["softmax/weights"]: np.concatenate([np.zeros_like(matrix), matrix], axis),
        found["softmax/biases"]: np.concatenate([np.zeros_like(biases), biases]),
    }
    sure = "one output with a sigmoid" if last else "one output, taken for a sigmoid's"
    return replace(foreign, tensors=tensors), f"{sure}: p is the probability of the second class, 1 - p of the first"


def decide_dialect(
    convention: ReleaseLayout, classes: int, foreign: ForeignWeights, slots: Mapping[str, Slot]
) -> tuple[str, tuple[str, ...]]:
    """The dialect, and the evidence for it."""
    gammas = [name for name, slot in slots.items() if slot.name.endswith("/gamma") and name in foreign.tensors]
    gamma = f"gamma {'stored' if gammas else 'not stored'}"
    outputs = f"{classes} outputs" if classes else "no classifier"
    if convention.name == "torchvision":
        if classes == DIALECTS["2015"].classes:
            return "2015", (
                "torchvision names",
                f"fc has {outputs}: the 2015 graph's classes, as pytorch-fid ports them",
                gamma,
            )
        return "torchvision", ("torchvision names, which timm shares", outputs, gamma)
    if convention.name == "tf2015":
        return "2015", ("names of the 2015 graph", outputs, gamma, *last_pool(foreign))
    what = {"slim": "slim's names", "keras": "Keras layers, in order of creation"}[convention.name]
    return convention.name, (what, outputs, gamma)


def last_pool(foreign: ForeignWeights) -> tuple[str, ...]:
    """The graph's own word on the pool of its last module, which must be the maximum."""
    operation = foreign.operations.get("mixed_10/tower_2/pool")
    if operation not in (None, "MaxPool"):
        raise WeightsError(
            f"{foreign.path}: mixed_10/tower_2/pool is {operation}, expected MaxPool as in the 2015 graph; no dialect fits"
        )
    return ("mixed_10/tower_2/pool is MaxPool",) if operation else ()


def check_names(
    foreign: ForeignWeights,
    slots: Mapping[str, Slot],
    theirs: Mapping[str, tuple[str, Layout]],
    expected: Mapping[str, tuple[int, ...]],
    dropped: Iterable[str],
) -> None:
    """Raise where tensors are missing, or there are some that nothing is known of."""
    wanted = {slot.name: found for found, slot in slots.items()}
    missing = [wanted.get(ours, ours) for ours in expected if ours not in theirs]
    used = {found for ours, (found, _) in theirs.items() if ours in expected}
    unknown = sorted(set(foreign.tensors) - used - set(dropped))
    parts = [
        f"{len(names)} {what} ({few(names)})" for what, names in (("missing", missing), ("unknown", unknown)) if names
    ]
    if parts:
        raise WeightsError(
            f"{foreign.path}: tensors do not fit Inception: {'; '.join(parts)}; expected {len(expected)}"
        )


def fitted(foreign: ForeignWeights, found: str, layout: Layout, expected: tuple[int, ...]) -> Floats:
    """One tensor as float32 in our layout, of the shape that the blueprint asks for."""
    import numpy as np

    stored, kind = foreign.tensors[found], foreign.types[found]
    if kind not in FLOATS and not kind.endswith(" quantised"):
        raise WeightsError(f"{foreign.path}: {found} is stored as {kind}, expected one of {', '.join(FLOATS)}")
    values = stored
    if layout == "1x1 HWIO" and stored.ndim == 4 and stored.shape[:2] == (1, 1):
        values = stored[0, 0]
    axes = AXES.get(layout)
    if axes is not None and stored.ndim == len(axes):
        values = stored.transpose(axes)
    if values.shape != expected:
        should = their_shape(expected, layout)
        hint = "; it looks transposed" if sorted(stored.shape) == sorted(should) else ""
        raise WeightsError(
            f"{foreign.path}: {found} has shape {stored.shape}, expected {should}{hint}; these weights do not fit"
        )
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, which is refused by name
        return np.ascontiguousarray(values, np.float32)


def their_shape(expected: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    """The shape that we expect, in the file's layout."""
    if layout == "1x1 HWIO":
        return (1, 1, *expected)
    axes = AXES.get(layout, tuple(range(len(expected))))
    return tuple(expected[axes.index(axis)] for axis in range(len(expected)))


def check_values(foreign: ForeignWeights, tensors: Mapping[str, Floats]) -> None:
    """Raise where numbers are not finite, or a variance is below zero."""
    import numpy as np

    broken = [name for name, values in tensors.items() if not np.isfinite(values).all()]
    if broken:
        raise WeightsError(
            f"{foreign.path}: {len(broken)} tensors hold NaN or infinity ({few(broken)}); download or save the file again"
        )
    negative = [
        name
        for name, values in tensors.items()
        if name.endswith(("running_var", "moving_variance")) and (values < 0).any()
    ]
    if negative:
        raise WeightsError(
            f"{foreign.path}: {len(negative)} variances are below zero ({few(negative)}); download or save the file again"
        )


def type_notes(
    foreign: ForeignWeights, theirs: Mapping[str, tuple[str, Layout]], expected: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    """What was done to numbers that are not stored as float32."""
    verbs = {"float16": "widened", "bfloat16": "widened", "float64": "rounded"}
    kinds = [foreign.types[theirs[ours][0]] for ours in expected]
    for kind in dict.fromkeys(kinds):
        if kind != "float32":
            yield f"{kinds.count(kind)} tensors stored as {kind}, {verbs.get(kind, 'restored')} to float32"


def dropped_note(dropped: list[str]) -> str:
    """What was left out on purpose."""
    side = [name for name in dropped if "AuxLogits" in name]
    return f"the auxiliary head ({len(side)} tensors of AuxLogits) is for training only: dropped" if side else ""
