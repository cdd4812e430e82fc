"""Class labels: ImageNet's 1000 classes in the order of their synsets, and the labels of each release.

The data file states the source of the labels; scripts/build_labels.py rebuilds it.
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
    """The (synset, name) pairs of ImageNet's classes, in the order of torchvision, timm and Keras.

    >>> imagenet()[0]
    ('n01440764', 'tench')
    """
    lines = DATA.read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return tuple((synset, name) for synset, name in pairs)


def labels_for(
    dialect: str, classes: int, given: tuple[str, ...] = (), *, logistic: bool = False, partial: bool = True
) -> tuple[tuple[str, ...], str]:
    """One label per class, and a note on their source; no labels if there is no classifier.

    Args:
        dialect: the dialect of the release.
        classes: the number of outputs of the classifier; 0 for no classifier.
        given: labels from the file or the user.
        logistic: whether the file has a single output, for the second of two classes; one label is then enough.
        partial: whether ``given`` may have fewer labels than outputs, as in the 2015 release.

    Raises:
        WeightsError: the number of given labels is wrong.
    """
    if not classes:
        if given and not partial:
            raise WeightsError(f"{len(given)} labels for weights without a classifier; leave out --labels")
        return (), ""
    if given:
        if logistic and len(given) == 1:
            return (f"not {given[0]}", given[0]), "1 label came with the weights, for the single output"
        if len(given) > classes or (len(given) < classes and not (dialect == "2015" and partial)):
            what = f"{classes} classes" + (" (a single output distinguishes two classes)" if logistic else "")
            raise WeightsError(f"{len(given)} labels for {what}: expected one label per class, one per line")
        labels, note = distinct(given)
        return labels + numbered(range(len(given), classes)), f"{len(given)} labels came with the weights{note}"
    names = tuple(name for _, name in imagenet())
    if dialect in ("torchvision", "keras") and classes == IMAGENET_CLASSES:
        return names, "1000 outputs: ImageNet's labels, in the order of synsets"
    if dialect == "slim" and classes == IMAGENET_CLASSES + 1:
        return (BACKGROUND, *names), "1001 outputs: background, then ImageNet's labels in the order of synsets"
    return numbered(range(classes)), "the labels of these classes are unknown: they are numbered"


def numbered(numbers: range) -> tuple[str, ...]:
    """Labels such as ``class 169``, for classes without a known name."""
    return tuple(f"class {number}" for number in numbers)


def distinct(labels: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """``labels`` with the number of the class added to duplicates, and a note on them."""
    often = {label for label, count in Counter(labels).items() if count > 1}
    named = tuple(f"{label} ({number})" if label in often else label for number, label in enumerate(labels))
    many = ", ".join(sorted(often)[:3]) + (", …" if len(often) > 3 else "")
    return named, f"; duplicates ({many}) got the number of their class" if often else ""


MOST_LABEL_BYTES = 8 << 20
BESIDE = ("retrained_labels.txt", "output_labels.txt")
"""The names of label files that TensorFlow's retrain.py and its successors write beside a graph."""


def read_labels(path: Path) -> tuple[str, ...]:
    """The lines of a text file with one class per line, without empty lines.

    Raises:
        WeightsError: the file is not text, or contains no labels.
    """
    expected = "expected UTF-8 text, one class per line"
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
        raise WeightsError(f"{path}: contains no labels; {expected}")
    if text.lstrip()[:1] in "{[":
        raise WeightsError(f"{path}: looks like JSON; {expected}")
    return labels


def labels_beside(path: Path) -> Path | None:
    """The label file beside a retrained graph, such as ``retrained_labels.txt`` for ``retrained_graph.pb``; or None."""
    names = dict.fromkeys([path.stem.replace("graph", "labels") + ".txt", f"{path.stem}_labels.txt", *BESIDE])
    return next((found for name in names if name != path.name and (found := path.with_name(name)).is_file()), None)
