"""Converts foreign weights to godeeper's format: selects a network, prepares it, and maps and checks its tensors.

The tensor names of each release are in ``layouts``.  A file is converted completely or not at all.  Missing or unknown
tensors, wrong shapes and values that are not finite raise an error that names the tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..blueprint.dialects import DIALECTS
from ..errors import WeightsError
from .candidates import abbreviated
from .file import Description, expected_tensors
from .formats.foreign import FLOATS, ForeignWeights
from .labels import labels_for
from .layouts import TO_OUR_AXES, Axes, Slot
from .prepare import PreparedNetwork, prepare
from .select import select

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

torchvision normalises photos with ImageNet's mean and standard deviation, and ``transform_input`` in its network undoes
this.  For a pixel x from 0 to 255, the first convolution reads x / 127.5 - 1.
"""


@dataclass(frozen=True)
class Converted:
    """Tensors with our names and axes, their description, and notes on the conversion."""

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
        foreign: the result of a reader in ``formats``.
        name: the name of the converted weights.
        source: the origin of the file.
        licence: the licence of the weights.
        preprocessing: fields that differ from the dialect's.
        labels: one per class; by default the labels in the file, or else those of the dialect.
        which: the network to use if the file contains several: its prefix, or ``ema``.
        bgr: whether the network was trained on BGR input; its first kernels are then reordered for RGB.
        notes: further notes for the description.

    Raises:
        WeightsError: the file contains another network, or ``which`` selects none of several networks; or tensors
            are missing, unknown, of the wrong shape, or not finite.
    """
    network = prepare(select(foreign, which))
    all_labels, about_labels = choose_labels(network, labels)
    tensors, about_tensors = convert_tensors(network, bgr=bgr)
    reasons = tuple(filter(None, (*network.notes, *about_tensors, about_labels, *notes)))
    description = describe(
        network, all_labels, reasons, name=name, source=source, licence=licence, preprocessing=preprocessing or {}
    )
    return Converted(tensors, description, reasons)


def describe(
    network: PreparedNetwork,
    labels: tuple[str, ...],
    reasons: tuple[str, ...],
    *,
    name: str,
    source: str,
    licence: str,
    preprocessing: Mapping[str, Any],
) -> Description:
    """The description of the converted weights.  ``preprocessing``: fields that differ from the dialect's."""
    return Description(
        name=name,
        architecture=network.blueprint.name,
        dialect=network.blueprint.dialect,
        preprocessing={**PREPROCESSING[network.blueprint.dialect], **preprocessing},
        labels=labels,
        source=source,
        licence=licence,
        notes="; ".join(reasons),
        quantised={},
        scope=network.selected.scope,
        aliases=network.selected.aliases,
    )


def choose_labels(network: PreparedNetwork, given: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The labels given by the user, those in the file or those of the dialect, and a note on their source."""
    dialect, classes = network.blueprint.dialect, network.classes
    own = network.foreign.labels if classes == DIALECTS[dialect].classes else ()
    return labels_for(dialect, classes, given or own, logistic=network.logistic, partial=not given)


def convert_tensors(network: PreparedNetwork, *, bgr: bool) -> tuple[dict[str, Floats], tuple[str, ...]]:
    """All tensors that the blueprint needs, with our names and axes, and notes on them; raises ``WeightsError``."""
    foreign, slots = network.foreign, network.slots
    expected = expected_tensors(network.blueprint, with_classifier=bool(network.classes))
    theirs = {slot.name: (name, slot.axes) for name, slot in slots.items() if name in foreign.tensors}
    dropped = [name for name in foreign.tensors if network.selected.layout.dropped.search(name)]
    check_names(foreign, slots, theirs, expected, dropped)
    tensors = {ours: in_our_axes(foreign, *theirs[ours], shape) for ours, shape in expected.items()}
    check_values(foreign, {theirs[ours][0]: values for ours, values in tensors.items()})
    if bgr:
        first = next(name for name in expected if name.endswith("/conv2d_params"))
        tensors[first] = reversed_inputs(tensors[first])
    return tensors, (dropped_note(dropped), *type_notes(foreign, theirs, expected))


def reversed_inputs(kernel: Floats) -> Floats:
    """A kernel (out, in, height, width) with its input channels in reverse order: for RGB instead of BGR."""
    import numpy as np

    return np.ascontiguousarray(kernel[:, ::-1])


def check_names(
    foreign: ForeignWeights,
    slots: Mapping[str, Slot],
    theirs: Mapping[str, tuple[str, Axes]],
    expected: Mapping[str, tuple[int, ...]],
    dropped: Iterable[str],
) -> None:
    """Raise ``WeightsError`` if tensors are missing or unknown.  ``theirs``: our name -> name and axes in the file."""
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
            f"{foreign.path}: tensors do not fit Inception: {'; '.join(parts)}; expected {len(expected)} tensors"
        )


def in_our_axes(foreign: ForeignWeights, name: str, order: Axes, expected: tuple[int, ...]) -> Floats:
    """One tensor as float32 with our order of axes; raises ``WeightsError`` unless its shape is ``expected``."""
    import numpy as np

    stored, kind = foreign.tensors[name], foreign.types[name]
    if kind not in FLOATS and not kind.endswith(" quantised"):
        raise WeightsError(f"{foreign.path}: {name} is stored as {kind}, expected one of {', '.join(FLOATS)}")
    values = stored
    if order == "1x1 HWIO" and stored.ndim == 4 and stored.shape[:2] == (1, 1):
        values = stored[0, 0]
    permutation = TO_OUR_AXES.get(order)
    if permutation is not None and stored.ndim == len(permutation):
        values = stored.transpose(permutation)
    if values.shape != expected:
        should = their_shape(expected, order)
        hint = "; it looks transposed" if sorted(stored.shape) == sorted(should) else ""
        raise WeightsError(
            f"{foreign.path}: {name} has shape {stored.shape}, expected {should}{hint}; these weights do not fit"
        )
    with np.errstate(over="ignore"):  # float64 values beyond float32 become infinite; check_values refuses them by name
        return np.ascontiguousarray(values, np.float32)


def their_shape(expected: tuple[int, ...], order: Axes) -> tuple[int, ...]:
    """The expected shape, with its axes in the file's order."""
    if order == "1x1 HWIO":
        return (1, 1, *expected)
    permutation = TO_OUR_AXES.get(order, tuple(range(len(expected))))
    return tuple(expected[permutation.index(axis)] for axis in range(len(expected)))


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
    foreign: ForeignWeights, theirs: Mapping[str, tuple[str, Axes]], expected: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    """Yield a note on each stored type other than float32."""
    verbs = {"float16": "widened", "bfloat16": "widened", "float64": "rounded"}
    kinds = [foreign.types[theirs[ours][0]] for ours in expected]
    for kind in dict.fromkeys(kinds):
        if kind != "float32":
            yield f"{kinds.count(kind)} tensors stored as {kind}, {verbs.get(kind, 'restored')} to float32"


def dropped_note(dropped: list[str]) -> str:
    """A note on the dropped tensors of the auxiliary classifier; empty if there are none."""
    side = [name for name in dropped if "AuxLogits" in name]
    return (
        f"the auxiliary classifier ({len(side)} tensors of AuxLogits) is only used in training: dropped" if side else ""
    )
