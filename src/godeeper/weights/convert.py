"""Converts foreign weights into godeeper's: maps tensor names, decides the dialect, checks that everything fits.

Names come from ``layouts``.  A file is converted completely or not at all: missing or unknown tensors, wrong shapes and
values that are not finite raise an error that names the tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..blueprint.dialects import DIALECTS, in_dialect
from ..errors import WeightsError
from ..escaping import escaped
from .candidates import abbreviated
from .file import BATCHNORM_EPSILON, Description, expected_tensors
from .formats.foreign import FLOATS, ForeignWeights
from .labels import labels_for
from .layouts import AXES, NORM_PARTS, Layout, ReleaseLayout, Slot
from .select import FOLDED, select

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
"""The preprocessing in each release's own code.

torchvision normalises with ImageNet's mean and standard deviation, and its network's ``transform_input`` undoes that:
the input of the first convolution is x / 127.5 - 1, x from 0 to 255.
"""

SOFTMAX = ("softmax", "log_softmax")
"""Final activations that are equivalent to godeeper's softmax: equal to it, or its logarithm."""


@dataclass(frozen=True)
class Converted:
    """Weights in our names and layouts, their description, and notes on the conversion."""

    tensors: Mapping[str, Floats] = field(repr=False)
    description: Description
    reasons: tuple[str, ...]


def convert(
    foreign: ForeignWeights,
    name: str,
    *,
    source: str,
    licence: str = "unknown: ask the source of the file",
    preprocessing: Mapping[str, Any] | None = None,
    labels: tuple[str, ...] = (),
    which: str | None = None,
    bgr: bool = False,
    notes: tuple[str, ...] = (),
) -> Converted:
    """Convert and check foreign weights.

    Args:
        foreign: the result of a reader of ``formats``.
        name: the name of the converted weights.
        source: the origin of the file.
        licence: the licence of the weights.
        preprocessing: fields that differ from the dialect's.
        labels: one per class; the dialect's, if not given.
        which: the copy to use if the file holds several: its prefix, or ``ema``.
        bgr: the network was trained on BGR input; its first kernels are reordered, as godeeper's input is RGB.
        notes: further notes for the description.

    Raises:
        WeightsError: the file holds several networks and ``which`` names none of them, or another network; or tensors are
            missing, unknown, of another shape, or not finite.
    """
    import numpy as np

    selected = select(foreign, which)
    bare, blueprint, convention = selected.foreign, selected.blueprint, selected.convention
    slots = convention.slots(blueprint, bare.tensors)
    bare, about_folding = unfold(bare, slots)
    bare, about_output = split_logistic(bare, slots)
    classes = count_classes(bare, slots)
    dialect, why = decide_dialect(convention, classes, bare, slots)
    own = bare.labels if classes == DIALECTS[dialect].classes else ()
    all_labels, about_labels = labels_for(
        dialect, classes, labels or own, logistic=bool(about_output), partial=not labels
    )
    blueprint = replace(in_dialect(blueprint, dialect), classes=classes or DIALECTS[dialect].classes)
    expected = expected_tensors(blueprint, with_classifier=bool(classes))
    theirs = {slot.name: (their_name, slot.layout) for their_name, slot in slots.items() if their_name in bare.tensors}
    dropped = [their_name for their_name in bare.tensors if convention.dropped.search(their_name)]
    check_names(bare, slots, theirs, expected, dropped)
    tensors = {ours: to_our_layout(bare, *theirs[ours], shape) for ours, shape in expected.items()}
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
                *notes,
            ),
        )
    )
    description = Description(
        name=name,
        architecture=blueprint.name,
        dialect=dialect,
        preprocessing={**PREPROCESSING[dialect], **(preprocessing or {})},
        labels=all_labels,
        source=source,
        licence=licence,
        notes="; ".join(reasons),
        quantised={},
        scope=selected.scope,
        aliases=selected.aliases,
    )
    return Converted(tensors, description, reasons)


def count_classes(foreign: ForeignWeights, slots: Mapping[str, Slot]) -> int:
    """The number of outputs of the file's classifier; 0 if it has none."""
    biases = [name for name, slot in slots.items() if slot.name == "softmax/biases" and name in foreign.tensors]
    return foreign.tensors[biases[0]].size if biases else 0


