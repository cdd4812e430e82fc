"""int8: graphs with integer kernels, features that stay close to fp32, and checks of the quantization ranges."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import godeeper
from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.blueprint.sites import sites
from godeeper.disk_cache import DiskCache
from godeeper.engine.engines import engine_named
from godeeper.engine.graph_cache import GraphCache
from godeeper.engine.plan import NETWORK_INPUT, Plan, key_of, plan
from godeeper.engine.quantization import QuantizationRanges, calibration_of, from_record, read, shipped
from godeeper.errors import OptionError, UnknownName, WeightsError
from godeeper.features.int8_ranges import BINS, best_end, calibrate, shared
from godeeper.network import Network
from godeeper.weights.file import Description, expected_tensors, write

MODULES = "mixed*/join"


@pytest.fixture(scope="module")
def small() -> Network:
    """Inception v3 in int8, computed by ONNX Runtime."""
    return godeeper.load("inception_v3", engine="onnxruntime", precision="int8")


@pytest.fixture(scope="module")
def strangers(net: Network) -> np.ndarray:
    """(2, 3, 299, 299): scikit-learn's two photos, which were not used for the quantization ranges."""
    from sklearn.datasets import load_sample_images

    return np.concatenate([net.preprocess(godeeper.decode(image)) for image in load_sample_images().images])


def modules(net: Network) -> Plan:
    return plan(net.blueprint, [key_of(tensor) for tensor in net.tensors(MODULES)], pooled=True)


def record() -> QuantizationRanges:
    return QuantizationRanges("0" * 64, {"conv": (0.0, 2.5), "conv_1": (0.0, 1.5)}, "by hand", ("photo",))


def test_features_of_every_module_stay_close(net: Network, small: Network, strangers: np.ndarray) -> None:
    """On photos that were not used for the ranges, each module's features have a cosine of at least 0.995 to fp32."""
    exact = net.engine.run(modules(net), {NETWORK_INPUT: strangers})
    rounded = small.engine.run(modules(net), {NETWORK_INPUT: strangers})
    for key, one in exact.items():
        other = rounded[key]
        cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        assert cosine.mean() >= 0.995, key


def test_a_tensor_has_at_most_256_values(small: Network, chelsea: Path) -> None:
    """An int8 network returns a tensor with the rounded values that the next convolution reads."""
    assert 100 < len(np.unique(small.peek(chelsea, "mixed/join").activations)) <= 256


def test_all_but_the_first_convolution_have_integer_kernels(net: Network, small: Network, tmp_path: Path) -> None:
    """93 of 94 kernels are 8-bit integers with 32-bit biases; a graph without quantization ranges has none."""
    cache = DiskCache(tmp_path)

    def kinds(calibration: QuantizationRanges | None) -> list[int]:
        graph = onnx.load_model_from_string(GraphCache(net.weights, calibration, cache).graph(modules(net))).graph
        return [each.data_type for each in graph.initializer if each.name.endswith("/integers")]

    found = kinds(small.calibration)
    assert found.count(onnx.TensorProto.INT8) == found.count(onnx.TensorProto.INT32) == 93
    assert kinds(None) == []


def test_raw_convolutions_can_be_fetched(net: Network, small: Network, chelsea: Path) -> None:
    """A raw convolution can be fetched in int8; it is computed from rounded inputs, and its values are close to fp32."""
    one, other = (each.peek(chelsea, "mixed/tower_2/conv/Conv2D").activations for each in (net, small))
    np.testing.assert_allclose(other, one, atol=0.05 * np.abs(one).max())


def test_what_is_fed_is_not_rounded(net: Network, small: Network) -> None:
    """Fed values are not rounded: a tensor computed from them differs from fp32 only by the rounding of its own values."""
    fed = np.random.default_rng(0).uniform(0, 1, (1, 35, 35, 192)).astype(np.float32)
    one, other = (each.run("mixed/conv", {"pool_1": fed}) for each in (net, small))
    assert small.calibration is not None
    high = small.calibration.maxima["mixed/conv"]
    np.testing.assert_allclose(other, np.minimum(one, high), atol=high / 255)


def test_what_is_only_copied_shares_its_range(net: Network) -> None:
    """The inputs of a join share its range, and a max pool that no join reads shares the range of its input."""
    ends = {tensor.name: float(number) for number, tensor in enumerate(net.tensors(), 1)}
    found = shared(net.blueprint, ends)
    assert found["mixed/tower_2/conv"] == found["mixed/conv"] == found["mixed/join"] == ends["mixed/join"]
    assert found["pool"] == ends["conv_2"]
    assert found["mixed_3/pool"] == ends["mixed_3/join"]
    assert found["mixed/tower_2/pool"] == ends["mixed/tower_2/pool"]


