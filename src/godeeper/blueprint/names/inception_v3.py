"""The rules that name the sites of Inception v3 in five conventions.

tf2015       node names of the 2015 graph: ``mixed/tower_2/conv``.  A branch with one operation is in the scope of
             the module, longer branches are in ``tower``, ``tower_1``, ….  Convolutions of a fork are in ``mixed``.
slim         layer names: ``Mixed_5b/Branch_3/Conv2d_0b_1x1``.  The number increases when the grid size changes, the
             letter with each module.  Five names in the released checkpoints break this rule and are used unchanged.
torchvision  attribute paths, and fx node names for operations that torchvision calls as functions.
keras        layer names, numbered in order of creation as in TF 2 and Keras 3: ``conv2d``, ``conv2d_1``, …
keras2.2     the same names counted from 1, as in Keras 2.2 and older; used only with this prefix.

Names do not depend on the dialect: ``mixed_10/tower_2/pool`` is a max pool in the 2015 graph, and slim's name for
the same site is ``AvgPool_0a_3x3``.  Pools of stride 1 are named as average pools, the others as max pools.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from string import ascii_lowercase as LETTERS

from ..ops import Conv, Operation, Pool
from . import NamedPlace, NamingConvention, Place, Spelled, Stage, numbered, window, with_endings

PHOTO_NAMES = {
    "jpeg": "DecodeJpeg/contents",
    "decode": "DecodeJpeg",
    "cast": "Cast",
    "expand": "ExpandDims",
    "resize": "ResizeBilinear",
    "subtract": "Sub",
    "multiply": "Mul",
}
"""Kind -> name of the steps from the photo to the network, in the 2015 graph."""

SLIM_EXCEPTIONS = {
    "Mixed_5c/Branch_1/Conv2d_0a_1x1": "Mixed_5c/Branch_1/Conv2d_0b_1x1",
    "Mixed_5c/Branch_1/Conv2d_0b_5x5": "Mixed_5c/Branch_1/Conv_1_0c_5x5",
    "Mixed_6a/Branch_0/Conv2d_1a_3x3": "Mixed_6a/Branch_0/Conv2d_1a_1x1",
    "Mixed_6a/Branch_1/Conv2d_1a_3x3": "Mixed_6a/Branch_1/Conv2d_1a_1x1",
    "Mixed_7b/Branch_1/Conv2d_0c_3x1": "Mixed_7b/Branch_1/Conv2d_0b_3x1",
}
"""Name by the rule -> name in the release (tensorflow/models, research/slim/nets/inception_v3.py)."""


def tf2015_names(places: Iterable[NamedPlace]) -> Iterator[str | None]:
    """Names such as ``mixed/tower_2/conv``; joins of forks have no name, because the 2015 graph has no such joins."""
    seen: Counter[str] = Counter()
    for placed in places:
        place = placed.place
        if placed.kind == "concat":
            yield f"{numbered('mixed', place.module)}/join" if place.branch is None else None
            continue
        scope = tf2015_scope(place)
        name = scope + placed.kind
        yield numbered(name, seen[name])
        seen[name] += 1


def tf2015_scope(place: Place) -> str:
    """The scope of an operation with a final slash, ``mixed_9/tower_1/mixed/``; empty in the stem."""
    if place.module is None or place.branch is None:
        return ""
    scope = numbered("mixed", place.module) + "/"
    if len(place.branch.steps) > 1:
        scope += numbered("tower", place.tower) + "/"
    return scope if place.arm is None else scope + "mixed/"


def slim_names(places: Sequence[NamedPlace], exceptions: Mapping[str, str] = SLIM_EXCEPTIONS) -> Iterator[Spelled]:
    """Names such as ``Mixed_5b/Branch_3/Conv2d_0b_1x1``; a module's join is also called ``Mixed_5b``."""
    labels = stage_labels(places)
    for placed in places:
        place, op = placed.place, placed.op
        if place.module is None and isinstance(op, Conv | Pool):
            yield f"{slim_kind(op)}_{labels[place]}_{window(op)}"
            continue
        module = f"Mixed_{labels[Place(place.module)]}"
        if not isinstance(op, Conv | Pool):
            yield (f"{module}/concat", module) if place.branch is None else f"{module}/Branch_{place.path}/concat"
            continue
        letter = "1a" if op.padding == "VALID" else "0" + LETTERS[(place.step or 0) + (place.arm or 0)]
        ruled = f"{module}/Branch_{place.path}/{slim_kind(op)}_{letter}_{window(op)}"
        yield exceptions.get(ruled, ruled)


