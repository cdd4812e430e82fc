"""int8 is used if it is as accurate as fp32 on the user's photos, and the report contains the result of the check."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.unit.classifier.handmade import classifier

import godeeper
from godeeper.classifier.classifier import Classifier
from godeeper.classifier.file import packed
from godeeper.cli.main import main
from godeeper.engine.quantization import shipped
from godeeper.errors import ClassifierError, GodeeperError, OptionError, UnknownName
from godeeper.export.targets import export
from godeeper.photos.decode import Photo, decode
from godeeper.photos.doctor.checkup import examine
from godeeper.photos.sources.folder import read_folder
from godeeper.training import int8_check as precision
from godeeper.training.int8_check import Comparison, compare_held_out, cosines, photo_files, stratified_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES = "mixed/join"
SAME = {"mixed/join": np.ones((1000, 4), np.float32)}


def comparison(cosine: float = 0.999, judged: int = 100, lost: int = 0, won: int = 0, less: float = 0.8) -> Comparison:
    both = judged - lost - won
    return Comparison(
        photos=judged,
        cosines={"mixed/join": 1.0, "mixed_9/join": cosine},
        judged=judged,
        probabilities=(0.8, less),
        error=0.001,
        right=(both + lost, both + won),
        lost=lost,
        won=won,
    )


def made_up(losses: NDArray[np.float64]) -> Comparison:
    """Return a comparison in which int8 lowers the right class's score by ``losses``, one value per photo; features are equal."""
    generator = np.random.default_rng(0)
    best = generator.uniform(0.4, 0.9, len(losses))
    labels = np.where(generator.random(len(losses)) < best, 0, generator.integers(1, 3, len(losses)))
    probabilities = np.column_stack([best, (1 - best) / 2, (1 - best) / 2])
    taken = np.eye(3)[labels] * losses[:, None]
    less = probabilities - taken + taken.sum(1, keepdims=True) / 3
    return compare_held_out(SAME, SAME, np.log(probabilities), np.log(less), labels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twelve noisy photos, one reddish and one bluish."""
    root = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for label, colour in {"red": (220, 40, 40), "blue": (40, 40, 220)}.items():
        (root / label).mkdir()
        for number in range(12):
            coarse = generator.integers(0, 256, (6, 6, 3)) * 0.5 + np.array(colour) * 0.5
            image = Image.fromarray(coarse.astype(np.uint8)).resize((60, 48), Image.Resampling.BICUBIC)
            image.save(root / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def small(folder: Path) -> Classifier:
    """A classifier trained in int8."""
    return godeeper.retrain(folder, features=FEATURES, engine="onnxruntime", precision="int8")


def test_what_passes() -> None:
    """int8 passes with a cosine of at least 0.995 in every module and a loss of at most half a percentage point."""
    assert comparison().passes
    assert comparison(cosine=0.995, less=0.7951).passes
    assert comparison(lost=9, won=4).passes
    assert not comparison(cosine=0.9949).passes
    assert not comparison(less=0.7949).passes


def test_a_point_less_fails() -> None:
    """Heads of equal accuracy pass, and heads that are one percentage point worse fail, whatever the spread between photos."""
    spread = np.random.default_rng(1).normal(0, 0.02, 1000)
    spread -= spread.mean()
    for lost in (np.zeros(1000), spread):
        assert made_up(lost).passes
        assert not made_up(lost + 0.015).passes  # two thirds of the 0.015 belong to the right class
        assert made_up(lost - 0.015).passes
    assert made_up(np.zeros(1000)).loss == 0
    assert made_up(spread + 0.015).loss == pytest.approx(0.01, rel=0.1)
    assert made_up(spread).error == pytest.approx(0.02 * 2 / 3 / np.sqrt(1000), rel=0.1)


def test_neither_precision_is_favoured() -> None:
    """Swapping the two precisions changes the sign of the loss, and swaps the numbers of lost and won photos."""
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 3, 60)
    sure, less = (generator.normal(size=(60, 3)) + 2 * np.eye(3)[labels] for _ in range(2))
    there, back = compare_held_out(SAME, SAME, sure, less, labels), compare_held_out(SAME, SAME, less, sure, labels)
    assert there.loss == pytest.approx(-back.loss)
    assert (there.lost, there.won) == (back.won, back.lost)


def test_photos_near_a_border_do_not_refuse() -> None:
    """If a few predictions change by a small margin, they are reported, and int8 is used."""
    logits = np.zeros((128, 2))
    logits[:, 0] = 1.0
    logits[:3, 0] = 0.01
    turned = logits.copy()
    turned[:3, 0] = -0.01
    found = compare_held_out(SAME, SAME, logits, turned, np.zeros(128, np.int64))
    assert (found.lost, found.won, found.right) == (3, 0, (128, 125))
    assert found.passes
    assert "int8 classifies 125 and fp32 128 correctly" in str(found)


def test_few_photos_give_a_wide_interval() -> None:
    """With few photos the interval is wide and contains zero; with many photos it is narrow, around the observed difference."""
    low, high = comparison(judged=10).interval
    assert low < -0.1 < 0.1 < high
    low, high = comparison(judged=1000, lost=50).interval
    assert -0.07 < low < high < -0.03
    assert "too few photos" in str(comparison(judged=0))


def test_the_sentence_says_what_it_cost() -> None:
    """The sentence on the check has the worst module, both probabilities, the criterion, and both counts with their interval."""
    said = str(comparison(cosine=0.9971, judged=200, lost=4, won=2, less=0.7987))
    for part in (
        "0.9971",
        "mixed_9/join",
        "79.87%",
        "80.00%",
        "required:",
        "0.5 points",
        "int8 classifies 196 and fp32 198 correctly",
        "95 %",
    ):
        assert part in said


def test_cosines_of_nothing() -> None:
    """Features that are all zeros have a cosine of 1 to each other, and a cosine of 0 to all other features."""
    zeros, ones = np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32)
    got = [float(cosines(one, other)[0]) for one, other in [(zeros, zeros), (zeros, ones), (ones, zeros), (ones, ones)]]
    np.testing.assert_allclose(got, [1, 0, 0, 1])


def test_int8_is_used_and_reported(small: Classifier) -> None:
    """The report states that int8 was used, on how many photos it was checked, and at what cost."""
    assert small.precision == "int8"
    assert small.report is not None
    (said,) = (note for note in small.report.notes if "precision" in note)
    assert said.startswith("precision: int8: on 24 photos, features have a cosine similarity to fp32 of at least 0.99")
    assert small.report.provenance["engine"] == "onnxruntime int8"


def test_int8_that_differs_too_much(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the check fails, the classifier uses fp32, and the report says why."""
    monkeypatch.setattr(precision, "LEAST_COSINE", 1.1)
    trained = godeeper.retrain(folder, features=FEATURES, engine="onnxruntime", precision="int8")
    assert trained.precision == "fp32"
    assert trained.calibration is None
    assert trained.report is not None
    assert any("fp32; int8 differs too much here" in note for note in trained.report.notes)


def test_auto_does_not_check_small_folders(folder: Path) -> None:
    """Small folders are computed in fp32; the report says so, unless the user selected ``precision="fp32"``."""
    trained = godeeper.retrain(folder, features=FEATURES, precision="auto")
    assert trained.precision == "fp32"
    assert trained.report is not None
    assert any("for 24 photos, the int8 check would take longer" in note for note in trained.report.notes)
    plain = godeeper.retrain(folder, features=FEATURES)
    assert plain.report is not None
    assert not any("precision" in note for note in plain.report.notes)


def test_auto_checks_int8_for_large_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``precision="auto"``, int8 is checked for folders of at least ``FEWEST`` photos."""
    monkeypatch.setattr(precision, "FEWEST", 24)
    trained = godeeper.retrain(folder, features=FEATURES, engine="onnxruntime", precision="auto")
    assert trained.precision == "int8"


def test_only_the_sample_is_decoded_twice(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In int8, photos outside the sample are decoded once; a second run decodes nothing and gives the same bytes."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(precision, "SAMPLE", 16)
    seen: Counter[Path] = Counter()

    def noted(path: Path, **_: object) -> Photo:
        seen[path] += 1
        return decode(path)

    monkeypatch.setattr("godeeper.photos.doctor.inspection.decode", noted)
    monkeypatch.setattr("godeeper.photos.remote.decode", noted)
    for name in ("first", "second"):
        trained = godeeper.retrain(folder, features=FEATURES, engine="onnxruntime", precision="int8")
        assert trained.precision == "int8"
        trained.save(tmp_path / f"{name}.godeeper")
        assert Counter(seen.values()) == {1: 8, 2: 16}
    assert (tmp_path / "first.godeeper").read_bytes() == (tmp_path / "second.godeeper").read_bytes()


def test_fp32_after_all_decodes_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If int8 is refused, the sample's fp32 features are reused, and the classifier is the same as with fp32."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "plain"))
    plain = godeeper.retrain(folder, features=FEATURES, engine="onnxruntime")
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "asked"))
    monkeypatch.setattr(precision, "SAMPLE", 16)
    monkeypatch.setattr(precision, "LEAST_COSINE", 1.1)
    seen: Counter[Path] = Counter()

    def noted(path: Path, **_: object) -> Photo:
        seen[path] += 1
        return decode(path)

    monkeypatch.setattr("godeeper.photos.doctor.inspection.decode", noted)
    asked = godeeper.retrain(folder, features=FEATURES, engine="onnxruntime", precision="int8")
    assert set(seen.values()) == {1}
    assert len(seen) == 24
    np.testing.assert_array_equal(asked.head.coefficients, plain.head.coefficients)


def test_an_unusable_sample(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If all sampled photos of a class are damaged, fp32 is used, and the report says why."""
    shutil.copytree(folder, tmp_path / "photos")
    monkeypatch.setattr(precision, "SAMPLE", 8)
    for entry in stratified_sample(photo_files(read_folder(tmp_path / "photos")), 8):
        if entry.label == "red":
            entry.path.write_bytes(bytes(entry.path.stat().st_size))
    trained = godeeper.retrain(tmp_path / "photos", features=FEATURES, engine="onnxruntime", precision="int8")
    assert trained.report is not None
    assert trained.precision == "fp32"
    assert any("too few of 8 sampled photos are usable" in note for note in trained.report.notes)


def test_an_unusable_folder(folder: Path, tmp_path: Path) -> None:
    """For a folder that cannot be trained on, the error is the same as in fp32."""

    def error(place: Path, asked: str) -> str:
        with pytest.raises(GodeeperError) as raised:
            godeeper.retrain(place, features=FEATURES, engine="onnxruntime", precision=asked)
        return str(raised.value)

    (tmp_path / "empty" / "a").mkdir(parents=True)
    shutil.copytree(folder / "blue", tmp_path / "one" / "blue")
    shutil.copytree(folder / "blue", tmp_path / "broken" / "blue")
    (tmp_path / "broken" / "red").mkdir()
    (tmp_path / "broken" / "red" / "0.jpg").write_text("no photo")
    for name in ("missing", "empty", "one", "broken"):
        said = {error(tmp_path / name, asked) for asked in ("fp32", "int8", "auto")}
        assert len(said) == 1, said


def test_weights_without_a_calibration_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For weights without quantization ranges, the ranges are measured on the user's photos and stored in the classifier."""
    monkeypatch.setattr(precision, "shipped", lambda _: None)
    monkeypatch.setattr(precision, "SAMPLE", 16)
    trained = godeeper.retrain(folder, features=FEATURES, engine="onnxruntime", precision="int8")
    assert trained.calibration is not None
    assert len(trained.calibration.photos) == 8


def test_wrong_precisions(folder: Path) -> None:
    """An unknown precision is refused with its name, and torch has no int8."""
    with pytest.raises(UnknownName, match="'int4'"):
        godeeper.retrain(folder, features=FEATURES, precision="int4")
    with pytest.raises(OptionError, match="torch"):
        godeeper.load(engine="torch", precision="int8")


def test_the_file_keeps_the_precision(small: Classifier, folder: Path, tmp_path: Path) -> None:
    """A loaded classifier computes in int8 with the same ranges, and gives the same results."""
    small.save(tmp_path / "x.godeeper")
    back = Classifier.load(tmp_path / "x.godeeper", engine="onnxruntime")
    assert back.calibration == small.calibration == shipped(back.weights_file)
    assert str(back.network.batch_engine.identity()) == "onnxruntime int8"
    photos = [verdict.entry.path for verdict in examine(folder).usable]
    np.testing.assert_array_equal(back.predict_proba(photos), small_by_onnxruntime(small).predict_proba(photos))
    assert packed(back) == packed(small)


def small_by_onnxruntime(made: Classifier) -> Classifier:
    return replace(made, engine="onnxruntime")


def test_a_record_for_other_weights_in_a_file(small: Classifier, tmp_path: Path) -> None:
    """A classifier whose quantization ranges belong to other weights is refused when it is loaded."""
    assert small.calibration is not None
    foreign = replace(small, calibration=replace(small.calibration, weights_sha256="0" * 64))
    foreign.save(tmp_path / "x.godeeper")
    with pytest.raises(ClassifierError, match="quantization ranges"):
        Classifier.load(tmp_path / "x.godeeper")


def test_an_export_computes_in_8_bits_too(small: Classifier, folder: Path, tmp_path: Path) -> None:
    """The ONNX export of an int8 classifier gives the classifier's verdicts."""
    photos = [verdict.entry.path for verdict in examine(folder).usable][:4]
    certificate = export(small_by_onnxruntime(small), tmp_path / "x.onnx", "onnx", photos)
    assert certificate.agreeing == 4


def test_classify_states_the_engine(
    small: Classifier, chelsea: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The JSON of ``classify`` states engine and precision, ``--engine`` selects the engine, and torch is refused in int8."""
    path = tmp_path / "x.godeeper"
    small.save(path)
    assert main(["classify", str(path), str(chelsea), "--json", "--engine", "onnxruntime"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["engine"], document["precision"]) == ("onnxruntime", "int8")
    assert main(["classify", str(path), str(chelsea), "--engine", "torch"]) == 2
    assert "fp32" in capsys.readouterr().err
    assert main(["classify", str(path), str(chelsea), "--engine", "abacus"]) == 2
    assert "'abacus'" in capsys.readouterr().err


def test_retrain_states_the_engine(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``retrain`` has options for engine and precision, and its JSON states both."""
    arguments = ["retrain", str(folder), "--out", str(tmp_path / "x.godeeper"), "--features", FEATURES, "--json"]
    assert main([*arguments, "--engine", "onnxruntime", "--precision", "int8"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["engine"], document["precision"]) == ("onnxruntime", "int8")


def test_peek_states_the_engine(chelsea: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON of ``peek`` states the engine, and the precision fp32."""
    assert main(["peek", str(chelsea), "conv", "--out", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["engine"], document["precision"]) == ("onnxruntime", "fp32")


def test_a_file_from_before_there_was_int8(tmp_path: Path) -> None:
    """A classifier's description from an earlier version, which has no precision, means fp32."""
    from tests.unit.classifier.test_file import edited

    (tmp_path / "x.godeeper").write_bytes(edited(classifier(), calibration=None))
    assert Classifier.load(tmp_path / "x.godeeper").precision == "fp32"
