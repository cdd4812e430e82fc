"""Tensors from other frameworks are converted to godeeper's names and the right dialect, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.blueprint.ops import Blueprint
from godeeper.blueprint.sites import sites
from godeeper.errors import WeightsError
from godeeper.weights.convert import Converted, convert
from godeeper.weights.formats import read_foreign
from godeeper.weights.formats.foreign import ForeignWeights
from godeeper.weights.labels import imagenet
from godeeper.weights.layouts import in_order

Make = Callable[..., Any]
STEM = "Conv2d_1a_3x3"


def foreign(tensors: Any, **more: Any) -> ForeignWeights:
    """Return the content of a weights file of another framework, without a file on disk."""
    kinds = {name: values.dtype.name for name, values in tensors.items()}
    return ForeignWeights(Path("theirs.pth"), "a test", tensors, kinds, **more)


def adopted(tensors: Any, **more: Any) -> Converted:
    return convert(foreign(tensors, **more), "mine", source="a test")


def assert_same(got: Converted, ours: Any) -> None:
    """Assert that the tensors are exactly ``ours``, bit for bit."""
    assert set(got.tensors) == set(ours)
    for name, values in ours.items():
        np.testing.assert_array_equal(got.tensors[name], values)
        assert got.tensors[name].dtype == np.float32


def test_torchvision_names(numbers_of: Make, as_torchvision: Make) -> None:
    """Weights with torchvision's names are converted, the classifier is transposed, and the labels are ImageNet's."""
    ours = numbers_of("torchvision")
    got = adopted(as_torchvision(ours))
    assert_same(got, ours)
    assert got.description.dialect == "torchvision"
    assert got.description.labels[0] == "tench"
    assert got.description.preprocessing["subtract"] == 127.5
    assert "torchvision names, which timm shares" in got.reasons


def test_1008_outputs_are_the_2015_dialect(numbers_of: Make, as_torchvision: Make) -> None:
    """pytorch-fid's file is distinguished from torchvision's by its number of classes, and gets the 2015 graph's scaling."""
    ours = numbers_of("2015", 1008)
    got = adopted(as_torchvision(ours))
    assert_same(got, ours)
    assert got.description.dialect == "2015"
    assert got.description.labels[169] == "class 169"
    assert got.description.preprocessing["filter"] == "tf2015"
    assert got.description.preprocessing["divide"] == 128
    assert any("fc has 1008 outputs" in reason for reason in got.reasons)


def test_labels_that_came_with_a_2015_graph_are_filled_up(numbers_of: Make, as_tensorflow: Make) -> None:
    """The 2015 release names its classes up to 1000; outputs after 1000 are named by number."""
    theirs = as_tensorflow(numbers_of("2015", 1008))
    labels = adopted(theirs, labels=tuple(f"thing {number}" for number in range(1001))).description.labels
    assert (labels[1000], labels[1001], len(labels)) == ("thing 1000", "class 1001", 1008)


def test_names_of_the_2015_graph(numbers_of: Make, as_tensorflow: Make) -> None:
    """Kernels stored as HWIO are transposed, and the graph's own last pool identifies the dialect."""
    ours = numbers_of("2015", 1008)
    got = adopted(as_tensorflow(ours), operations={"mixed_10/tower_2/pool": "MaxPool"})
    assert_same(got, ours)
    assert got.description.dialect == "2015"
    assert "mixed_10/tower_2/pool is MaxPool" in got.reasons


def test_a_2015_graph_with_another_last_pool_is_refused(numbers_of: Make, as_tensorflow: Make) -> None:
    """A file with 2015 names and an average pool in the last module is refused, because it fits no dialect."""
    with pytest.raises(WeightsError, match="is AvgPool, expected MaxPool"):
        adopted(as_tensorflow(numbers_of("2015", 1008)), operations={"mixed_10/tower_2/pool": "AvgPool"})


def test_slim_names(tiny: Blueprint, numbers_of: Make) -> None:
    """Slim's checkpoints have no gamma, and have a background class before the thousand ImageNet classes."""
    ours = numbers_of("slim", 1001)
    theirs: dict[str, Any] = {}
    for site in sites(tiny):
        if site.kind == "conv":
            scope, own = f"InceptionV3/{site.names.slim}", site.names.tf2015
            theirs[f"{scope}/weights"] = ours[f"{own}/conv2d_params"].transpose(2, 3, 1, 0)
            parts = ("beta", "moving_mean", "moving_variance")
            theirs |= {f"{scope}/BatchNorm/{part}": ours[f"{own}/batchnorm/{part}"] for part in parts}
    theirs["InceptionV3/Logits/Conv2d_1c_1x1/weights"] = ours["softmax/weights"][None, None]
    theirs["InceptionV3/Logits/Conv2d_1c_1x1/biases"] = ours["softmax/biases"]
    theirs["InceptionV3/AuxLogits/Conv2d_1b_1x1/weights"] = np.ones((1, 1, 2, 2), np.float32)
    got = adopted(theirs)
    assert_same(got, ours)
    assert got.description.dialect == "slim"
    assert got.description.labels[:2] == ("background", "tench")


