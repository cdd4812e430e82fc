"""Classifiers on disk: nothing is lost, and a damaged file is refused with a one-line error."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.classifier import mangled
from tests.unit.classifier.handmade import classifier, ood_model

from godeeper.classifier import classifier as module
from godeeper.classifier.check import NUMBERS
from godeeper.classifier.classifier import Classifier
from godeeper.classifier.file import DESCRIPTION, HEAD, packed
from godeeper.classifier.kept_report import KeptReport
from godeeper.errors import ClassifierError, OutputError
from godeeper.weights.registry import find

REPORT: dict[str, Any] = {"test_photos": ["photos/кошки/1.jpg"], "accuracy": 0.9}


@pytest.fixture(scope="module")
def made() -> Classifier:
    """A classifier that uses every optional part of a classifier's file."""
    return replace(classifier(threshold=0.25), report_record=REPORT, certificate={"photos": 3})


def members(classifier: Classifier) -> dict[str, bytes]:
    """Return name -> content of the members of the classifier's file."""
    with zipfile.ZipFile(io.BytesIO(packed(classifier))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of ``members``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, payload in members.items():
            archive.writestr(name, payload)
    return buffer.getvalue()


def edited(classifier: Classifier, **changes: Any) -> bytes:
    """Return the classifier's file, with changed values in its description."""
    found = members(classifier)
    return zipped(found | {DESCRIPTION: json.dumps(json.loads(found[DESCRIPTION]) | changes).encode()})


def refused(payload: bytes, folder: Path, reason: str) -> None:
    """Assert that reading the file raises a one-line error that names the file and contains ``reason``."""
    path = folder / "x.godeeper"
    path.write_bytes(payload)
    with pytest.raises(ClassifierError) as error:
        Classifier.load(path)
    message = str(error.value)
    assert reason in message
    assert "x.godeeper" in message
    assert "\n" not in message


def test_a_classifier_comes_back_as_it_was(made: Classifier, tmp_path: Path, chelsea: Path) -> None:
    """Coefficients, names, threshold, report, certificate and predictions are unchanged after saving and loading."""
    made.save(tmp_path / "cars.godeeper")
    back = Classifier.load(tmp_path / "cars.godeeper")
    for name in NUMBERS:
        np.testing.assert_array_equal(getattr(back.head, name), getattr(made.head, name))
    assert back.head.classes == made.head.classes
    assert (back.head.temperature, back.head.threshold, back.head.false_accept_rate) == (1.3, 0.25, 0.05)
    assert (back.report_record, back.certificate) == (REPORT, {"photos": 3})
    assert back.test_photos == [Path("photos/кошки/1.jpg")]
    np.testing.assert_array_equal(back.predict_proba([chelsea]), made.predict_proba([chelsea]))


def test_the_ood_model_is_saved(tmp_path: Path, chelsea: Path) -> None:
    """A loaded classifier's OOD model lowers the probabilities of unfamiliar photos as before saving."""
    doubting = classifier(ood_model=ood_model())
    doubting.save(tmp_path / "cars.godeeper")
    back = Classifier.load(tmp_path / "cars.godeeper")
    np.testing.assert_array_equal(back.predict_proba([chelsea]), doubting.predict_proba([chelsea]))
    assert back.predict_proba([chelsea]).max() < classifier().predict_proba([chelsea]).max()


def test_a_file_of_format_1(made: Classifier, tmp_path: Path, chelsea: Path) -> None:
    """Files of format 1, which have no OOD model, are read and give the same result."""
    (tmp_path / "old.godeeper").write_bytes(edited(made, format=1))
    back = Classifier.load(tmp_path / "old.godeeper")
    assert back.head.ood_model is None
    np.testing.assert_array_equal(back.predict_proba([chelsea]), made.predict_proba([chelsea]))


def test_directions_of_another_length(tmp_path: Path) -> None:
    """OOD directions whose length does not fit the features are refused."""
    doubting = classifier(ood_model=ood_model(("mixed_2/join",)))
    refused(packed(doubting), tmp_path, "directions has shape")


def test_the_same_classifier_gives_the_same_bytes(made: Classifier) -> None:
    """A classifier's file contains no time and no facts about the machine, so equal classifiers have equal bytes."""
    assert packed(made) == packed(replace(made))


def test_no_member_is_compressed_and_none_is_a_pickle(made: Classifier) -> None:
    """A classifier's file is an uncompressed zip of safetensors and JSON."""
    with zipfile.ZipFile(io.BytesIO(packed(made))) as archive:
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.namelist() == [HEAD, DESCRIPTION, "report.json"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_file_cut_short(made: Classifier, tmp_path: Path, share: float) -> None:
    """A truncated file is refused."""
    payload = packed(made)
    refused(payload[: int(len(payload) * share)], tmp_path, "not a whole .godeeper file")


@pytest.mark.parametrize("place", range(0, 1000, 97))
def test_a_changed_byte_is_found(made: Classifier, tmp_path: Path, place: int) -> None:
    """A changed byte of a member is detected."""
    payload = bytearray(packed(made))
    payload[100 + place] ^= 0x55
    path = tmp_path / "x.godeeper"
    path.write_bytes(payload)
    with pytest.raises(ClassifierError):
        Classifier.load(path)


@pytest.mark.parametrize("name", [HEAD, DESCRIPTION])
def test_a_missing_member(made: Classifier, tmp_path: Path, name: str) -> None:
    """A file without the arrays or the description is refused."""
    rest = {other: payload for other, payload in members(made).items() if other != name}
    refused(zipped(rest), tmp_path, f"{name} is missing")


@pytest.mark.parametrize("name", ["../evil.py", "/etc/passwd", "head.pkl", "HEAD.safetensors"])
def test_a_member_that_does_not_belong(made: Classifier, tmp_path: Path, name: str) -> None:
    """A file with an unknown member is refused, and nothing is unpacked."""
    refused(zipped(members(made) | {name: b"x"}), tmp_path, f"{name!r} does not belong there")
    assert [path.name for path in tmp_path.iterdir()] == ["x.godeeper"]


def test_a_bomb(made: Classifier, tmp_path: Path) -> None:
    """Compressed members are refused."""
    bomb = members(made) | {"report.json": b" " * 50_000_000}
    refused(zipped(bomb, zipfile.ZIP_DEFLATED), tmp_path, "expected stored members")


def test_another_version(made: Classifier, tmp_path: Path) -> None:
    """A file of a newer format is refused, and the error says so."""
    refused(edited(made, format=3), tmp_path, "format 3")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"classes": ["a", "b"]}, "coefficients has shape"),
        ({"classes": ["a", "a", "b", "c"]}, "all of them different"),
        ({"classes": "abcd"}, "list of names"),
        ({"addresses": ["mixed_2/join"]}, "features"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": "hot"}, "damaged"),
        ({"weights": {"name": "bundled"}}, "damaged"),
        ({"weights": {"name": "bundled", "sha256": "0" * 64}}, "0000000000000000…"),
        ({"weights": {"name": "mine", "sha256": "0" * 64}}, "unknown weights 'mine'"),
        ({"addresses": ["mixed_99/join"]}, "no tensor is called 'mixed_99/join'"),
        ({"preprocessing": {"sharpen": 1}}, "unknown preprocessing 'sharpen'"),
        ({"preprocessing": []}, "the preprocessing is []"),
        ({"preprocessing": {"size": 100_000}}, "size 100000"),
        ({"preprocessing": {"size": 224}}, "it resizes photos to 224 pixels, but its weights expect 299"),
        ({"preprocessing": {"size": True}}, "size True"),
        ({"preprocessing": {"size": "299"}}, "size '299'"),
        ({"preprocessing": {"divide": 0}}, "divide"),
        ({"preprocessing": {"divide": [1, 2]}}, "divide"),
        ({"preprocessing": {"subtract": 1e300}}, "subtract"),
        ({"format": True}, "format True"),
        ({"format": 2.0}, "format 2.0"),
        ({"format": "2" * 5000}, "…"),
        ({"classes": []}, "classes is []"),
        ({"classes": ["a", "", "b", "c"]}, "classes holds ''"),
        ({"classes": ["a", " ", "b", "c"]}, "classes holds ' '"),
        ({"classes": ["a", 1, "b", "c"]}, "classes holds 1"),
        ({"classes": {"a": 1}}, "classes is"),
        ({"addresses": []}, "addresses is []"),
        ({"addresses": ["mixed_2/join"] * 2}, "twice"),
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": 1e-300}, "temperature is 1e-300"),
        ({"temperature": True}, "temperature is True"),
        ({"temperature": "1.3"}, "temperature is '1.3'"),
        ({"threshold": 2}, "threshold is 2"),
        ({"threshold": -0.1}, "threshold is -0.1"),
        ({"threshold": "0.5"}, "threshold is '0.5'"),
        ({"false_accept_rate": [0.5]}, "false accept rate is [0.5]"),
        ({"weights": []}, "the weights is []"),
        ({"weights": {"name": 3, "sha256": "0" * 64}}, "weights' name"),
        ({"weights": {"name": "bundled", "sha256": "0"}}, "expected a SHA-256"),
        ({"certificate": []}, "certificate is []"),
        ({"calibration": []}, "quantization ranges"),
        ({"calibration": {"format": 9}}, "quantization ranges of format 9"),
        ({"preprocessing": {"fit": "stretch"}}, "unknown fit 'stretch'"),
    ],
)
def test_a_description_that_does_not_fit(
    made: Classifier, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    """The description must match the arrays, and contain only known values."""
    refused(edited(made, **changes), tmp_path, reason)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["temperature", "threshold", "false_accept_rate"])
