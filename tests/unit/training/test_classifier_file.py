"""Classifiers on disk: nothing is lost, and what is damaged is refused in one line."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.training.handmade import classifier, familiarity

from godeeper.errors import ClassifierError, OutputError
from godeeper.training.classifier import Classifier
from godeeper.training.classifier_file import DESCRIPTION, HEAD, NUMBERS, packed

REPORT: dict[str, Any] = {"test_photos": ["photos/кошки/1.jpg"], "accuracy": 0.9}


@pytest.fixture(scope="module")
def made() -> Classifier:
    """A classifier with all that a file may hold."""
    return replace(classifier(threshold=0.25), report_record=REPORT, certificate={"photos": 3})


def members(classifier: Classifier) -> dict[str, bytes]:
    """Name -> content of its file."""
    with zipfile.ZipFile(io.BytesIO(packed(classifier))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of ``members``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, payload in members.items():
            archive.writestr(name, payload)
    return buffer.getvalue()


def edited(classifier: Classifier, **changes: Any) -> bytes:
    """Its file, with other values in its description."""
    found = members(classifier)
    return zipped(found | {DESCRIPTION: json.dumps(json.loads(found[DESCRIPTION]) | changes).encode()})


def refused(payload: bytes, folder: Path, reason: str) -> None:
    """One line that names the file and says ``reason``."""
    path = folder / "x.godeeper"
    path.write_bytes(payload)
    with pytest.raises(ClassifierError) as error:
        Classifier.load(path)
    message = str(error.value)
    assert reason in message
    assert "x.godeeper" in message
    assert "\n" not in message


def test_a_classifier_comes_back_as_it_was(made: Classifier, tmp_path: Path, chelsea: Path) -> None:
    """Numbers, names, threshold, report and certificate survive; so does what it says of a photo."""
    made.save(tmp_path / "cars.godeeper")
    back = Classifier.load(tmp_path / "cars.godeeper")
    for name in NUMBERS:
        np.testing.assert_array_equal(getattr(back.head, name), getattr(made.head, name))
    assert back.head.classes == made.head.classes
    assert (back.head.temperature, back.head.threshold, back.head.false_accept_rate) == (1.3, 0.25, 0.05)
    assert (back.report_record, back.certificate) == (REPORT, {"photos": 3})
    assert back.test_photos == [Path("photos/кошки/1.jpg")]
    np.testing.assert_array_equal(back.predict_proba([chelsea]), made.predict_proba([chelsea]))


def test_familiarity_comes_back(tmp_path: Path, chelsea: Path) -> None:
    """What makes a classifier doubt strange photos is in its file, and it doubts them as much as before."""
    doubting = classifier(familiarity=familiarity())
    doubting.save(tmp_path / "cars.godeeper")
    back = Classifier.load(tmp_path / "cars.godeeper")
    np.testing.assert_array_equal(back.predict_proba([chelsea]), doubting.predict_proba([chelsea]))
    assert back.predict_proba([chelsea]).max() < classifier().predict_proba([chelsea]).max()


def test_a_file_of_format_1(made: Classifier, tmp_path: Path, chelsea: Path) -> None:
    """Files from before there was familiarity are read, and say what they said."""
    (tmp_path / "old.godeeper").write_bytes(edited(made, format=1))
    back = Classifier.load(tmp_path / "old.godeeper")
    assert back.head.familiarity is None
    np.testing.assert_array_equal(back.predict_proba([chelsea]), made.predict_proba([chelsea]))


def test_directions_of_another_length(tmp_path: Path) -> None:
    """Directions that do not fit the features are damage."""
    doubting = classifier(familiarity=familiarity(("mixed_2/join",)))
    refused(packed(doubting), tmp_path, "directions has shape")


def test_the_same_classifier_gives_the_same_bytes(made: Classifier) -> None:
    """Nothing of the hour or the machine is in the file."""
    assert packed(made) == packed(replace(made))


def test_no_member_is_compressed_and_none_is_a_pickle(made: Classifier) -> None:
    """The file is a plain zip of safetensors and JSON."""
    with zipfile.ZipFile(io.BytesIO(packed(made))) as archive:
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.namelist() == [HEAD, DESCRIPTION, "report.json"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_file_cut_short(made: Classifier, tmp_path: Path, share: float) -> None:
    """Half a file is no classifier."""
    payload = packed(made)
    refused(payload[: int(len(payload) * share)], tmp_path, "not a whole .godeeper file")


@pytest.mark.parametrize("place", range(0, 1000, 97))
def test_a_changed_byte_is_found(made: Classifier, tmp_path: Path, place: int) -> None:
    """A byte of a member that is not what it was does not pass."""
    payload = bytearray(packed(made))
    payload[100 + place] ^= 0x55
    path = tmp_path / "x.godeeper"
    path.write_bytes(payload)
    with pytest.raises(ClassifierError):
        Classifier.load(path)


@pytest.mark.parametrize("name", [HEAD, DESCRIPTION])
def test_a_missing_member(made: Classifier, tmp_path: Path, name: str) -> None:
    """Without its numbers or its description it is no classifier."""
    rest = {other: payload for other, payload in members(made).items() if other != name}
    refused(zipped(rest), tmp_path, f"{name} is missing")


@pytest.mark.parametrize("name", ["../evil.py", "/etc/passwd", "head.pkl", "HEAD.safetensors"])
def test_a_member_that_does_not_belong(made: Classifier, tmp_path: Path, name: str) -> None:
    """Nothing but the known members is in a classifier's file, and nothing is unpacked."""
    refused(zipped(members(made) | {name: b"x"}), tmp_path, f"{name!r} does not belong there")
    assert [path.name for path in tmp_path.iterdir()] == ["x.godeeper"]


def test_a_bomb(made: Classifier, tmp_path: Path) -> None:
    """What is compressed is not read."""
    bomb = members(made) | {"report.json": b" " * 50_000_000}
    refused(zipped(bomb, zipfile.ZIP_DEFLATED), tmp_path, "expected them stored")


def test_another_version(made: Classifier, tmp_path: Path) -> None:
    """A file of a newer format says so."""
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
        ({"preprocessing": {"sharpen": 1}}, "damaged"),
        ({"preprocessing": {"fit": "stretch"}}, "unknown fit 'stretch'"),
    ],
)
def test_a_description_that_does_not_fit(
    made: Classifier, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    """What the description says must fit the numbers, and be known here."""
    refused(edited(made, **changes), tmp_path, reason)


def test_json_that_is_too_deep(made: Classifier, tmp_path: Path) -> None:
    """Brackets without end do not end the program."""
    refused(zipped(members(made) | {DESCRIPTION: b"[" * 200_000}), tmp_path, "damaged")


def test_no_such_file(tmp_path: Path) -> None:
    """What is not there says so."""
    with pytest.raises(ClassifierError, match="no such file"):
        Classifier.load(tmp_path / "cars.godeeper")


def test_a_place_that_cannot_be_written(made: Classifier, tmp_path: Path) -> None:
    """Saving below a file fails in one line."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        made.save(tmp_path / "file" / "cars.godeeper")
