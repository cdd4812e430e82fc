"""A loaded network: peek, run, resume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import godeeper
from godeeper.errors import AmbiguousAddress, FeedError, PhotoError, UnknownName, WeightsError
from godeeper.network import BLOG_TENSORS, Network


@pytest.fixture(scope="module")
def joins(net: Network, chelsea: Path) -> dict[str, np.ndarray]:
    """Return every module's output, computed alone."""
    return {
        address: net.peek(chelsea, address).activations for address in ("mixed/join", "mixed_2/join", "mixed_9/join")
    }


def test_the_blogs_three_pictures(net: Network, chelsea: Path) -> None:
    """Without addresses, the three tensors of the blog are returned."""
    peeks = net.peeks(chelsea)
    assert [peek.address for peek in peeks] == list(BLOG_TENSORS)
    assert [peek.shape for peek in peeks] == [(1, 32, 35, 35), (1, 96, 35, 35), (1, 192, 17, 17)]


def test_more_tensors_change_no_value(net: Network, chelsea: Path, joins: dict[str, np.ndarray]) -> None:
    """A tensor's values are bit-identical for any set of fetched tensors, raw stages included."""
    more = [
        *joins,
        "mixed*/join",
        "mixed/**",
        "mixed/**/Conv2D",
        "mixed_2/**/batchnorm",
        "mixed_2/**/Conv2D",
        "conv/Conv2D",
    ]
    peeks = {peek.address: peek for peek in net.peeks(chelsea, more)}
    for address, alone in joins.items():
        np.testing.assert_array_equal(peeks[address].activations, alone)


def test_stages_follow_each_other(net: Network, chelsea: Path) -> None:
    """The normalised value is the raw value scaled and shifted, and the rectified value is the normalised value clipped at 0."""
    scope = "mixed_4/tower_1/conv_4"
    raw, normal, relu = (net.peek(chelsea, scope + end).activations for end in ("/Conv2D", "/batchnorm", ""))
    np.testing.assert_array_equal(relu, np.maximum(normal, 0))
    with net.weights.parameters() as numbers:
        line = numbers.batchnorm(net.tensors(scope)[0].site)
    np.testing.assert_allclose(raw * line.scale[:, None, None] + line.shift[:, None, None], normal, atol=1e-4)


def test_a_join_is_its_branches(net: Network, chelsea: Path) -> None:
    """mixed_9/join concatenates six tensors; each inner join of Keras and torchvision concatenates two of these."""
    parts = [
        "conv",
        "tower/mixed/conv",
        "tower/mixed/conv_1",
        "tower_1/mixed/conv",
        "tower_1/mixed/conv_1",
        "tower_2/conv",
    ]
    *six, inner, join = net.peeks(chelsea, [*(f"mixed_9/{part}" for part in parts), "mixed9_0", "mixed_9/join"])
    np.testing.assert_array_equal(np.concatenate([peek.activations for peek in six], axis=1), join.activations)
    np.testing.assert_array_equal(inner.activations, join.activations[:, 320:1088])


def test_channels(net: Network, chelsea: Path) -> None:
    """A slice contains the values of the selected filters in the whole tensor."""
    whole, part = net.peeks(chelsea, ["mixed/tower_2/conv", "mixed/tower_2/conv[3,7:9]"])
    np.testing.assert_array_equal(part.activations, whole.activations[:, [3, 7, 8]])


def test_all_sources_of_a_photo(net: Network, chelsea: Path) -> None:
    """A path, bytes, an image and an array of the same photo give the same values."""
    image = Image.open(chelsea)
    expected = net.peek(chelsea, "conv").activations
    for source in (str(chelsea), chelsea.read_bytes(), image, np.asarray(image)):
        np.testing.assert_array_equal(net.peek(source, "conv").activations, expected)