def test_a_number_that_is_not_finite(made: Classifier, tmp_path: Path, field: str, value: str) -> None:
    """NaN and infinity in the JSON are refused, although Python's parser accepts them."""
    found = members(made)
    description = json.loads(found[DESCRIPTION]) | {field: "HERE"}
    text = json.dumps(description).replace('"HERE"', value)
    refused(zipped(found | {DESCRIPTION: text.encode()}), tmp_path, "not a finite number")


@pytest.mark.parametrize("value", [b"[]", b"3", b"null", b'"report"', b'{"test_photos": 3}', b'{"test_photos": [1]}'])
def test_an_invalid_report(made: Classifier, tmp_path: Path, value: bytes) -> None:
    """A report must be a JSON object, and its photos must be paths."""
    refused(zipped(members(made) | {"report.json": value}), tmp_path, "expected a")


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("coefficients", lambda values: values * np.nan, "coefficients holds values that are not finite"),
        ("coefficients", lambda values: values + np.inf, "coefficients holds values that are not finite"),
        ("coefficients", lambda values: values[:, 1:], "coefficients has shape"),
        ("coefficients", lambda values: values.astype(np.int64), "coefficients holds values that are not finite"),
        ("mean", lambda values: values[None], "mean has shape"),
        ("scale", lambda values: values * 0, "not above 0"),
        ("scale", lambda values: -values, "not above 0"),
        ("intercepts", lambda values: values[:0], "intercepts has shape"),
        ("intercepts", lambda values: values.sum(), "intercepts has shape"),
    ],
)
def test_arrays_that_do_not_fit(made: Classifier, tmp_path: Path, name: str, change: Any, reason: str) -> None:
    """Arrays must be finite floats, with the shapes that follow from the classes and the features."""
    from safetensors.numpy import load, save

    found = members(made)
    arrays = load(found[HEAD])
    arrays[name] = np.ascontiguousarray(change(arrays[name]))
    refused(zipped(found | {HEAD: save(arrays)}), tmp_path, reason)


