"""Reads and writes ``.godeeper`` files; a file contains one classifier.

The file is a zip with uncompressed members: ``head.safetensors`` (mean, scale, coefficients, intercepts and the directions of
the OOD model, if there is one), ``classifier.json`` (the other fields) and optionally ``report.json``.  Other members are
rejected, no code is executed, and members cannot expand when read.  ``godeeper.classifier.check`` checks the values.
The same classifier always gives the same bytes.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.quantization import from_record
from ..errors import ClassifierError, GodeeperError, quoted
from ..escaping import json_text
from ..files import open_regular, write_atomically
from ..photos.preprocess import Preprocess
from ..training.head import Head
from ..training.ood import OodModel
from ..version import __version__
from .check import (
    DIRECTIONS,
    LARGEST_REACH,
    NUMBERS,
    TEMPERATURES,
    check_head,
    check_report,
    finite,
    mapping,
    names,
    number,
    sha256,
    share,
    whole,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .classifier import Classifier

FORMAT = 2
READ = (1, 2)  # format 1 has no OOD model
HEAD, DESCRIPTION, REPORT = "head.safetensors", "classifier.json", "report.json"
SAME_DAY = (1980, 1, 1, 0, 0, 0)  # the date of all members, so that equal classifiers have equal files
LARGEST = 1 << 28  # bytes of a file; 168 classes take about 20 MB
LONGEST_MESSAGE = 300
UNREADABLE = (
    zipfile.BadZipFile,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    EOFError,
    LookupError,
    OverflowError,
    struct.error,
)
"""The exceptions that Python's zip reader raises for damaged files."""
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""The exceptions that the readers of JSON, arrays and calibrations raise for invalid data."""


def write(classifier: Classifier, path: Path) -> None:
    """Write ``classifier`` to ``path``; raises ``OutputError``."""
    write_atomically(path, packed(classifier))


def packed(classifier: Classifier) -> bytes:
    """The bytes of a classifier's file."""
    from safetensors.numpy import save

    head = {name: np.ascontiguousarray(getattr(classifier.head, name)) for name in NUMBERS}
    if classifier.head.ood_model:
        head[DIRECTIONS] = np.ascontiguousarray(classifier.head.ood_model.directions)
    members = {HEAD: save(head), DESCRIPTION: text(describe(classifier))}
    if classifier.report_record is not None:
        members[REPORT] = text(classifier.report_record)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, payload in members.items():
            archive.writestr(zipfile.ZipInfo(name, SAME_DAY), payload)
    return buffer.getvalue()


def describe(classifier: Classifier) -> dict[str, Any]:
    """The content of ``classifier.json``: all fields except the arrays and the report."""
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
        "reach": head.ood_model.reach if head.ood_model else None,
        "certificate": classifier.certificate,
    }


def text(document: Any) -> bytes:
    """The bytes of a JSON document; equal documents have equal bytes."""
    return json_text(document, indent=1).encode()


def read(path: Path) -> Classifier:
    """Read a classifier; raises ``ClassifierError`` if anything is wrong with the file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    members = read_members(path)
    try:
        description = parsed(members[DESCRIPTION])
        check_format(description)
        report = check_report(parsed(members[REPORT])) if REPORT in members else None
        return made(description, load(members[HEAD]), report)
    except GodeeperError as error:
        raise ClassifierError(f"{path}: {one_line(error)}") from None
    except (SafetensorError, *MALFORMED) as error:
        raise ClassifierError(
            f"{path}: a damaged classifier ({type(error).__name__}: {one_line(error)}); copy or download it again, or retrain"
        ) from None


def parsed(payload: bytes) -> Any:
    """Parse JSON; raises ``ValueError`` for NaN and Infinity, which Python's parser accepts."""
    return json.loads(
        payload.decode("utf-8", "surrogatepass"), parse_constant=finite, parse_float=finite, parse_int=whole
    )


