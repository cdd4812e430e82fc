"""A classifier on disk: a ``.godeeper`` file.

It is a zip whose members are stored as they are: ``head.safetensors`` (mean, scale, coefficients, intercepts),
``classifier.json`` (all the rest) and perhaps ``report.json``.  Nothing else is in it, nothing in it is run,
and no more is read than the file is long.  The same classifier gives the same bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.calibration import from_record
from ..errors import ClassifierError, GodeeperError
from ..files import write_atomically
from ..photos.preprocess import Preprocess
from ..version import __version__
from .familiarity import Familiarity
from .head import Head

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .classifier import Classifier

FORMAT = 2
READ = (1, 2)  # format 1 knows no familiarity
HEAD, DESCRIPTION, REPORT = "head.safetensors", "classifier.json", "report.json"
NUMBERS = ("mean", "scale", "coefficients", "intercepts")
DIRECTIONS = "directions"  # of the familiarity, where there is one
SAME_DAY = (1980, 1, 1, 0, 0, 0)  # so that equal classifiers are equal files


def write(classifier: Classifier, path: Path) -> None:
    """Write ``classifier``; raises ``OutputError``."""
    write_atomically(path, packed(classifier))


def packed(classifier: Classifier) -> bytes:
    """The bytes of a classifier's file."""
    from safetensors.numpy import save

    head = {name: np.ascontiguousarray(getattr(classifier.head, name)) for name in NUMBERS}
    if classifier.head.familiarity:
        head[DIRECTIONS] = np.ascontiguousarray(classifier.head.familiarity.directions)
    members = {HEAD: save(head), DESCRIPTION: text(describe(classifier))}
    if classifier.report_record is not None:
        members[REPORT] = text(classifier.report_record)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, payload in members.items():
            archive.writestr(zipfile.ZipInfo(name, SAME_DAY), payload)
    return buffer.getvalue()


def describe(classifier: Classifier) -> dict[str, Any]:
    """All of a classifier but its numbers and its report, as JSON."""
    head = classifier.head
    return {
        "format": FORMAT,
        "godeeper": __version__,
        "classes": list(head.classes),
        "addresses": list(head.addresses),
        "weights": {"name": classifier.weights, "sha256": classifier.weights_sha256},
        "preprocessing": dict(classifier.preprocessing),
        "precision": classifier.precision,
        "calibration": classifier.calibration.record if classifier.calibration else None,
        "temperature": head.temperature,
        "threshold": head.threshold,
        "false_accept_rate": head.false_accept_rate,
        "reach": head.familiarity.reach if head.familiarity else None,
        "certificate": classifier.certificate,
    }


def text(document: Any) -> bytes:
    """JSON, byte for byte the same for the same document."""
    return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")


def read(path: Path) -> Classifier:
    """Read a classifier; raises ``ClassifierError`` for whatever is wrong with the file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    members = read_members(path)
    try:
        description = json.loads(members[DESCRIPTION].decode("utf-8", "surrogatepass"))
        check_format(description)
        report = json.loads(members[REPORT].decode("utf-8", "surrogatepass")) if REPORT in members else None
        return made(description, load(members[HEAD]), report)
    except GodeeperError as error:
        raise ClassifierError(f"{path}: {error}") from None
    except (SafetensorError, ValueError, TypeError, LookupError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ClassifierError(f"{path}: a damaged classifier ({type(error).__name__}: {reason}); get it anew") from None


def read_members(path: Path) -> dict[str, bytes]:
    """Name -> content of what a classifier's file holds, and of nothing else."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive.infolist(), path.stat().st_size)
            return {name: archive.read(name) for name in archive.namelist()}
    except ClassifierError as error:
        raise ClassifierError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise ClassifierError(f"{path}: no such file; expected a classifier, made by godeeper retrain") from None
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClassifierError(f"{path}: not a whole .godeeper file ({reason}); get it anew") from None


def check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """Raise unless the members are those of a classifier, stored, and no longer together than the file."""
    names = [member.filename for member in members]
    odd = [name for name in names if name not in (HEAD, DESCRIPTION, REPORT)]
    missing = [name for name in (HEAD, DESCRIPTION) if name not in names]
    if odd or missing or len(set(names)) < len(names):
        faults = f"{odd[0]!r} does not belong there" if odd else f"{missing[0]} is missing" if missing else "twice"
        raise ClassifierError(
            f"not a classifier's file ({faults}); expected {HEAD}, {DESCRIPTION} and perhaps {REPORT}"
        )
    packed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
    if packed or sum(member.file_size for member in members) > size:
        raise ClassifierError("its members claim to be longer than the file; expected them stored, not compressed")


def check_format(description: Any) -> None:
    """Raise for a file of another version."""
    got = description.get("format") if isinstance(description, dict) else None
    if got not in READ:
        known = " and ".join(map(str, READ))
        raise ClassifierError(
            f"a classifier of format {got!r}, and godeeper {__version__} reads {known}; get a newer godeeper, or retrain"
        )


def made(description: dict[str, Any], numbers: dict[str, NDArray[Any]], report: Any) -> Classifier:
    """The classifier that the members of a file describe."""
    from .classifier import Classifier

    head = Head(
        addresses=strings(description["addresses"]),
        **{name: numbers[name] for name in NUMBERS},
        temperature=float(description["temperature"]),
        threshold=rate(description["threshold"]),
        false_accept_rate=rate(description["false_accept_rate"]),
        classes=strings(description["classes"]),
        familiarity=familiarity(description.get("reach"), numbers.get(DIRECTIONS)),
    )
    check_head(head)
    name, sha256 = strings([description["weights"][key] for key in ("name", "sha256")])
    Preprocess.from_mapping(description["preprocessing"])
    record = description.get("calibration")  # files from before there were any have none
    calibration = None if record is None else from_record(record)
    return Classifier(
        head, name, sha256, description["preprocessing"], report, description["certificate"], calibration=calibration
    )


def strings(values: Any) -> tuple[str, ...]:
    """A JSON list of strings."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ClassifierError("damaged: a list of names holds what is no name; get it anew")
    return tuple(values)


def familiarity(reach: Any, directions: NDArray[Any] | None) -> Familiarity | None:
    """The familiarity, where there is one."""
    if directions is None:
        return None
    return Familiarity(directions, float(reach))


def rate(value: Any) -> float | None:
    """A number, or none."""
    return None if value is None else float(value)


def check_head(head: Head) -> None:
    """Raise where the numbers do not fit each other, or are none."""
    classes, features = len(head.classes), head.mean.size
    shapes = {"mean": (features,), "scale": (features,), "coefficients": (classes, features), "intercepts": (classes,)}
    tables: dict[str, NDArray[Any]] = {name: getattr(head, name) for name in NUMBERS}
    if head.familiarity:
        tables[DIRECTIONS] = head.familiarity.directions
        shapes[DIRECTIONS] = (len(head.familiarity.directions), features)
    for name, expected in shapes.items():
        values = tables[name]
        if values.shape != expected:
            raise ClassifierError(f"damaged: {name} has shape {values.shape}, expected {expected}; get it anew")
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            raise ClassifierError(f"damaged: {name} holds what is no number; get it anew")
    if classes < 2 or len(set(head.classes)) < classes or not head.addresses or not (head.scale > 0).all():
        raise ClassifierError(
            "damaged: expected at least two classes, all of them different, and features; get it anew"
        )
    if not 0 < head.temperature < float("inf"):
        raise ClassifierError(f"damaged: the temperature is {head.temperature}, expected more than 0; get it anew")
