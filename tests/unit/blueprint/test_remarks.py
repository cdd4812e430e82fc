"""Names that are easily confused get a remark that says which tensor is meant."""

from __future__ import annotations

import pytest

from godeeper.blueprint.address import resolve, resolve_one
from godeeper.blueprint.googlenet import GOOGLENET
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.blueprint.ops import Blueprint
from godeeper.blueprint.remarks import remark, remarks_on
from godeeper.errors import UnknownAddress

MIXED_6E = "Mixed_6e (slim, torchvision) is mixed_7 (tf2015), not mixed_6 or mixed6"
MEANT = [
    (INCEPTION_V3, "mixed_9/join", "Mixed_7b (slim, torchvision) is mixed_9 (tf2015), not mixed_7 or mixed7"),
    (INCEPTION_V3, "Mixed_7b.branch_pool", "Mixed_7b (slim, torchvision) is mixed_9 (tf2015), not mixed_7 or mixed7"),
    (INCEPTION_V3, "mixed9_0", "Mixed_7b (slim, torchvision) is mixed_9 (tf2015), not mixed_7 or mixed7"),
    (
        INCEPTION_V3,
        "mixed7",
        f"mixed_7 (tf2015) is Mixed_6e (slim, torchvision), not Mixed_7a, Mixed_7b or Mixed_7c; {MIXED_6E}",
    ),
    (INCEPTION_V3, "mixed/join", "Mixed_5b (slim, torchvision) is mixed0 (keras), not mixed_5 or mixed5"),
    (INCEPTION_V3, "maxpool1", "maxpool1 (torchvision) is pool, not pool_1 or max_pooling2d_1"),
    (INCEPTION_V3, "mixed_6/join", None),  # Mixed_6d: the same number in both conventions
    (INCEPTION_V3, "conv", None),
    (INCEPTION_V3, "softmax", None),
    (GOOGLENET, "pool1/3x3_s2", "maxpool1 (torchvision) is maxpool0 (inception5h), not maxpool1 (inception5h)"),
    (GOOGLENET, "inception_3a/output", None),
]


@pytest.mark.parametrize(
    ("blueprint", "name", "expected"), MEANT, ids=lambda value: value if isinstance(value, str) else ""
)
def test_remarks(blueprint: Blueprint, name: str, expected: str | None) -> None:
    """A remark names the tensor in another convention, and the tensor that it could be mistaken for."""
    assert remark(blueprint, resolve_one(blueprint, name)) == expected


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_remarks_are_true(name: str) -> None:
    """The two names that a remark equates mean the same module or pool, and the names after "not" mean others."""
    network = BLUEPRINTS[name]
    for tensor in resolve(network, "**"):
        for said in (remark(network, tensor) or "").split("; "):
            if said:
                own, _, rest = said.partition(" is ")
                same, _, others = rest.partition(", not ")
                assert where(network, own) == where(network, same) == where_of(tensor.names.first or "", network)
                for other in others.replace(" or ", ", ").split(", "):
                    assert where(network, other) != where(network, own)


def where(blueprint: Blueprint, label: str) -> object:
    """Return the module, or the site outside of modules, that text such as ``Mixed_7b (slim, torchvision)`` means."""
    name, _, conventions = label.partition(" (")
    prefix = f"{conventions.partition(',')[0].rstrip(')')}:" if conventions else ""
    found = [text for text in (f"{prefix}{name}", f"{prefix}{name}/join") if is_known(blueprint, text)]
    return where_of(found[0], blueprint)


def where_of(name: str, blueprint: Blueprint) -> object:
    site = resolve_one(blueprint, name).site
    return site.address if site.place.module is None else site.place.module


def is_known(blueprint: Blueprint, name: str) -> bool:
    try:
        resolve(blueprint, name)
    except UnknownAddress:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("activation_12", ["activation_12 is mixed_1/conv; in keras2.2 it is mixed/tower_2/conv: write keras2.2:activation_12 for that one"]),
        ("max_pooling2d_1", ["max_pooling2d_1 is pool_1; in keras2.2 it is pool: write keras2.2:max_pooling2d_1 for that one"]),
        ("Mixed_7b", ["Mixed_7b (slim, torchvision) is mixed_9 (tf2015), not mixed_7 or mixed7"]),
        ("Mixed_6e.branch_pool[3]", [MIXED_6E]),
        ("activation", []),
        ("keras:activation_12", []),
        ("keras2.2:activation_12", []),
        ("torchvision:Mixed_7b", []),
        ("mixed_7/join", []),
        ("mixed7", []),
        ("Mixed_6d", []),
        ("activation*", []),
    ],
)  # fmt: skip
def test_remarks_on_what_was_typed(text: str, expected: list[str]) -> None:
    """A typed name that means another tensor in another convention gets a remark, unless the user names the convention."""
    assert remarks_on(INCEPTION_V3, [text, text]) == expected