def test_a_range_ends_where_the_error_is_least() -> None:
    """The chosen range covers uniformly distributed values completely, and cuts off one outlier among many smaller values."""
    even = np.full(BINS, 1000)
    assert best_end(even, 4.0) == pytest.approx(4.0, rel=0.02)
    outlier = np.zeros(BINS, np.int64)
    outlier[1 : BINS // 10] = 10_000
    outlier[-1] = 1
    assert best_end(outlier, 4.0) < 2.0


def test_calibrating_again_gives_the_same_record(net: Network, chelsea: Path, tmp_path: Path) -> None:
    """The same photo gives the same calibration record, which names photo and weights, and can be saved and loaded."""
    one, other = (calibrate(net.weights, net.preprocess, [chelsea]) for _ in range(2))
    assert one == other
    assert one.weights_sha256 == net.weights.sha256
    assert len(one.photos) == 1
    assert len(one.ranges) == len([s for s in sites(net.blueprint) if s.kind in ("conv", "pool", "concat")])
    one.save(tmp_path / "record.json")
    assert read(tmp_path / "record.json") == one


def test_calibrating_without_photos(net: Network) -> None:
    """Calibrating without photos is refused."""
    with pytest.raises(OptionError, match="no photos"):
        calibrate(net.weights, net.preprocess, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 2}, "format 2, expected 1"),
        ({"ranges": {"conv": [0.0, -1.0]}}, "more than 0"),
        ({"ranges": {"conv": [0.0, float("nan")]}}, "more than 0"),
        ({"ranges": {"conv": 3}}, "damaged"),
        ({"ranges": None}, "damaged"),
    ],
)
def test_a_damaged_record_is_refused(changes: dict[str, object], reason: str) -> None:
    """A record with another format or invalid ranges is refused with a one-line error."""
    with pytest.raises(WeightsError, match=reason) as error:
        from_record(record().record | changes)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_a_record(tmp_path: Path) -> None:
    """If a record cannot be read, the error names the file."""
    for text in (None, "no JSON"):
        path = tmp_path / "record.json"
        if text:
            path.write_text(text)
        with pytest.raises(WeightsError, match=r"record\.json"):
            read(path)


def test_weights_without_a_calibration(net: Network) -> None:
    """int8 is refused for weights without quantization ranges, and for ranges that were measured for other weights."""
    other = replace(net.weights, description=replace(net.weights.description, name="mine", sha256="1" * 64))
    assert shipped(net.weights) is not None
    assert shipped(other) is None
    with pytest.raises(WeightsError, match="have no quantization ranges"):
        calibration_of(other)
    with pytest.raises(WeightsError, match="calibrate these weights"):
        calibration_of(net.weights, record())


def test_precisions_and_engines_that_do_not_go_together(net: Network) -> None:
    """An unknown precision is refused by name, and the torch engine refuses int8."""
    with pytest.raises(UnknownName, match="'int4'"):
        engine_named("onnxruntime", net.weights, "int4")
    with pytest.raises(OptionError, match="torch"):
        engine_named("torch", net.weights, "int8")


def test_a_calibration_is_part_of_a_graphs_name(net: Network, small: Network, tmp_path: Path) -> None:
    """fp32 and two sets of quantization ranges have three cache entries and three engine identities."""
    assert small.calibration is not None
    ranges = {address: (0.0, 2 * high) for address, high in small.calibration.maxima.items()}
    wider = replace(small.calibration, ranges=ranges)
    engines = [
        engine_named("onnxruntime", net.weights),
        *(engine_named("onnxruntime", net.weights, "int8", each) for each in (None, wider)),
    ]
    assert len({GraphCache(net.weights, each.calibration).key(modules(net)) for each in engines}) == 3
    assert len({each.identity().key for each in engines}) == 3
    assert [str(each.identity()) for each in engines] == [
        "onnxruntime fp32", "onnxruntime int8", "onnxruntime int8",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("architecture", "dialect", "deepest"),
    [("googlenet", "bvlc", "inception_5b/output"), ("inception_v3", "torchvision", "mixed_10/join")],
)
def test_other_weights_are_calibrated_on_photos(
    architecture: str, dialect: str, deepest: str, chelsea: Path, tmp_path: Path
) -> None:
    """The features of other networks and dialects, here with random weights, stay close in int8 too."""
    file = random_weights(tmp_path, architecture, dialect)
    exact = godeeper.load(weights=file, engine="onnxruntime")
    rounded = godeeper.load(
        weights=file, engine="onnxruntime", precision="int8", calibration=exact.calibrate([chelsea])
    )
    steps = plan(exact.blueprint, [key_of(exact.tensors(deepest)[0])], pooled=True)
    planes = exact.preprocess(godeeper.decode(chelsea))
    one, other = (next(iter(each.engine.run(steps, {NETWORK_INPUT: planes}).values())) for each in (exact, rounded))
    assert (one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other) >= 0.99


def random_weights(folder: Path, architecture: str, dialect: str) -> Path:
    """Return a weights file of random values, scaled so that activations keep their order of magnitude."""
    random = np.random.default_rng(0)
    network = in_dialect(BLUEPRINTS[architecture], dialect)
    tensors = {}
    for name, shape in expected_tensors(network, with_classifier=False).items():
        positive = name.endswith(("gamma", "moving_variance"))
        tensors[name] = (
            random.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
            if len(shape) > 1
            else (np.ones(shape) if positive else random.normal(size=shape) * 0.1)
        )
    preprocessing: dict[str, object] = {
        "size": 224 if architecture == "googlenet" else 299,
        "fit": "squash",
        "filter": "antialias",
    }
    preprocessing |= {"subtract": 127.5, "divide": 127.5}
    description = Description("random", architecture, dialect, preprocessing, (), "random", "none", "", quantised={})
    path = folder / "random.safetensors"
    write(path, {name: values.astype(np.float32) for name, values in tensors.items()}, description)
    return path


def test_a_calibration_in_a_file(net: Network, tmp_path: Path) -> None:
    """``load`` accepts the path of a calibration record."""
    found = shipped(net.weights)
    assert found is not None
    (tmp_path / "mine.json").write_text(json.dumps(found.record))
    loaded = godeeper.load(precision="int8", calibration=tmp_path / "mine.json")
    assert loaded.calibration == found
