"""Exports contain their metadata and agree with the classifier; an export that disagrees is not written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from tests.unit.classifier.handmade import CLASSES, EARLY, classifier, ood_model

from godeeper.classifier.classifier import Classifier
from godeeper.cli.main import main
from godeeper.errors import MissingExtra, OptionError, ParityError, PhotoError, UnknownName
from godeeper.export import onnx, parity
from godeeper.export.parity import Export, certify
from godeeper.export.targets import export
from godeeper.network import load
from godeeper.photos.decode import decode
from godeeper.photos.preprocess import Preprocess

ENDINGS = {"onnx": "onnx", "openvino": "xml", "torch": "pt2"}


@pytest.fixture(scope="module")
def made() -> Classifier:
    """A classifier with a random head on features of early modules."""
    return classifier(EARLY, threshold=0.3)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, chelsea: Path) -> list[Path]:
    """The demonstration photo, and a tall, a wide and a small copy."""
    folder = tmp_path_factory.mktemp("photos")
    for name, size in {"tall": (60, 700), "wide": (1000, 80), "small": (40, 30)}.items():
        Image.open(chelsea).resize(size).save(folder / f"{name}.png")
    return [chelsea, *sorted(folder.iterdir())]


def answers(path: Path, photos: list[Path], preprocess: Preprocess | None = None) -> Any:
    """Return the ONNX file's probabilities of the photos, computed by ONNX Runtime alone."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = [(preprocess or Preprocess()).image_of(decode(photo)) for photo in photos]
    return np.stack([session.run(["probabilities"], {"photo": np.asarray(image)})[0] for image in images])


@pytest.mark.parametrize(
    "preprocessing",
    [{}, {"fit": "crop"}, {"filter": "tf2015", "subtract": 128.0, "divide": 128.0}],
    ids=["as trained", "crop", "tf2015"],
)
def test_onnx_agrees(tmp_path: Path, photos: list[Path], preprocessing: dict[str, Any]) -> None:
    """The ONNX file gives the classifier's probabilities for photos of any shape."""
    original = classifier(preprocessing=preprocessing)
    certificate = export(original, tmp_path / "cars.onnx", "onnx", photos)
    np.testing.assert_allclose(
        answers(tmp_path / "cars.onnx", photos, original.preprocess), original.predict_proba(photos), atol=1e-5
    )
    assert (certificate.photos, certificate.agreeing) == (4, 4)
    assert certificate.difference < 1e-5


@pytest.mark.parametrize("target", ["onnx", pytest.param("torch", marks=pytest.mark.peers)])
def test_ood_models_are_exported(tmp_path: Path, photos: list[Path], target: str) -> None:
    """An OOD model lowers the probabilities of unfamiliar photos; for OpenVINO see ``test_openvino_agrees``."""
    if target != "onnx":
        pytest.importorskip(target)
    doubting = classifier(EARLY, ood_model=ood_model(EARLY))
    assert doubting.predict_proba(photos).max() < classifier(EARLY).predict_proba(photos).max()
    certificate = export(doubting, tmp_path / f"cars.{ENDINGS[target]}", target, photos)
    assert certificate.difference < 1e-4


def test_features_from_everywhere(tmp_path: Path, chelsea: Path) -> None:
    """Features of a branch, a module and the flat tensor at the end can be combined."""
    original = classifier(("mixed/tower_2/conv", "mixed_10/join", "pool_3/_reshape"))
    export(original, tmp_path / "cars.onnx", "onnx", [chelsea])
    np.testing.assert_allclose(answers(tmp_path / "cars.onnx", [chelsea]), original.predict_proba([chelsea]), atol=1e-5)


def test_the_file_says_what_it_is(made: Classifier, tmp_path: Path, chelsea: Path) -> None:
    """Classes, threshold and certificate are in the file's metadata, and in the JSON next to it."""
    certificate = export(made, tmp_path / "cars.onnx", "onnx", [chelsea])
    session = onnxruntime.InferenceSession(tmp_path / "cars.onnx", providers=["CPUExecutionProvider"])
    inside = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    assert inside["classes"] == list(CLASSES)
    assert inside["threshold"] == 0.3
    assert inside["certificate"] == certificate.record()
    assert inside == json.loads((tmp_path / "cars.onnx.json").read_text(encoding="utf-8"))
    assert set(certificate.versions) >= {"godeeper", "onnxruntime", "pillow"}


def disagreeing(classifier: Classifier, shift: float) -> Export:
    """Return an export whose probabilities are all shifted."""
    export = onnx.make_export(classifier)
    return replace(export, predict=lambda pixels: export.predict(pixels) + np.float32(shift))


