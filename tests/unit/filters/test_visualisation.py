"""Pictures that activate filters: the optimisation steps, the values they reach, and the mark on doubtful pictures."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.unit.web.conftest import handmade

import godeeper
from godeeper import Network
from godeeper.cli.main import main
from godeeper.errors import IndexFileError
from godeeper.filters.visualisation.ascent import difference, strongest
from godeeper.filters.visualisation.directions import visualise_sum
from godeeper.filters.visualisation.photos import photos_of, unchanged
from godeeper.filters.visualisation.spectrum import Phases, Spectrum, colours_gradient, to_colours
from godeeper.filters.visualisation.verdict import LEAST_SIMILARITY, judge, similarity
from godeeper.filters.visualisation.views import View
from godeeper.filters.visualisation.visualise import Settings
from godeeper.weights.file import write

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 6
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def net() -> Network:
    return godeeper.load()


def slope(function: Callable[[Any], float], at: NDArray[Any], direction: NDArray[Any]) -> float:
    """Return the slope of a scalar function along a direction, computed by central differences."""
    step = 1e-3
    return float((function(at + step * direction) - function(at - step * direction)) / (2 * step))


@pytest.mark.parametrize("kind", [Spectrum, Phases])
@pytest.mark.parametrize("size", [16, 17])
def test_the_gradient_by_frequencies_points_up(kind: type[Spectrum] | type[Phases], size: int) -> None:
    """The gradient with respect to frequencies agrees with central differences of a linear function of the pictures.

    They agree up to a constant factor, except in the first and last column of frequencies, which occur only once in the
    transform of a real picture.
    """
    pictures = kind(size, 0, 2)
    pictures.values = pictures.values + np.float32(0.3)
    given = RANDOM.standard_normal((2, 3, size, size)).astype(np.float32)
    gradient = np.array(pictures.gradient(given))
    gradient[..., 0] = gradient[..., -1] = 0
    direction = gradient / np.abs(gradient).max()

    def total(values: NDArray[Any]) -> float:
        moved = kind(size, 0, 2)
        moved.values = values
        return float((moved.pictures().astype(np.float64) * given).sum())

    power = float((np.abs(gradient) * np.abs(direction)).sum(dtype=np.float64))
    assert slope(total, pictures.values, direction) == pytest.approx(2 * power / size**2, rel=0.01)


def test_phases_keep_the_magnitudes_of_photos() -> None:
    pictures = Phases(33, 0, 1)
    before = np.abs(np.fft.rfft2(pictures.pictures()))
    pictures.values = pictures.values + RANDOM.uniform(-1, 1, pictures.values.shape).astype(np.float32)
    after = np.abs(np.fft.rfft2(pictures.pictures()))
    np.testing.assert_allclose(before[..., 1:], after[..., 1:], rtol=1e-3)
    assert pictures.pictures().std() == pytest.approx(1.2, rel=0.2)


def test_another_size_shows_the_same_picture() -> None:
    pictures = Spectrum(33, 0, 1)
    pictures.values[..., 6:] = 0
    pictures.values[..., 6:-6, :] = 0
    large, small = pictures.pictures(66), pictures.pictures()
    np.testing.assert_allclose(large[..., ::2, ::2], small, atol=1e-4)


def test_the_gradient_of_colours_is_that_of_finite_differences() -> None:
    pictures = RANDOM.standard_normal((1, 3, 4, 4)).astype(np.float32)
    given = RANDOM.standard_normal((1, 3, 4, 4)).astype(np.float32)
    direction = RANDOM.standard_normal((1, 3, 4, 4)).astype(np.float32)
    expected = slope(lambda at: float((to_colours(at) * given).sum(dtype=np.float64)), pictures, direction)
    assert float((colours_gradient(to_colours(pictures), given) * direction).sum()) == pytest.approx(expected, rel=0.01)


def test_the_gradient_of_a_view_is_its_transpose() -> None:
    view = View(20, 12, (15, 3), 1.07, 0.1)
    pictures = RANDOM.standard_normal((2, 3, 20, 20)).astype(np.float32)
    given = RANDOM.standard_normal((2, 3, 12, 12)).astype(np.float32)
    assert float((view.cut(pictures) * given).sum()) == pytest.approx(
        float((pictures * view.gradient(given)).sum()), rel=1e-3
    )


def test_a_straight_view_is_a_crop_that_wraps_around() -> None:
    picture = RANDOM.standard_normal((1, 1, 10, 10)).astype(np.float32)
    view = View(10, 6, (7, 2), 1.0, 0.0).cut(picture)[0, 0]
    np.testing.assert_allclose(view, np.roll(picture[0, 0], (-7, -2), (0, 1))[:6, :6], atol=1e-5)


def test_the_strongest_places_weigh_most() -> None:
    maps = RANDOM.standard_normal((3, 5, 5)).astype(np.float32)
    weights = strongest(maps)
    assert weights.sum(axis=(1, 2)) == pytest.approx(1, rel=1e-5)
    assert (weights.reshape(3, -1).argmax(1) == maps.reshape(3, -1).argmax(1)).all()
    assert np.isfinite(strongest(np.zeros((1, 4, 4), np.float32))).all()


def test_difference_pushes_equal_pictures_apart() -> None:
    """The gradient of the difference term is orthogonal to each picture's mean activations."""
    values = np.abs(RANDOM.standard_normal((2, 8, 3, 3))).astype(np.float32)
    means = values.mean(axis=(2, 3))
    assert (difference(values)[:, :, 0, 0] * means).sum(axis=1) == pytest.approx(0, abs=1e-5)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_picture(net: Network) -> None:
    first, again = (net.visualise("mixed/tower_2/conv[3]", steps=STEPS)[0].png() for _ in range(2))
    other = net.visualise("mixed/tower_2/conv[3]", steps=STEPS, seed=1)[0].png()
    assert first == again != other