def test_keras_layers(numbers_of: Make, as_keras: Make) -> None:
    """Keras's layers are read in order of creation, and have no gamma."""
    ours = numbers_of("keras")
    got = adopted(as_keras(ours, first=95))
    assert_same(got, ours)
    assert got.description.dialect == "keras"


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.module."])
def test_wrappers_prefixes_are_taken_off(numbers_of: Make, as_torchvision: Make, prefix: str) -> None:
    """Prefixes that DataParallel and torch.compile add to every name are removed."""
    ours = numbers_of()
    assert_same(adopted({f"{prefix}{name}": values for name, values in as_torchvision(ours).items()}), ours)


def test_the_auxiliary_head_is_dropped_with_a_note(numbers_of: Make, as_torchvision: Make) -> None:
    """The auxiliary classifier ``AuxLogits`` is recognised, and dropped with a note."""
    theirs = as_torchvision(numbers_of())
    theirs |= {"AuxLogits.conv0.conv.weight": np.ones((2, 2, 1, 1)), "AuxLogits.fc.bias": np.ones(1000)}
    assert any("2 tensors of AuxLogits" in reason for reason in adopted(theirs).reasons)


def test_another_number_of_classes_is_welcome(numbers_of: Make, as_torchvision: Make) -> None:
    """A network fine-tuned to seven classes keeps its classes, which are named by number if there are no labels."""
    theirs = as_torchvision(numbers_of("torchvision", 7))
    assert adopted(theirs).description.labels == tuple(f"class {number}" for number in range(7))
    named = convert(foreign(theirs), "mine", source="a test", labels=tuple("abcdefg"))
    assert named.description.labels == tuple("abcdefg")
    with pytest.raises(WeightsError, match="2 labels for 7 classes"):
        convert(foreign(theirs), "mine", source="a test", labels=("a", "b"))


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_precisions_are_converted_with_a_note(numbers_of: Make, as_torchvision: Make, kind: Any) -> None:
    """fp16 is widened, double precision is rounded, and a note says so."""
    theirs = {name: values.astype(kind) for name, values in as_torchvision(numbers_of()).items()}
    got = adopted(theirs)
    np.testing.assert_array_equal(got.tensors["softmax/biases"], theirs["fc.bias"].astype(np.float32))
    said = "widened" if kind is np.float16 else "rounded"
    assert any(np.dtype(kind).name in reason and said in reason for reason in got.reasons)


def test_bfloat16_is_widened_with_a_note(
    numbers_of: Make, as_torchvision: Make, safetensors_file: Callable[..., Path]
) -> None:
    """A file in bfloat16 is added with exactly the same values."""
    ours = {name: upper_half(values) for name, values in numbers_of().items()}
    theirs = as_torchvision(ours)
    stored = {
        name: (np.ascontiguousarray(v).view(np.uint32) >> 16).astype(np.uint16) for name, v in theirs.items() if v.ndim
    }
    got = convert(read_foreign(safetensors_file(stored)), "mine", source="a test")
    assert_same(got, ours)
    assert any("bfloat16, widened" in reason for reason in got.reasons)


def upper_half(values: Any) -> Any:
    """Return float32 values that bfloat16 can represent."""
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def test_a_missing_tensor_is_named(numbers_of: Make, as_torchvision: Make) -> None:
    """The error names a missing tensor in the file's own convention."""
    theirs = as_torchvision(numbers_of())
    del theirs[f"{STEM}.bn.running_var"]
    with pytest.raises(WeightsError, match=rf"1 missing \({STEM}\.bn\.running_var\)"):
        adopted(theirs)


def test_an_unknown_tensor_is_named(numbers_of: Make, as_torchvision: Make) -> None:
    """An unknown tensor, here a bias of a convolution, is refused by name."""
    theirs = as_torchvision(numbers_of()) | {f"{STEM}.conv.bias": np.ones(4, np.float32)}
    with pytest.raises(WeightsError, match=rf"1 unknown \({STEM}\.conv\.bias\)"):
        adopted(theirs)


