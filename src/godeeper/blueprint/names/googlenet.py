"""The rules that name the sites of GoogLeNet in four conventions.

bvlc         layer names of Caffe's prototxt: ``inception_3a/5x5_reduce``.  The number increases with each stride of 2.
inception5h  node names of Google's TensorFlow graph: ``mixed3a_5x5_bottleneck``.  Pools are numbered consecutively;
             those inside modules are counted, although their own names have no number.
torchvision  attribute paths: ``inception3a.branch3.0``.
paper        module names of the paper's first table: ``inception (3a)``.

Sources: BVLC/caffe, models/bvlc_googlenet; the nodes of ``tensorflow_inception_graph.pb`` as listed by
public tools; torchvision, models/googlenet.py; arXiv:1409.4842.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, zip_longest
from string import ascii_lowercase as LETTERS

from ..ops import Conv, Pool
from . import NamedPlace, NamingConvention, Spelled, Stage, window, with_endings


def bvlc_names(places: Sequence[NamedPlace]) -> Iterator[Spelled]:
    """Names such as ``conv2/3x3_reduce``, ``pool1/norm1``, ``inception_3a/pool_proj`` and ``inception_3a/output``."""
    labels = module_labels(places)
    norms = count(1)
    pools, scope = 0, ""
    for placed, after in zip_longest(places, places[1:]):
        place, op = placed.place, placed.op
        if place.module is not None:
            part = part_name(placed, "reduce", "proj") if place.branch else "output"
            yield f"inception_{labels[place.module]}/{part}"
        elif isinstance(op, Pool):
            pools += 1
            scope = f"pool{pools}"
            yield f"{scope}/3x3_s2"
        elif isinstance(op, Conv):
            scope = f"conv{pools + 1}"
            yield f"{scope}/{stem_conv(op, after)}"
        else:
            yield f"{scope}/norm{next(norms)}"


def stem_conv(op: Conv, after: NamedPlace | None) -> str:
    """The name of a convolution in the stem: ``7x7_s2``, ``3x3``, or ``3x3_reduce`` for a 1x1 before a 3x3."""
    if op.kernel == (1, 1) and after and isinstance(after.op, Conv):
        return f"{window(after.op)}_reduce"
    return f"{window(op)}_s{op.stride}" if op.stride > 1 else window(op)


def part_name(placed: NamedPlace, before: str, after_pool: str) -> str:
    """The name of a site in a module: ``5x5_reduce``, ``5x5``, ``pool``, ``pool_proj``; "" for the concatenation.

    It contains the branch's label, even if the dialect has another kernel size.
    """
    branch, step = placed.place.branch, placed.place.step or 0
    if branch is None:
        return ""
    if isinstance(branch.steps[0], Pool):
        return f"{branch.label}_{after_pool}" if step else branch.label
    return branch.label if step == len(branch.steps) - 1 else f"{branch.label}_{before}"


def module_labels(places: Sequence[NamedPlace]) -> dict[int, str]:
    """Module -> label, such as ``3a``: the number increases with each stride of 2, the letter with each module."""
    labels: dict[int, str] = {}
    number, letters = 0, iter(LETTERS)
    for placed in places:
        if isinstance(placed.op, Conv | Pool) and placed.op.stride > 1:
            number, letters = number + 1, iter(LETTERS)
        elif placed.place.module is not None and placed.place.module not in labels:
            labels[placed.place.module] = f"{number}{next(letters)}"
    return labels


def inception5h_names(places: Sequence[NamedPlace]) -> Iterator[Spelled]:
    """Names such as ``conv2d0``, ``localresponsenorm1``, ``maxpool4``, ``mixed3a_pool_reduce`` and ``mixed3a``."""
    labels = module_labels(places)
    convs, norms, pools = count(), count(), count()
    for placed in places:
        place, op = placed.place, placed.op
        number = next(pools) if isinstance(op, Pool) else 0
        if place.module is not None:
            part = part_name(placed, "bottleneck", "reduce")
            yield f"mixed{labels[place.module]}_{part}".removesuffix("_")
        elif isinstance(op, Pool):
            yield f"maxpool{number}"
        elif isinstance(op, Conv):
            yield f"conv2d{next(convs)}"
        else:
            yield f"localresponsenorm{next(norms)}"


def torchvision_names(places: Sequence[NamedPlace]) -> Iterator[Spelled]:
    """Names such as ``conv1``, ``maxpool1`` and ``inception3a.branch3.0``.

    torchvision has no local response normalisation, so those sites have no name.
    """
    labels = module_labels(places)
    convs, pools = count(1), count(1)
    for placed in places:
        place, op = placed.place, placed.op
        if place.module is not None:
            module = f"inception{labels[place.module]}"
            alone = place.branch is None or len(place.branch.steps) == 1
            path = f"{module}.branch{(place.path or 0) + 1}"
            yield (path if alone else f"{path}.{place.step}") if place.branch else (module, f"{module}.cat")
        elif isinstance(op, Pool):
            yield f"maxpool{next(pools)}"
        else:
            yield f"conv{next(convs)}" if isinstance(op, Conv) else None


def paper_names(places: Sequence[NamedPlace]) -> Iterator[Spelled]:
    """Names such as ``inception (3a)``; only modules have one."""
    labels = module_labels(places)
    for placed in places:
        module = placed.place.module
        yield f"inception ({labels[module]})" if module is not None and placed.place.branch is None else None


def bvlc_staged(name: str, stage: Stage) -> tuple[str, ...]:
    """The names of a value after its in-place ReLU: those of the blob and of the ReLU layer, ``inception_3a/relu_1x1``."""
    scope, _, part = name.rpartition("/")
    return (name, f"{scope}/relu_{part.removesuffix('_s2')}") if stage == "relu" else ()


CONVENTIONS = (
    NamingConvention(
        "bvlc",
        bvlc_names,
        fixed={"multiply": "data", "average": "pool5/7x7_s1", "dense": "loss3/classifier", "softmax": "prob"},
        staged=bvlc_staged,
    ),
    NamingConvention(
        "inception5h",
        inception5h_names,
        fixed={
            "multiply": "input",
            "average": "avgpool0",
            "reshape": "avgpool0/reshape",
            "dense": "softmax2_pre_activation",
            "softmax": "softmax2",
        },
        staged=with_endings(
            {"conv": ("_pre_relu/conv",), "bias": ("_pre_relu",), "batchnorm": ("_pre_relu",), "relu": ("",)}
        ),
    ),
    NamingConvention(
        "torchvision",
        torchvision_names,
        fixed={"multiply": "x", "average": "avgpool", "reshape": "flatten", "dense": "fc"},
        staged=with_endings({"conv": (".conv",), "batchnorm": (".bn",), "relu": ("",)}),
    ),
    NamingConvention("paper", paper_names, fixed={"average": "avg pool", "dense": "linear"}),
)
