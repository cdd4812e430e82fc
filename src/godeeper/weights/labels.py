"""What classes are called: ImageNet's thousand in the order of their synsets, and what releases make of them.

The data file says where the names are from; scripts/build_labels.py rebuilds it.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

from ..errors import WeightsError
from ..files import open_regular

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


def labels_for(
    dialect: str, classes: int, given: tuple[str, ...] = (), *, logistic: bool = False, partial: bool = True
) -> tuple[tuple[str, ...], str]:
    """One label a class, and a note on where they are from; none where there is no classifier.

    Args:
        dialect: the release's dialect.
        classes: how many outputs the classifier has; 0 for no classifier.
        given: labels that came with the file or from the user.
        logistic: the file has one output, for the second of two classes, which alone may be labelled.
        partial: the 2015 release itself may have fewer labels than outputs.
    """
    if not classes:
        if given and not partial:
            raise WeightsError(f"{len(given)} labels for weights without a classifier; leave --labels out")
        return (), ""
    if given:
        if logistic and len(given) == 1:
            return (f"not {given[0]}", given[0]), "1 label came with the weights, for the one output"
        if len(given) > classes or (len(given) < classes and not (dialect == "2015" and partial)):
            what = f"{classes} classes" + (" (the one output tells two classes apart)" if logistic else "")
            raise WeightsError(f"{len(given)} labels for {what}: expected as many labels as classes, one a line")
        told, note = distinct(given)
        return told + numbered(range(len(given), classes)), f"{len(given)} labels came with the weights{note}"
    names = tuple(name for _, name in imagenet())
    if dialect in ("torchvision", "keras") and classes == IMAGENET_CLASSES:
        return names, "1000 outputs: ImageNet's labels, in the order of synsets"
    if dialect == "slim" and classes == IMAGENET_CLASSES + 1:
        return (BACKGROUND, *names), "1001 outputs: background, then ImageNet's labels in the order of synsets"
    return numbered(range(classes)), "no labels are known for these classes: they are called by number"


def numbered(numbers: range) -> tuple[str, ...]:
    """``class 169``, where no name is known."""
    return tuple(f"class {number}" for number in numbers)


def distinct(labels: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Labels that stand more than once told apart by their class's number, and a note on that."""
    often = {label for label, count in Counter(labels).items() if count > 1}
    named = tuple(f"{label} ({number})" if label in often else label for number, label in enumerate(labels))
    many = ", ".join(sorted(often)[:3]) + (", …" if len(often) > 3 else "")
    return named, f"; more than once: {many}, told apart by the number of the class" if often else ""


MOST_LABEL_BYTES = 8 << 20
BESIDE = ("retrained_labels.txt", "output_labels.txt")
"""What TensorFlow's retrain.py and its successors call the labels beside a graph."""


def read_labels(path: Path) -> tuple[str, ...]:
    """The lines of a text file, one class each; empty lines are left out.

    Raises:
        WeightsError: it is no text file, or holds no labels.
    """
    expected = "expected text in UTF-8, one class a line"
    try:
        with open_regular(path) as file:
            data = file.read(MOST_LABEL_BYTES + 1)
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the labels ({error.strerror}); {expected}") from None
    except UnicodeDecodeError as error:
        raise WeightsError(f"{path}: cannot read the labels ({error.reason}); {expected}") from None
    labels = tuple(line.strip() for line in re.split(r"\r\n|\r|\n", text) if line.strip())
    if len(data) > MOST_LABEL_BYTES or "\0" in text or not labels:
        raise WeightsError(f"{path}: no labels in it; {expected}")
    if text.lstrip()[:1] in "{[":
        raise WeightsError(f"{path}: looks like JSON; {expected}")
    return labels


def labels_beside(path: Path) -> Path | None:
    """The file of labels that lies beside a retrained graph: ``retrained_labels.txt`` for ``retrained_graph.pb``."""
    names = dict.fromkeys([path.stem.replace("graph", "labels") + ".txt", f"{path.stem}_labels.txt", *BESIDE])
    return next((found for name in names if name != path.name and (found := path.with_name(name)).is_file()), None)
