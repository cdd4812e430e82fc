"""What classes are called: ImageNet's thousand in the order of their synsets, and what releases make of them.

The data file says where the names are from; scripts/build_labels.py rebuilds it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ..errors import WeightsError

DATA = Path(__file__).parent / "data" / "imagenet_classes.tsv"

IMAGENET_CLASSES = 1000
BACKGROUND = "background"


@lru_cache(maxsize=1)
def imagenet() -> tuple[tuple[str, str], ...]:
    """(Synset, name) of ImageNet's classes, in the order of torchvision, timm and Keras.

    >>> imagenet()[0]
    ('n01440764', 'tench')
    """
    lines = DATA.read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return tuple((synset, name) for synset, name in pairs)


def labels_for(dialect: str, classes: int, given: tuple[str, ...] = ()) -> tuple[tuple[str, ...], str]:
    """One label a class, and a note on where they are from; none where there is no classifier.

    Args:
        dialect: the release's dialect.
        classes: how many outputs the classifier has; 0 for no classifier.
        given: labels that came with the file or from the user.
    """
    if not classes:
        return (), ""
    if given:
        if len(given) > classes or (len(given) < classes and dialect != "2015"):
            raise WeightsError(f"{len(given)} labels for {classes} classes: expected as many labels as classes")
        return tuple(given) + numbered(range(len(given), classes)), f"{len(given)} labels came with the weights"
    names = tuple(name for _, name in imagenet())
    if dialect in ("torchvision", "keras") and classes == IMAGENET_CLASSES:
        return names, "1000 outputs: ImageNet's labels, in the order of synsets"
    if dialect == "slim" and classes == IMAGENET_CLASSES + 1:
        return (BACKGROUND, *names), "1001 outputs: background, then ImageNet's labels in the order of synsets"
    return numbered(range(classes)), "no labels are known for these classes: they are called by number"


def numbered(numbers: range) -> tuple[str, ...]:
    """``class 169``, where no name is known."""
    return tuple(f"class {number}" for number in numbers)