def test_numbers_that_overflow(made: Classifier, chelsea: Path) -> None:
    """Finite coefficients whose products overflow give an error, not a class."""
    largest = np.finfo(np.float32).max
    broken = replace(made, head=replace(made.head, coefficients=made.head.coefficients * 0 + largest))
    with np.errstate(all="ignore"), pytest.raises(ClassifierError, match="probabilities that are not finite"):
        broken.predict_proba([chelsea])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(made: Classifier, tmp_path: Path) -> None:
    """A file with the same member twice is refused."""
    buffer = io.BytesIO(packed(made))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(DESCRIPTION, b"{}")
    refused(buffer.getvalue(), tmp_path, f"{DESCRIPTION} is there twice")


def test_what_is_not_a_file(tmp_path: Path) -> None:
    """A named pipe, a folder and a device are refused at once."""
    os.mkfifo(tmp_path / "pipe.godeeper")
    (tmp_path / "folder.godeeper").mkdir()
    for path, reason in ((tmp_path / "pipe.godeeper", "named pipe"), (tmp_path / "folder.godeeper", "a folder")):
        with pytest.raises(ClassifierError, match=reason):
            Classifier.load(path)
    with pytest.raises(ClassifierError, match="device"):
        Classifier.load("/dev/zero")


def test_a_file_that_is_too_large(made: Classifier, tmp_path: Path) -> None:
    """A file of many GB is refused before it is read."""
    path = tmp_path / "x.godeeper"
    path.write_bytes(packed(made))
    payload = path.read_bytes()
    with path.open("r+b") as file:  # a sparse region in front of the zip; a zip may begin with any bytes
        file.truncate(0)
        file.seek(1 << 33)
        file.write(payload)
    with pytest.raises(ClassifierError, match="expected a classifier of at most 256 MiB"):
        Classifier.load(path)