def test_the_network_s_input_can_be_looked_at(net: Network, chelsea: Path) -> None:
    """The tensor ``Mul`` is the photo as the network reads it: three channels from -1 to 1."""
    peek = net.peek(chelsea, "Mul")
    assert peek.shape == (1, 3, 299, 299)
    assert -1 <= peek.minimum.min() < peek.maximum.max() <= 1


def test_run_in_the_seed_s_style(net: Network, chelsea: Path) -> None:
    """``run`` accepts the bytes of a JPEG, and returns values with the channels last."""
    got = net.run("mixed/tower_2/conv:0", {"DecodeJpeg/contents:0": chelsea.read_bytes()})
    expected = net.peek(chelsea, "mixed/tower_2/conv").activations
    np.testing.assert_array_equal(got, expected.transpose(0, 2, 3, 1))


def test_run_returns_a_list_for_a_list(net: Network, chelsea: Path) -> None:
    """A list of names gives a list of values, as in TensorFlow; flat tensors stay flat, slices are slices."""
    names = ["pool_3:0", "pool_3/_reshape:0", "Mul:0", "mixed/join[5]", "DecodeJpeg:0"]
    pool, flat, scaled, part, pixels = net.run(names, {"DecodeJpeg/contents:0": chelsea.read_bytes()})
    assert [value.shape for value in (pool, flat, scaled, part, pixels)] == [
        (1, 1, 1, 2048), (1, 2048), (1, 299, 299, 3), (1, 35, 35, 1), (300, 451, 3),
    ]  # fmt: skip
    np.testing.assert_array_equal(pool[:, 0, 0], flat)


@pytest.mark.parametrize(
    "fed",
    ["DecodeJpeg", "Cast", "ExpandDims", "ResizeBilinear", "Sub", "Mul", "x", "pool_1", "mixed_1/join", "mixed_2/join"],
)
def test_feeding_an_inner_tensor_resumes(net: Network, chelsea: Path, fed: str) -> None:
    """Feeding an intermediate tensor with its own value gives the same result as the photo, bit for bit."""
    photo = {"DecodeJpeg/contents": chelsea.read_bytes()}
    value, expected = net.run([fed, "mixed_3/join"], photo)
    np.testing.assert_array_equal(net.run("mixed_3/join", {fed: value}), expected)


@pytest.mark.parametrize("stage", ["/Conv2D", "/batchnorm", ""])
def test_feeding_a_stage_resumes(net: Network, chelsea: Path, stage: str) -> None:
    """If a raw or normalised value is fed, only the later stages are computed."""
    photo = {"DecodeJpeg/contents": chelsea.read_bytes()}
    value, expected = net.run(["conv_4" + stage, "pool_1"], photo)
    np.testing.assert_allclose(net.run("pool_1", {"conv_4" + stage: value}), expected, atol=1e-5)


def test_feeding_all_branches(net: Network, chelsea: Path) -> None:
    """If all branches of a join are fed, the join is computed from these branches alone."""
    parts = ["mixed_3/conv", "mixed_3/tower/conv_2", "mixed_3/pool"]
    *values, expected = net.run([*parts, "mixed_3/join"], {"DecodeJpeg/contents": chelsea.read_bytes()})
    np.testing.assert_array_equal(net.run("mixed_3/join", dict(zip(parts, values, strict=True))), expected)


def test_batches(net: Network, chelsea: Path) -> None:
    """Any batch size works, and a photo's values do not depend on the other photos."""
    one = net.run("Mul", {"DecodeJpeg/contents": chelsea.read_bytes()})
    batch = np.concatenate([one, -one, one])
    got = net.run("mixed/join", {"Mul": batch})
    assert got.shape == (3, 35, 35, 256)
    np.testing.assert_allclose(got[2], net.run("mixed/join", {"Mul": one})[0], rtol=1e-5, atol=1e-5)


def test_a_fed_tensor_can_be_fetched(net: Network) -> None:
    """A fed tensor is returned unchanged."""
    value = np.ones((1, 35, 35, 192), np.float32)
    np.testing.assert_array_equal(net.run("pool_1", {"pool_1": value}), value)