def stage_labels(places: Sequence[NamedPlace]) -> dict[Place, str]:
    """Place -> label, such as ``5b``, for each step of the stem and each module.

    The number increases when the grid size changes, the letter with each place of that size.
    """
    labels: dict[Place, str] = {}
    number, letters, grid = 0, LETTERS, -1
    for placed in places:
        in_stem = placed.place.module is None
        if in_stem or placed.place.branch is None:  # within a module, only its join is labelled
            if placed.grid != grid:
                number, letters, grid = number + 1, LETTERS, placed.grid
            labels[placed.place] = f"{number}{letters[0]}"
            letters = letters[1:]
    return labels


def torchvision_names(places: Sequence[NamedPlace]) -> Iterator[Spelled]:
    """Names such as ``Mixed_5b.branch_pool``; for pools and joins, fx nodes (``Mixed_5b.avg_pool2d``, ``Mixed_7b.cat_1``)."""
    labels = stage_labels(places)
    pools, joins = count(1), Counter[str]()
    for placed in places:
        place, op = placed.place, placed.op
        if place.module is None:
            yield f"Conv2d_{labels[place]}_{window(op)}" if isinstance(op, Conv) else f"maxpool{next(pools)}"
            continue
        module = f"Mixed_{labels[Place(place.module)]}"
        if place.branch is None:
            yield module, f"{module}.{numbered('cat', joins[module])}"
        elif op is None:
            yield f"{module}.{numbered('cat', joins[module])}"
            joins[module] += 1
        elif isinstance(op, Pool):
            yield f"{module}.{'avg' if op.stride == 1 else 'max'}_pool2d"
        else:
            yield f"{module}.branch{place.branch.label}{torchvision_ending(place)}"


def torchvision_ending(place: Place) -> str:
    """The ending ``_1``, ``_2``, … in a branch with several convolutions, ``_2a`` and ``_2b`` in a fork; otherwise empty."""
    convs = [step for step in place.branch.steps if not isinstance(step, Pool)] if place.branch else []
    if len(convs) == 1:
        return ""
    arm = "" if place.arm is None else LETTERS[place.arm]
    return f"_{(place.step or 0) + 1}{arm}"


def keras_names(places: Iterable[NamedPlace], first: int = 0) -> Iterator[Spelled]:
    """Names such as ``activation_11`` and ``mixed9``; ``first``, 0 or 1, is the number of the first layer of each kind.

    Pools and joins also have the name of the operation in TensorFlow's graph: ``mixed9/concat``.
    """
    seen: Counter[str] = Counter()
    for placed in places:
        place, op = placed.place, placed.op
        if op is None and place.branch is None:
            name = f"mixed{place.module}"
        elif op is None and place.path == 1:  # Keras names the join of the first fork explicitly, the second by default
            name = f"mixed9_{seen['mixed9']}"
            seen["mixed9"] += 1
        else:
            layer = keras_layer(op)
            name = numbered(layer, seen[layer] + first)
            seen[layer] += 1
        yield name if isinstance(op, Conv) else (name, f"{name}/{KERAS_OPERATIONS[keras_layer(op)]}")