def test_a_picture_is_the_same_alone_and_among_others(net: Network) -> None:
    alone = net.visualise("mixed/tower_2/conv[5]", steps=STEPS)[0]
    among = net.visualise("mixed/tower_2/conv[3,5,9]", steps=STEPS)[1]
    assert alone.png() == among.png()


def test_the_value_is_what_a_peek_at_the_png_finds(net: Network) -> None:
    made = net.visualise("mixed/tower_2/conv[3,5]", steps=STEPS)
    for each, number in zip(made, (3, 5), strict=True):
        peek = net.peek(each.png(), f"mixed/tower_2/conv[{number}]")
        assert each.value == pytest.approx(float(peek.activations.max()), rel=1e-6)
        assert each.record()["filter"] == number


def test_more_steps_activate_the_filter_more(net: Network) -> None:
    few, many = (net.visualise("mixed/tower_2/conv[3]", steps=steps)[0] for steps in (2, 24))
    assert many.value > 1.5 * few.value
    assert many.best_photo is not None
    assert many.trusted == (many.value > many.best_photo.value)


def test_a_join_stands_for_the_filter_that_it_copies(net: Network) -> None:
    (made,) = net.visualise("mixed/join[86]", steps=2)
    assert made.record()["address"] == "mixed/join"
    assert made.record()["origin"] == {"address": "mixed/tower/conv_1", "filter": 22}


def test_several_pictures_of_one_filter_differ(net: Network) -> None:
    made = net.visualise("mixed/tower_2/conv[3]", steps=STEPS, varied=2)
    assert made[0].png() != made[1].png()


def test_a_cell_is_activated_at_its_place(net: Network) -> None:
    (made,) = net.visualise("mixed/tower_2/conv[3]", steps=12, cell=(17, 17))
    plane = net.peek(made.png(), "mixed/tower_2/conv[3]").activations[0, 0]
    row, column = divmod(int(plane.argmax()), plane.shape[1])
    assert abs(row - 17) <= 2
    assert abs(column - 17) <= 2


def test_a_dead_filter_is_said_to_be_dead(net: Network, tmp_path: Path) -> None:
    """A filter with a zero kernel and a negative shift is reported as dead."""
    with net.weights.parameters() as parameters:
        tensors = {name: np.array(parameters.values(name), np.float32) for name in net.weights.expected}
    tensors["mixed/conv/conv2d_params"][7] = 0
    tensors["mixed/conv/batchnorm/beta"][7] = -1
    tensors["mixed/conv/batchnorm/moving_mean"][7] = 0
    path = tmp_path / "dead.safetensors"
    write(path, tensors, replace(net.weights.description, name="dead", quantised={}))
    (made,) = godeeper.load(weights=path).visualise("mixed/conv[7]", steps=2)
    assert not made.trusted
    assert made.why.startswith("dead")
    assert made.value == 0