def test_a_long_name_is_cut(made: Classifier, tmp_path: Path) -> None:
    """An error message does not repeat a megabyte of the file."""
    (tmp_path / "x.godeeper").write_bytes(edited(made, classes="x" * 1_000_000))
    with pytest.raises(ClassifierError) as error:
        Classifier.load(tmp_path / "x.godeeper")
    assert len(str(error.value)) < 500


def test_the_report_of_a_loaded_classifier(made: Classifier, tmp_path: Path) -> None:
    """The report is the saved record: a mapping that prints as a few lines."""
    test = {"accuracy": 0.9, "interval": [0.7, 0.97], "n": 20, "by": "a test set", "caution": None}
    record = {"classes": ["a", "b\x1b[2J"], "test": test, "notes": ["few photos"], "test_photos": []}
    replace(made, report_record=record).save(tmp_path / "x.godeeper")
    report = Classifier.load(tmp_path / "x.godeeper").report
    assert dict(report) == report.record() == record
    assert str(report).splitlines() == [
        "2 classes: a, b\\x1b[2J",
        "accuracy 90.0 %, 95 % interval 70.0 % to 97.0 %, on 20 photos, by a test set",
        "few photos",
    ]
    assert "\n" not in repr(report)
    assert "<br>" in report._repr_html_()


@pytest.mark.parametrize("record", [{}, {"test": 3, "classes": "x", "notes": 1}, {"test": {"interval": [1]}}])
def test_a_report_of_little(record: dict[str, Any]) -> None:
    """Fields of a report that are missing or have another type are left out of the printed lines."""
    assert str(KeptReport(record)) == ""
    assert repr(KeptReport(record)) == "<report: empty>"


def test_json_that_is_too_deep(made: Classifier, tmp_path: Path) -> None:
    """Deeply nested brackets do not crash the program."""
    refused(zipped(members(made) | {DESCRIPTION: b"[" * 200_000}), tmp_path, "damaged")


def test_mangled_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of thousands of faulty files is refused with a one-line error or gives a classifier that works."""
    monkeypatch.setattr(module, "find", cache(find))  # the same weights every time
    payload, path = mangled.whole(), tmp_path / "x.godeeper"
    assert mangled.outcome(lambda: read(payload, path)) is None
    assert read(payload, path).head.classes == ("a", "b")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        files = (mangled.mangled(payload, seed) for seed in range(3000))
        faults = [mangled.outcome(partial(read, file, path)) for file in files]
    assert [fault for fault in faults if fault] == []


def read(payload: bytes, path: Path) -> Classifier:
    """Return the classifier in a file of these bytes."""
    path.write_bytes(payload)
    return Classifier.load(path)


def test_no_such_file(tmp_path: Path) -> None:
    """The error for a missing file says that the file does not exist."""
    with pytest.raises(ClassifierError, match="no such file"):
        Classifier.load(tmp_path / "cars.godeeper")


def test_a_place_that_cannot_be_written(made: Classifier, tmp_path: Path) -> None:
    """Saving to a path below a file raises a one-line error."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        made.save(tmp_path / "file" / "cars.godeeper")


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_weights_that_are_not_a_file(made: Classifier, tmp_path: Path, kind: str) -> None:
    """A classifier's file may name any path as its weights; a named pipe there is refused without blocking."""
    path = Path("/dev/zero") if kind == "device" else tmp_path / "x.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    refused(edited(made, weights={"name": str(path), "sha256": "0" * 64}), tmp_path, str(path))