def keras_layer(op: Operation | None) -> str:
    """The default name in Keras of a layer with this operation; None is a concatenation."""
    if isinstance(op, Pool):
        return "average_pooling2d" if op.stride == 1 else "max_pooling2d"
    return "activation" if isinstance(op, Conv) else "concatenate"


KERAS_OPERATIONS = {"average_pooling2d": "AvgPool", "max_pooling2d": "MaxPool", "concatenate": "concat"}
"""Layer -> its operation in a TensorFlow graph."""

KERAS_STAGES: Mapping[Stage, tuple[str, ...]] = {
    "conv": ("conv2d{}", "conv2d{}/Conv2D", "conv2d{}/convolution"),
    "batchnorm": (
        "batch_normalization{}",
        "batch_normalization{}/FusedBatchNormV3",
        "batch_normalization{}/FusedBatchNorm",
        "batch_normalization{}/batchnorm/add_1",
    ),
    "relu": ("activation{}", "activation{}/Relu"),
}
"""Stage -> names of its layer, and of the layer's operation in the graphs of several releases."""


def slim_kind(op: Conv | Pool) -> str:
    """The kind of an operation in slim's names: ``Conv2d``, ``AvgPool`` or ``MaxPool``."""
    if isinstance(op, Conv):
        return "Conv2d"
    return "AvgPool" if op.stride == 1 else "MaxPool"


def keras_staged(name: str, stage: Stage) -> tuple[str, ...]:
    """The names at ``stage``: ``activation_11`` -> ``conv2d_11``, ``conv2d_11/Conv2D``, …"""
    number = name.removeprefix("activation")
    return tuple(spelling.format(number) for spelling in KERAS_STAGES.get(stage, ()))


slim_staged = with_endings(
    {
        "conv": ("/Conv2D", "/convolution"),
        "batchnorm": (
            "/BatchNorm",
            "/BatchNorm/FusedBatchNorm",
            "/BatchNorm/FusedBatchNormV3",
            "/BatchNorm/batchnorm/add_1",
        ),
        "relu": ("", "/Relu"),
    }
)

KERAS_TAIL: Mapping[str, Spelled] = {
    "average": ("avg_pool", "avg_pool/Mean"),
    "softmax": ("predictions", "predictions/Softmax"),
}

CONVENTIONS = (
    NamingConvention(
        "tf2015",
        tf2015_names,
        fixed={
            **PHOTO_NAMES,
            "average": "pool_3",
            "reshape": "pool_3/_reshape",
            "dense": "softmax/logits",
            "softmax": "softmax",
        },
        staged=with_endings(
            {"conv": ("/Conv2D",), "batchnorm": ("/batchnorm", "/CheckNumerics", "/control_dependency"), "relu": ("",)}
        ),
    ),
    NamingConvention(
        "slim",
        slim_names,
        fixed={
            "average": "Logits/AvgPool_1a_8x8",
            "reshape": "PreLogits",
            "dense": "Logits/Conv2d_1c_1x1",
            "softmax": "Predictions",
        },
        staged=slim_staged,
        scopes=("InceptionV3/InceptionV3/", "InceptionV3/"),
    ),
    NamingConvention(
        "torchvision",
        torchvision_names,
        fixed={"multiply": "x", "average": "avgpool", "reshape": "flatten", "dense": "fc"},
        staged=with_endings({"conv": (".conv",), "batchnorm": (".bn",), "relu": ("", ".relu")}),
    ),
    NamingConvention(
        "keras",
        keras_names,
        fixed={"multiply": ("input_layer", "input_1"), **KERAS_TAIL},
        staged=keras_staged,
        scopes=("inception_v3/",),
    ),
)

ASKED_FOR = (
    NamingConvention(
        "keras2.2",
        lambda places: keras_names(places, first=1),
        fixed={"multiply": "input_1", **KERAS_TAIL},
        staged=keras_staged,
    ),
)
"""Conventions whose names mean other tensors in the conventions above; they apply only to names with their prefix."""