def test_a_transposed_tensor_is_called_transposed(numbers_of: Make, as_torchvision: Make) -> None:
    """A kernel stored as HWIO instead of OIHW, and a transposed classifier, are refused as transposed."""
    for name in (f"{STEM}.conv.weight", "fc.weight"):
        theirs = as_torchvision(numbers_of())
        theirs[name] = theirs[name].T
        with pytest.raises(WeightsError, match=rf"{name} has shape .* it looks transposed"):
            adopted(theirs)


def test_a_wrong_shape_is_reported_in_the_files_own_layout(numbers_of: Make, as_tensorflow: Make) -> None:
    """If a file stores kernels as HWIO, the error states the expected shape as HWIO, too."""
    theirs = as_tensorflow(numbers_of("2015", 1008))
    theirs["conv/conv2d_params"] = np.ones((5, 5, 3, 4), np.float32)
    with pytest.raises(WeightsError, match=r"shape \(5, 5, 3, 4\), expected \(3, 3, 3, 4\); these"):
        adopted(theirs)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(numbers_of: Make, as_torchvision: Make, value: float) -> None:
    """NaN and infinity are refused, and the error names the tensor."""
    theirs = as_torchvision(numbers_of())
    theirs[f"{STEM}.bn.bias"][2] = value
    with pytest.raises(WeightsError, match=rf"1 tensors hold NaN or infinity \({STEM}\.bn\.bias\)"):
        adopted(theirs)


def test_a_double_too_large_for_single_is_refused(numbers_of: Make, as_torchvision: Make) -> None:
    """A value of 1e300 is refused, because it would become infinite in single precision."""
    theirs = as_torchvision(numbers_of())
    theirs["fc.bias"] = np.full(1000, 1e300)
    with pytest.raises(WeightsError, match="NaN or infinity"):
        adopted(theirs)


def test_a_variance_below_zero_is_refused(numbers_of: Make, as_torchvision: Make) -> None:
    """A negative variance is refused, because its square root would be NaN for every photo."""
    theirs = as_torchvision(numbers_of())
    theirs[f"{STEM}.bn.running_var"][0] = -1
    with pytest.raises(WeightsError, match="variances are negative"):
        adopted(theirs)


def test_whole_numbers_are_refused(numbers_of: Make, as_torchvision: Make) -> None:
    """Weights that PyTorch quantised to integers are refused."""
    theirs = as_torchvision(numbers_of())
    theirs["fc.bias"] = np.ones(1000, np.int8)
    with pytest.raises(WeightsError, match=r"fc\.bias is stored as int8"):
        adopted(theirs)


def test_another_network_is_refused_by_its_names() -> None:
    """For a ResNet, the error shows its names next to the expected ones."""
    theirs: dict[str, Any] = {
        f"layer1.{number}.conv1.weight": np.ones((2, 2, 3, 3), np.float32) for number in range(30)
    }
    theirs |= {"fc.weight": np.ones((1000, 2048), np.float32), "fc.bias": np.ones(1000, np.float32)}
    with pytest.raises(
        WeightsError, match=r"another network \(a ResNet\): its 32 tensors are named layer1\.0\.conv1\.weight"
    ) as caught:
        adopted(theirs)
    assert "\n" not in str(caught.value)


def test_a_layer_with_thousands_of_digits_is_unknown() -> None:
    """A layer number with thousands of digits, which Python refuses to convert, is ignored."""
    assert in_order("conv2d", ["conv2d_" + "9" * 5000, "conv2d_2", "conv2d", "conv2d_10"]) == [
        "conv2d", "conv2d_2", "conv2d_10",
    ]  # fmt: skip


def test_more_layers_than_ours_are_refused(numbers_of: Make, as_keras: Make) -> None:
    """For a larger Keras network with the same kinds of layers, the error names the surplus."""
    theirs = as_keras(numbers_of("keras")) | {"conv2d_77/kernel": np.ones((1, 1, 2, 2), np.float32)}
    with pytest.raises(WeightsError, match=r"1 unknown \(conv2d_77/kernel\)"):
        adopted(theirs)


def test_labels_are_imagenets() -> None:
    """The 1000 ImageNet labels are all different, and sorted by synset."""
    pairs = imagenet()
    assert len({name for _, name in pairs}) == len({synset for synset, _ in pairs}) == 1000
    assert sorted(pairs) == list(pairs)
    assert dict(pairs)["n02510455"] == "giant panda"