def test_a_disagreement_is_refused(
    made: Classifier, tmp_path: Path, chelsea: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Probabilities that differ by more than the tolerance give one line and no file."""
    wrong = disagreeing(made, 0.01)
    monkeypatch.setattr(onnx, "make_export", lambda _: wrong)
    with pytest.raises(ParityError, match=r"chelsea\.jpg"):
        export(made, tmp_path / "cars.onnx", "onnx", [chelsea])
    assert list(tmp_path.iterdir()) == []


def test_another_verdict_is_refused(made: Classifier, chelsea: Path) -> None:
    """The verdict must be the same, however close the probabilities are."""
    likeliest = made.predict_proba([chelsea]).max()
    strict = replace(made, head=replace(made.head, threshold=float(likeliest) - 1e-4))
    with pytest.raises(ParityError, match="None"):
        certify(strict, disagreeing(strict, -2e-4), [chelsea], "onnx")


@pytest.mark.parametrize("wrong", [[np.nan] * 4, [0.5, 0.5]])
def test_nonsense_is_refused(made: Classifier, chelsea: Path, wrong: list[float]) -> None:
    """NaN and a wrong number of classes count as disagreement."""
    nonsense = Export(lambda _: np.array(wrong), lambda _: {}, ())
    with pytest.raises(ParityError):
        certify(made, nonsense, [chelsea], "onnx")


def test_invalid_requests(made: Classifier, tmp_path: Path, chelsea: Path) -> None:
    """A missing photo to compare with, an unknown target and a wrong extension each give a one-line error."""
    with pytest.raises(OptionError, match="no photos to check"):
        export(made, tmp_path / "cars.onnx", "onnx", [])
    with pytest.raises(UnknownName, match="coreml"):
        export(made, tmp_path / "cars.onnx", "coreml", [chelsea])
    with pytest.raises(OptionError, match=r"extension \.onnx"):
        export(made, tmp_path / "cars.bin", "onnx", [chelsea])
    assert list(tmp_path.iterdir()) == []


def test_openvino_that_is_not_installed(
    made: Classifier, tmp_path: Path, chelsea: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If OpenVINO is not installed, the error names the missing package."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("godeeper.engine.openvino.import_module", missing)
    with pytest.raises(MissingExtra, match=r"godeeper\[openvino\]"):
        export(made, tmp_path / "cars.xml", "openvino", [chelsea])


@pytest.mark.peers
def test_openvino_agrees(made: Classifier, tmp_path: Path, photos: list[Path]) -> None:
    """OpenVINO's files give the probabilities of a classifier with an OOD model, and contain the classifier's metadata.

    In ``test_every_combination``, the classifiers have no OOD model.
    """
    package = pytest.importorskip("openvino")
    familiar = made.predict_proba(photos).max()
    made = replace(made, head=replace(made.head, ood_model=ood_model(EARLY)))
    assert made.predict_proba(photos).max() < familiar
    certificate = export(made, tmp_path / "cars.xml", "openvino", photos)
    assert certificate.difference < 1e-4
    model = package.Core().read_model(tmp_path / "cars.xml")
    compiled = package.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    got = np.stack([compiled([decode(photo).pixels])["probabilities"] for photo in photos])
    np.testing.assert_allclose(got, made.predict_proba(photos), atol=1e-3)
    assert json.loads(model.get_rt_info(["godeeper", "classes"]).astype(str)) == list(CLASSES)
    assert json.loads(model.get_rt_info(["godeeper", "certificate"]).astype(str)) == certificate.record()


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")  # torch.export's own deprecation warnings
@pytest.mark.parametrize(
    "preprocessing", [{}, {"fit": "crop"}, {"filter": "tf2015"}], ids=["as trained", "crop", "tf2015"]
)
def test_torch_agrees(tmp_path: Path, photos: list[Path], preprocessing: dict[str, Any]) -> None:
    """The exported PyTorch program gives the classifier's probabilities, and contains the classifier's metadata."""
    torch = pytest.importorskip("torch")
    original = classifier(("mixed/tower_2/conv", "mixed_1/join"), preprocessing=preprocessing)
    certificate = export(original, tmp_path / "cars.pt2", "torch", photos)
    extra = {"godeeper.json": ""}
    module = torch.export.load(tmp_path / "cars.pt2", extra_files=extra).module()
    with torch.no_grad():
        images = [np.array(original.preprocess.image_of(decode(photo))) for photo in photos]
        rows = [module(torch.from_numpy(pixels)).numpy() for pixels in images]
    np.testing.assert_allclose(np.stack(rows), original.predict_proba(photos), atol=1e-5)
    assert json.loads(extra["godeeper.json"])["certificate"] == certificate.record()


@pytest.fixture(scope="module")
def graphs() -> Callable[[Any, str, Classifier], Export]:
    """A cached ``make_export``.  Graphs do not depend on the engine, so each target and precision needs only one."""
    kept: dict[tuple[str, bool], Export] = {}

    def graph(make_export: Any, target: str, classifier: Classifier) -> Export:
        key = target, classifier.calibration is None
        if key not in kept:
            kept[key] = make_export(classifier)
        return kept[key]

    return graph


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")  # torch.export's own deprecation warnings
@pytest.mark.parametrize("target", ["onnx", "openvino", "torch"])
@pytest.mark.parametrize("engine", ["auto", "onnxruntime", "openvino", "torch"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_combination(
    tmp_path: Path,
    photos: list[Path],
    graphs: Callable[[Any, str, Classifier], Export],
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    engine: str,
    target: str,
) -> None:
    """For each precision, engine and target, the export has a certificate that names the engine, or is refused with a one-line error."""
    for package in {engine, target} & {"openvino", "torch"}:
        pytest.importorskip(package)
    calibration = load(precision=precision).calibration
    original = replace(classifier(("conv_2",)), calibration=calibration, engine=engine)
    out = tmp_path / f"cars.{ENDINGS[target]}"
    module = import_module(f"godeeper.export.{target}")
    monkeypatch.setattr(module, "make_export", partial(graphs, module.make_export, target))
    if precision == "int8" and "torch" in (engine, target):
        with pytest.raises(OptionError, match="fp32"):
            export(original, out, target, photos[:2])
        assert list(tmp_path.iterdir()) == []
        return
    same = {"onnx": "onnxruntime", "openvino": "openvino"}.get(target)
    try:
        certificate = export(original, out, target, photos[:2])
    except ParityError as error:  # in int8 two engines differ by about the tolerance
        refusal = str(error)
        assert (precision, target, engine in ("auto", same)) == ("int8", "onnx", False)
        assert f"computed by {engine} int8; try another --engine" in refusal
        assert list(tmp_path.iterdir()) == []
        return
    used = engine if engine != "auto" else same if precision == "int8" else "onnxruntime"
    assert certificate.engine in (f"{used} {precision}", f"{used}-cpu {precision}", f"{used}-cuda {precision}")
    assert certificate.tolerance == (1e-2 if (precision, target) == ("int8", "openvino") else 1e-3)
    assert certificate.difference <= certificate.tolerance
    if (precision, target, used) == ("int8", "onnx", same):
        assert certificate.difference < 1e-5


def test_8_bits_of_another_engine(tmp_path: Path, photos: list[Path]) -> None:
    """If engines differ by more than the tolerance, the error names the classifier's engine and suggests another."""
    pytest.importorskip("openvino")
    original = replace(classifier(), calibration=load(precision="int8").calibration, engine="openvino")
    with pytest.raises(ParityError, match=r"computed by openvino int8; try another --engine"):
        certify(original, replace(onnx.make_export(original), tolerance=1e-7), photos, "onnx")


def test_a_verdict_within_the_loose_tolerance_is_counted(made: Classifier, chelsea: Path) -> None:
    """In int8, verdicts near the threshold may differ if the probabilities agree; the certificate states their number."""
    likeliest = made.predict_proba([chelsea]).max()
    strict = replace(made, head=replace(made.head, threshold=float(likeliest) - 1e-4))
    loose = replace(disagreeing(strict, -2e-4), tolerance=parity.LOOSE)
    certificate = certify(strict, loose, [chelsea], "openvino")
    assert (certificate.photos, certificate.agreeing) == (1, 0)


def test_a_damaged_photo_is_skipped(
    made: Classifier, tmp_path: Path, chelsea: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged photo is reported and skipped, and the exit code is 1; if no photo remains, no export is written."""
    made.save(tmp_path / "cars.godeeper")
    (tmp_path / "bad.jpg").write_bytes(chelsea.read_bytes()[:3000])
    command = [
        "export",
        str(tmp_path / "cars.godeeper"),
        "--to",
        "onnx",
        "--out",
        str(tmp_path / "cars.onnx"),
        "--json",
        "--photos",
    ]
    assert main([*command, str(tmp_path / "bad.jpg"), str(chelsea)]) == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert "bad.jpg" in err
    assert "bad.jpg" in document["errors"][0]
    assert document["certificate"]["photos"] == 1
    (tmp_path / "cars.onnx").unlink()
    assert main([*command, str(tmp_path / "bad.jpg")]) == 2
    assert not (tmp_path / "cars.onnx").exists()
    with pytest.raises(PhotoError):
        export(made, tmp_path / "cars.onnx", "onnx", [tmp_path / "bad.jpg", chelsea])