@pytest.mark.parametrize(
    ("fetch", "feeds", "reason"),
    [
        ("mixed/join", {"mixed/conv": np.zeros((1, 35, 35, 64))}, "feed the photo too"),
        ("mixed/join", {}, "feed the photo too"),
        ("Mul", {}, "only if a photo is fed"),
        (
            "mixed/conv",
            {"mixed/conv": np.zeros((1, 35, 35, 64)), "mixed_1/conv": np.zeros((1, 35, 35, 64))},
            "does not affect any fetched value",
        ),
        ("mixed/conv", {"pool_1": np.zeros((1, 192, 35, 35))}, "transpose it"),
        ("mixed/conv", {"pool_1": np.zeros((35, 35, 192))}, r"expected \(B, 35, 35, 192\)"),
        ("mixed/conv", {"pool_1[0]": np.zeros((1, 35, 35, 1))}, "whole tensor"),
        ("mixed/conv", {"Mul": np.zeros((1, 299, 299, 3)), "Sub": np.zeros((1, 299, 299, 3))}, "second feed"),
        (
            "mixed/join",
            {"Mul": np.zeros((1, 299, 299, 3)), "mixed/conv": np.zeros((2, 35, 35, 64))},
            "batch sizes 1 and 2",
        ),
    ],
)
def test_feeds_that_do_not_fit(net: Network, fetch: str, feeds: dict[str, np.ndarray], reason: str) -> None:
    """A feed that does not fit raises an error that says what is wrong and what to do."""
    with pytest.raises(FeedError, match=reason):
        net.run(fetch, feeds)


def test_only_the_ancestors_run(net: Network) -> None:
    """The graph of a tensor contains its ancestors' convolutions and no others."""
    from godeeper.blueprint.sites import ancestors, sites
    from godeeper.engine.plan import key_of, plan

    for address in BLOG_TENSORS:
        (tensor,) = net.tensors(address)
        steps = {index for index, _ in plan(net.blueprint, [key_of(tensor)]).steps}
        every = sites(net.blueprint)
        assert steps == {
            index for index in ancestors(every, [tensor.site.index]) if every[index].kind in ("conv", "pool", "concat")
        }


def test_one_address_for_one_peek(net: Network, chelsea: Path) -> None:
    """``peek`` accepts one tensor; ``peeks`` accepts patterns."""
    with pytest.raises(AmbiguousAddress):
        net.peek(chelsea, "mixed*/join")
    assert len(net.peeks(chelsea, "mixed/tower_2/*")) == 2


def test_no_classifier(net: Network, chelsea: Path) -> None:
    """The bundled weights have no classes, and the error says so."""
    with pytest.raises(WeightsError, match="no classifier"):
        net.peek(chelsea, "softmax")


def test_load_refuses_what_it_does_not_know() -> None:
    """An unknown architecture or name of weights is an error that lists the known ones."""
    with pytest.raises(UnknownName, match="inception_v3"):
        godeeper.load("resnet50")
    with pytest.raises(UnknownName, match="bundled"):
        godeeper.load(weights="imagenet")
    with pytest.raises(WeightsError, match="no weights file"):
        godeeper.load(weights="nowhere/none.safetensors")


def test_preprocessing_can_be_chosen(chelsea: Path) -> None:
    """The arguments ``fit`` and ``filter`` override the weights' preprocessing."""
    net = godeeper.load(fit="crop", filter="tf2015")
    assert net.peek(chelsea, "conv").preprocessing.startswith("crop to 299 x 299, tf2015 filter")


def test_a_bad_photo(net: Network, tmp_path: Path) -> None:
    """For an unreadable photo, the decoder's error is raised unchanged."""
    with pytest.raises(PhotoError):
        net.peek(tmp_path / "none.jpg", "conv")