@pytest.mark.parametrize(
    ("value", "best", "similar", "says"),
    [
        (0.0, None, None, "dead"),
        (0.0, 2.0, None, "does not activate"),
        (3.0, None, None, "not checked"),
        (1.0, 2.0, 0.9, "best photo activates the filter more"),
        (3.0, 2.0, None, "not checked"),
        (3.0, 2.0, LEAST_SIMILARITY - 0.01, "other earlier filters"),
    ],
)
def test_a_picture_is_doubted(value: float, best: float | None, similar: float | None, says: str) -> None:
    verdict = judge(value, best, similar)
    assert not verdict.trusted
    assert says in verdict.why
    assert judge(3.0, 2.0, LEAST_SIMILARITY).trusted


def test_similarity_is_1_for_the_same_path_and_0_for_another() -> None:
    photos = np.array([[1, 2, 0.1], [1, 2, 0.2], [1.1, 2, 0]], np.float32)
    assert similarity({"tensor": np.vstack([photos[:1], photos])}) == pytest.approx(1, abs=0.02)  # type: ignore[dict-item]
    assert similarity({"tensor": np.vstack([[[-2, 1, 0]], photos])}) == pytest.approx(0, abs=0.05)  # type: ignore[dict-item]


def test_the_command_writes_pictures_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "wanted"
    assert main(["visualise", "mixed/tower_2/conv[3,5]", "--out", str(folder), "--steps", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [each["filter"] for each in document["filters"]] == [3, 5]
    for each in document["filters"]:
        assert set(each) >= {
            "address",
            "filter",
            "png",
            "value",
            "best_photo",
            "path_similarity",
            "trusted",
            "why",
            "seconds",
        }
        picture = Image.open(io.BytesIO(Path(each["png"]).read_bytes()))
        assert picture.size == (299, 299)
        assert picture.text["godeeper:visualisation"].startswith("mixed/tower_2/conv[")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mixed/pool[3]"], "no tensor|a pool"),
        (["mixed_3/join[741]"], "a pool"),
        (["pool_1[3]"], "a pool"),
        (["mixed/conv[3]", "--at", "40,2"], "outside the map"),
        (["mixed/conv[3]", "--size", "8"], "receptive field"),
        (["mixed/conv[99]"], "99"),
        (["conv_4"], "at most 64"),
        (["mixed/conv[3]", "--steps", "0"], "steps 0"),
        (["mixed/conv[3]", "--diversity", "0"], "varied 0"),
        (["mixed/conv[3]", "--method", "magic"], "magic"),
        (["mixed/conv[3]", "--index", "nothing.index"], "nothing.index"),
        (["mixed/conv[3]", "--photos", "here"], "--index"),
        (["mixed/conv[3]", "--seed", "-1"], "seed"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "wanted"
    assert main(["visualise", *arguments, "--out", str(folder)]) == 2
    error = capsys.readouterr().err
    assert re.search(says, error), error
    assert len(error.strip().splitlines()) == 1
    assert not folder.exists()


def test_a_sum_of_filters_reaches_more_than_a_picture_of_one(net: Network) -> None:
    """A picture for the sum of two filters reaches a greater sum in a cell than a picture for either, and is reproducible."""
    tensor = net.tensors("mixed/conv[3,5]")[0]
    settings = Settings(steps=20)
    made = visualise_sum(net, tensor, settings)

    def sum_in(image: NDArray[Any]) -> float:
        return float(net.peek(image, "mixed/conv[3,5]").activations[0].sum(axis=0).max())

    assert made.value == pytest.approx(sum_in(made.image), rel=1e-5)
    singles = [net.visualise(f"mixed/conv[{number}]", steps=20)[0].image for number in (3, 5)]
    assert made.value > max(map(sum_in, singles))
    np.testing.assert_array_equal(visualise_sum(net, tensor, settings).image, made.image)


def test_a_class_raises_its_logit(tmp_path: Path) -> None:
    """Of the pictures for all classes, the picture for a class has the greatest logit of that class, relative to the mean logit."""
    classifier = handmade()
    made = {name: classifier.visualise(name, steps=2) for name in classifier.head.classes}
    assert made["cat"].value > 0
    logits = {name: np.log(classifier.predict_proba([each.picture])[0]) for name, each in made.items()}
    for number, name in enumerate(made):
        own = {other: each[number] - each.mean() for other, each in logits.items()}
        assert max(own, key=lambda other: own[other]) == name
        assert made[name].probability == pytest.approx(np.exp(logits[name][number]), rel=1e-5)


def test_a_transparent_picture_has_the_value_that_it_states(tmp_path: Path, net: Network) -> None:
    """The PNG has an alpha channel, and a peek at that file, composited onto white, finds the stated value."""
    (made,) = net.visualise("mixed/conv[3]", steps=STEPS, method="phase", transparent=True)
    path = tmp_path / "made.png"
    path.write_bytes(made.png())
    with Image.open(path) as image:
        assert (image.mode, image.size) == ("RGBA", (299, 299))
        opacity = np.asarray(image.getchannel("A"))
    assert opacity.min() < 100
    assert opacity.max() == 255
    assert net.peek(path, "mixed/conv[3]").activations.max() == pytest.approx(made.value, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mixed/conv[3]", "--sum"], "expected two or more filters of one convolution"),
        (["mixed/join[3,100]", "--sum"], "expected two or more filters of one convolution"),
        (["pool[3,4]", "--sum"], "a pool, which has no weights"),
        (["--class", "cat"], "--class NAME --classifier FILE.godeeper"),
        ([], "expected either the ADDRESS[CHANNELS] of filters, or --class NAME"),
        (["mixed/conv[3]", "--class", "cat", "--classifier", "{file}"], "expected either the ADDRESS"),
        (["--class", "dog", "--classifier", "{file}"], "unknown class 'dog': expected one of cat, Hund, 鳥"),
        (["--class", "cat", "--classifier", "{file}", "--at", "3,4"], "a class has no cell"),
        (["--class", "cat", "--classifier", "{file}", "--diversity", "2"], "a sum or a class gives one"),
        (["mixed/conv[3,5]", "--sum", "--index", "my.index"], "only with single filters"),
    ],
)
def test_directions_that_do_not_exist(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A direction that does not exist is refused with a one-line error, and nothing is written."""
    file, out = tmp_path / "my.godeeper", tmp_path / "wanted"
    handmade().save(file)
    given = [each.replace("{file}", str(file)) for each in arguments]
    assert main(["visualise", *given, "--out", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_photos_of_an_index_are_read_from_a_zip_too(tmp_path: Path, net: Network) -> None:
    """From the folder and from a zip of it, the same files are read; a missing or changed photo, or a path outside, gives none."""
    folder = tmp_path / "photos"
    (folder / "noise").mkdir(parents=True)
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "noise" / f"{number}.png")
    index = net.index(folder, tmp_path / "my.index")
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path, "photos"))
    tensor = net.tensors("conv[3]")[0]
    usual = photos_of(index, tensor, folder)
    assert [each.data for each in usual] == [(folder / each.name).read_bytes() for each in usual]
    assert photos_of(index, tensor, archive) == usual
    assert [each.data for each in photos_of(index, tensor, None)] == [None] * 3
    (folder / "noise" / "0.png").unlink()
    (folder / "noise" / "1.png").write_bytes(b"other")
    lost = [each.name for each in photos_of(index, tensor, folder) if each.data is None]
    assert sorted(lost) == ["noise/0.png", "noise/1.png"]
    assert unchanged(folder, "../my.index", hashlib.sha256((tmp_path / "my.index").read_bytes()).hexdigest()) is None


def test_an_index_of_another_preprocessing_is_refused(tmp_path: Path) -> None:
    """Values of cropped and of squashed photos are never compared; without an index of its own, such a network has no photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 90, 3), np.uint8)).save(folder / "noise.png")
    cropping = godeeper.load(fit="crop")
    index = cropping.index(folder, tmp_path / "my.index")
    net = godeeper.load()
    for work in (
        lambda: net.visualise("conv[3]", index=index.path, steps=1),
        lambda: net.account("conv[3]", index),
    ):
        with pytest.raises(IndexFileError, match="made with the preprocessing 'crop to 299 x 299"):
            work()
    assert cropping.visualise("conv[3]", index=index.path, steps=1)[0].best_photo is not None
    assert cropping.visualise("conv[3]", steps=1)[0].best_photo is None


def test_the_account_of_an_index_uses_its_preprocessing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``godeeper filter`` computes a photo's value with the index's preprocessing, so it equals the indexed one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = folder / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 90, 3), np.uint8)).save(photo)
    godeeper.load(fit="crop").index(folder, tmp_path / "my.index")
    assert main(["filter", "conv[3]", "--index", str(tmp_path / "my.index"), "--photo", str(photo), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["on_photo"]["value"] == pytest.approx(record["top"][0]["value"], rel=1e-5)