def one_line(error: object) -> str:
    """An error's message on one line, cut to ``LONGEST_MESSAGE`` because it may quote text from the file."""
    return " ".join(str(error).split())[:LONGEST_MESSAGE]


def read_members(path: Path) -> dict[str, bytes]:
    """Name -> content of each member of a classifier's file; raises ``ClassifierError`` for any other file."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            check_members(archive.infolist(), os.fstat(file.fileno()).st_size)
            return {name: archive.read(name) for name in archive.namelist()}
    except ClassifierError as error:
        raise ClassifierError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise ClassifierError(f"{path}: no such file; expected a classifier, made by godeeper retrain") from None
    except IsADirectoryError:
        raise ClassifierError(
            f"{path}: this is a folder; expected a classifier's file, made by godeeper retrain"
        ) from None
    except UNREADABLE as error:
        reason = one_line(getattr(error, "strerror", None) or error)
        raise ClassifierError(
            f"{path}: not a whole .godeeper file ({reason}); copy or download it again, or retrain"
        ) from None


def check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """Raise ``ClassifierError`` for wrong or compressed members, members larger than the file, and a file that is too large."""
    names = [member.filename for member in members]
    odd = [name for name in names if name not in (HEAD, DESCRIPTION, REPORT)]
    missing = [name for name in (HEAD, DESCRIPTION) if name not in names]
    if odd or missing or len(set(names)) < len(names):
        twice = f"{max(names, key=names.count)} is there twice" if names else ""
        faults = f"{quoted(odd[0])} does not belong there" if odd else f"{missing[0]} is missing" if missing else twice
        raise ClassifierError(
            f"not a classifier's file ({faults}); expected {HEAD}, {DESCRIPTION} and perhaps {REPORT}"
        )
    packed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
    if packed or sum(member.file_size for member in members) > size:
        raise ClassifierError("its members are compressed, or larger than the file; expected stored members")
    if size > LARGEST:
        raise ClassifierError(f"it has {size >> 20} MiB; expected a classifier of at most {LARGEST >> 20} MiB")


def check_format(description: Any) -> None:
    """Raise ``ClassifierError`` if this version of godeeper cannot read the file's format."""
    got = mapping(description, "description").get("format")
    if type(got) is not int or got not in READ:
        known = " and ".join(map(str, READ))
        raise ClassifierError(
            f"a classifier of format {quoted(got)}, but godeeper {__version__} reads {known}; get a newer godeeper, or retrain"
        )


def made(
    description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], report: Mapping[str, Any] | None
) -> Classifier:
    """Create the classifier from the members of a file."""
    from .classifier import Classifier
    from .kept_report import KeptReport

    head = Head(
        addresses=names(description["addresses"], "addresses"),
        **{name: arrays[name] for name in NUMBERS},
        temperature=number(description["temperature"], "temperature", *TEMPERATURES),
        threshold=share(description["threshold"], "threshold"),
        false_accept_rate=share(description["false_accept_rate"], "false accept rate"),
        classes=names(description["classes"], "classes"),
        ood_model=ood_model(description.get("reach"), arrays.get(DIRECTIONS)),
    )
    check_head(head)
    weights = mapping(description["weights"], "weights")
    [name] = names([weights.get("name")], "the weights' name")
    preprocessing = mapping(description["preprocessing"], "preprocessing")
    Preprocess.from_mapping(preprocessing)
    record = description.get("calibration")  # files of older versions do not have this field
    certificate = description["certificate"]
    return Classifier(
        head=head,
        weights=name,
        weights_sha256=sha256(weights.get("sha256"), "weights' SHA-256"),
        preprocessing=preprocessing,
        report_record=report,
        certificate=None if certificate is None else mapping(certificate, "certificate"),
        report=None if report is None else KeptReport(report),
        calibration=None if record is None else from_record(record),
    )


def ood_model(reach: Any, directions: NDArray[Any] | None) -> OodModel | None:
    """The OOD model; None if the file has none."""
    if directions is None:
        return None
    return OodModel(directions, number(reach, "reach", 0.0, LARGEST_REACH))