def unfold(foreign: ForeignWeights, slots: Mapping[str, Slot]) -> tuple[ForeignWeights, str]:
    """Replaces batch normalisations that were folded into kernels by ones that only add: gamma 1, mean 0, variance 1 - epsilon.

    Their scale is exactly 1 in single precision, so nothing is lost.
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
    """Converts a classifier with one logistic output into one with two classes: softmax over (0, z) is (1 - p, p)."""
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
    axis = 0 if slots[names["softmax/weights"]].layout == "classes first" else matrix.ndim - 1
    tensors = {
        **foreign.tensors,
        names["softmax/weights"]: np.concatenate([np.zeros_like(matrix), matrix], axis),
        names["softmax/biases"]: np.concatenate([np.zeros_like(biases), biases]),
    }
    output = "one output with a sigmoid" if last else "one output, assumed to be a sigmoid's"
    return replace(foreign, tensors=tensors), f"{output}: p is the probability of the second class, 1 - p of the first"


def decide_dialect(
    convention: ReleaseLayout, classes: int, foreign: ForeignWeights, slots: Mapping[str, Slot]
) -> tuple[str, tuple[str, ...]]:
    """The dialect, and the reasons for it."""
    gammas = [name for name, slot in slots.items() if slot.name.endswith("/gamma") and name in foreign.tensors]
    gamma = f"gamma {'stored' if gammas else 'not stored'}"
    outputs = f"{classes} outputs" if classes else "no classifier"
    if convention.name == "torchvision":
        if classes == DIALECTS["2015"].classes:
            return "2015", (
                "torchvision names",
                f"fc has {outputs}: the 2015 graph's classes, as in pytorch-fid",
                gamma,
            )
        return "torchvision", ("torchvision names, which timm shares", outputs, gamma)
    if convention.name == "tf2015":
        return "2015", ("names of the 2015 graph", outputs, gamma, *last_pool(foreign))
    what = {"slim": "slim's names", "keras": "Keras layers, in order of creation"}[convention.name]
    return convention.name, (what, outputs, gamma)


def last_pool(foreign: ForeignWeights) -> tuple[str, ...]:
    """A note on the pool of the graph's last module; raises if it is not a max pool."""
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
    """Raise ``WeightsError`` if tensors are missing or unknown."""
    their_names = {slot.name: name for name, slot in slots.items()}
    missing = [their_names.get(ours, ours) for ours in expected if ours not in theirs]
    used = {name for ours, (name, _) in theirs.items() if ours in expected}
    unknown = sorted(set(foreign.tensors) - used - set(dropped))
    parts = [
        f"{len(names)} {what} ({abbreviated(names)})"
        for what, names in (("missing", missing), ("unknown", unknown))
        if names
    ]
    if parts:
        raise WeightsError(
            f"{foreign.path}: tensors do not fit Inception: {'; '.join(parts)}; expected {len(expected)}"
        )


def to_our_layout(foreign: ForeignWeights, name: str, layout: Layout, expected: tuple[int, ...]) -> Floats:
    """One tensor as float32 in our layout; raises ``WeightsError`` if it has another shape than the blueprint's."""
    import numpy as np

    stored, kind = foreign.tensors[name], foreign.types[name]
    if kind not in FLOATS and not kind.endswith(" quantised"):
        raise WeightsError(f"{foreign.path}: {name} is stored as {kind}, expected one of {', '.join(FLOATS)}")
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
            f"{foreign.path}: {name} has shape {stored.shape}, expected {should}{hint}; these weights do not fit"
        )
    with np.errstate(
        over="ignore"
    ):  # float64 beyond float32's range becomes infinite, which check_values refuses by name
        return np.ascontiguousarray(values, np.float32)


def their_shape(expected: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    """The expected shape, in the file's layout."""
    if layout == "1x1 HWIO":
        return (1, 1, *expected)
    axes = AXES.get(layout, tuple(range(len(expected))))
    return tuple(expected[axes.index(axis)] for axis in range(len(expected)))


def check_values(foreign: ForeignWeights, tensors: Mapping[str, Floats]) -> None:
    """Raise ``WeightsError`` if values are not finite, or a variance is negative."""
    import numpy as np

    broken = [name for name, values in tensors.items() if not np.isfinite(values).all()]
    if broken:
        raise WeightsError(
            f"{foreign.path}: {len(broken)} tensors hold NaN or infinity ({abbreviated(broken)}); download or save the file again"
        )
    negative = [
        name
        for name, values in tensors.items()
        if name.endswith(("running_var", "moving_variance")) and (values < 0).any()
    ]
    if negative:
        raise WeightsError(
            f"{foreign.path}: {len(negative)} variances are negative ({abbreviated(negative)}); download or save the file again"
        )


def type_notes(
    foreign: ForeignWeights, theirs: Mapping[str, tuple[str, Layout]], expected: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    """Notes on the conversion of tensors that are not stored as float32."""
    verbs = {"float16": "widened", "bfloat16": "widened", "float64": "rounded"}
    kinds = [foreign.types[theirs[ours][0]] for ours in expected]
    for kind in dict.fromkeys(kinds):
        if kind != "float32":
            yield f"{kinds.count(kind)} tensors stored as {kind}, {verbs.get(kind, 'restored')} to float32"


def dropped_note(dropped: list[str]) -> str:
    """A note on tensors that were dropped on purpose."""
    side = [name for name in dropped if "AuxLogits" in name]
    return f"the auxiliary head ({len(side)} tensors of AuxLogits) is only used in training: dropped" if side else ""
