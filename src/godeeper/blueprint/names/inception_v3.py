"""The names of every site of Inception v3, by rule.

tf2015       scopes of the 2015 graph: ``mixed/tower_2/conv``.  A branch of one operation lives in the
             module's scope, the others in ``tower``, ``tower_1``, …; forks below them in ``mixed``.
slim         the number goes up when the grid size changes, the letter with each module of the same grid size:
             ``Mixed_5b``.
             Five names break the rule in the released checkpoints and are kept as they are.
torchvision  attribute paths, and fx node names for operations that torchvision calls as functions.
keras        layer names, numbered in order of creation as TF 2 and Keras 3 do: ``conv2d``, ``conv2d_1``, …
keras2.2     the same as Keras 2.2 and older counted, from ``conv2d_1``: used only when asked for.

Names never follow the dialect: the 2015 graph takes the maximum in ``mixed_10/tower_2/pool``, and
slim still calls that place ``AvgPool_0a_3x3``.  Pools of stride 1 are called average, the others max.
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
"""The steps from the photo to the network, as the 2015 graph calls them."""

SLIM_EXCEPTIONS = {
    "Mixed_5c/Branch_1/Conv2d_0a_1x1": "Mixed_5c/Branch_1/Conv2d_0b_1x1",
    "Mixed_5c/Branch_1/Conv2d_0b_5x5": "Mixed_5c/Branch_1/Conv_1_0c_5x5",
    "Mixed_6a/Branch_0/Conv2d_1a_3x3": "Mixed_6a/Branch_0/Conv2d_1a_1x1",
    "Mixed_6a/Branch_1/Conv2d_1a_3x3": "Mixed_6a/Branch_1/Conv2d_1a_1x1",
    "Mixed_7b/Branch_1/Conv2d_0c_3x1": "Mixed_7b/Branch_1/Conv2d_0b_3x1",
}
"""Name by the rule -> name as released (tensorflow/models, research/slim/nets/inception_v3.py)."""


def tf2015_names(places: Iterable[NamedPlace]) -> Iterator[str | None]:
    """``mixed/tower_2/conv``; the joins of forks have no node of their own in that graph."""
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
    """The scope of an operation, with its closing slash: ``mixed_9/tower_1/mixed/``, or nothing in the stem."""
    if place.module is None or place.branch is None:
        return ""
    scope = numbered("mixed", place.module) + "/"
    if len(place.branch.steps) > 1:
        scope += numbered("tower", place.tower) + "/"
    return scope if place.arm is None else scope + "mixed/"


def slim_names(places: Sequence[NamedPlace], exceptions: Mapping[str, str] = SLIM_EXCEPTIONS) -> Iterator[Spelled]:
    """``Mixed_5b/Branch_3/Conv2d_0b_1x1``; a module's join is its end point ``Mixed_5b`` too."""
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
    """``5b`` for each step of the stem and each module: the number goes up when the grid changes."""
    labels: dict[Place, str] = {}
    number, letters, grid = 0, LETTERS, -1
    for placed in places:
        in_stem = placed.place.module is None
        if in_stem or placed.place.branch is None:  # inside a module, only its own join counts
            if placed.grid != grid:
                number, letters, grid = number + 1, LETTERS, placed.grid
            labels[placed.place] = f"{number}{letters[0]}"
            letters = letters[1:]
    return labels


def torchvision_names(places: Sequence[NamedPlace]) -> Iterator[Spelled]:
    """``Mixed_5b.branch_pool``; pools and inner joins by fx node (``Mixed_5b.avg_pool2d``, ``Mixed_7b.cat_1``)."""
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
    """``_1``, ``_2``, … where a branch has several convolutions; ``_2a``, ``_2b`` in a fork."""
    convs = [step for step in place.branch.steps if not isinstance(step, Pool)] if place.branch else []
    if len(convs) == 1:
        return ""
    arm = "" if place.arm is None else LETTERS[place.arm]
    return f"_{(place.step or 0) + 1}{arm}"


def keras_names(places: Iterable[NamedPlace], first: int = 0) -> Iterator[Spelled]:
    """``activation_11``, ``mixed9``, and Keras's own names for the joins of forks; ``first``, 0 or 1, numbers each kind's first.

    Pools and joins also go by the operation in TensorFlow's graph: ``mixed9/concat``.
    """
    seen: Counter[str] = Counter()
    for placed in places:
        place, op = placed.place, placed.op
        if op is None and place.branch is None:
            name = f"mixed{place.module}"
        elif (
            op is None and place.path == 1
        ):  # keras names the first fork of each module, and leaves the second to automatic numbering
            name = f"mixed9_{seen['mixed9']}"
            seen["mixed9"] += 1
        else:
            layer = keras_layer(op)
            name = numbered(layer, seen[layer] + first)
            seen[layer] += 1
        yield name if isinstance(op, Conv) else (name, f"{name}/{KERAS_OPERATIONS[keras_layer(op)]}")


def keras_layer(op: Operation | None) -> str:
    """Keras's default name for a layer of that kind."""
    if isinstance(op, Pool):
        return "average_pooling2d" if op.stride == 1 else "max_pooling2d"
    return "activation" if isinstance(op, Conv) else "concatenate"


KERAS_OPERATIONS = {"average_pooling2d": "AvgPool", "max_pooling2d": "MaxPool", "concatenate": "concat"}
"""Layer -> its operation in TensorFlow's graph."""

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
"""Stage -> its layer, and that layer's operation in the graphs of several releases."""


def slim_kind(op: Conv | Pool) -> str:
    """``Conv2d``, ``AvgPool`` or ``MaxPool``."""
    if isinstance(op, Conv):
        return "Conv2d"
    return "AvgPool" if op.stride == 1 else "MaxPool"


def keras_staged(name: str, stage: Stage) -> tuple[str, ...]:
    """``activation_11`` -> ``conv2d_11``, ``conv2d_11/Conv2D``, …"""
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
"""Conventions whose names mean something else in those above; used only with the convention's name as a prefix."""
