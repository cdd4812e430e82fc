"""The training report of a loaded classifier: the JSON saved in its file, with a readable summary.

Right after training, ``Classifier.report`` is a ``Report``, which can also draw charts; after loading, it is a ``KeptReport``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..escaping import escaped
from ..escaping import escaped_html as escape


class KeptReport(Mapping[str, Any]):
    """A report's record as a mapping; as text, it lists the classes, the accuracy and the notes.

    Its keys are those of the JSON that ``godeeper retrain`` writes next to the classifier, except keys that depend on the run.

    >>> print(KeptReport({"classes": ["cat", "dog"], "test": {"accuracy": 0.9, "interval": [0.7, 0.97], "n": 20, "by": "a test set"}}))
    2 classes: cat, dog
    accuracy 90.0 %, 95 % interval 70.0 % to 97.0 %, on 20 photos, by a test set
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = dict(record)

    def __getitem__(self, key: str) -> Any:
        return self._record[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._record)

    def __len__(self) -> int:
        return len(self._record)

    def __repr__(self) -> str:
        return f"<report: {'; '.join(self.lines()) or 'empty'}>"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return "<br>".join(map(escape, self.lines()))

    def record(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return dict(self._record)

    def lines(self) -> list[str]:
        """The classes, the accuracy and the notes of the training, one line each.

        A field that is missing or has an unexpected type is left out.
        """
        classes, test, notes = self.get("classes"), self.get("test"), self.get("notes")
        found: list[str] = []
        if isinstance(classes, list):
            found.append(f"{len(classes)} classes: {', '.join(map(str, classes[:MOST_CLASSES]))}{more(classes)}")
        if isinstance(test, Mapping):
            found += [line for line in (accuracy(test), test.get("caution")) if isinstance(line, str)]
        return [escaped(line) for line in (*found, *(notes if isinstance(notes, list) else []))]


MOST_CLASSES = 12


def more(classes: list[Any]) -> str:
    """The number of classes that are not listed, in words; empty if all are."""
    return f" and {len(classes) - MOST_CLASSES} more" if len(classes) > MOST_CLASSES else ""


def accuracy(test: Mapping[str, Any]) -> str | None:
    """The accuracy with its interval, in words; None if a value is missing or invalid."""
    value, n, by = test.get("accuracy"), test.get("n"), test.get("by")
    match test.get("interval"):
        case [float() | int() as low, float() | int() as high] if isinstance(value, (int, float)):
            interval = f"95 % interval {100 * low:.1f} % to {100 * high:.1f} %"
            return f"accuracy {100 * value:.1f} %, {interval}, on {n} photos, by {by}"
    return None
