"""Selecting the network within a file: prefixes, copies, classifiers of any name, and other content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.errors import WeightsError
from godeeper.weights.install import Options, add

Make = Callable[..., Any]
Write = Callable[..., Path]
FEATURES = 18


@pytest.fixture
def network(numbers_of: Make, as_torchvision: Make) -> dict[str, Any]:
    """The tensors of the tiny network with torchvision's names, without the classifier."""
    tensors: dict[str, Any] = as_torchvision(numbers_of(classes=0))
    return tensors


@pytest.fixture
def dense() -> dict[str, Any]:
    """Return a classifier of three classes."""
    random = np.random.default_rng(3)
    return {
        "weight": random.normal(size=(3, FEATURES)).astype(np.float32),
        "bias": random.normal(size=3).astype(np.float32),
    }


def under(prefix: str, tensors: dict[str, Any], change: float = 0) -> dict[str, Any]:
    return {prefix + name: values + np.asarray(change, values.dtype) for name, values in tensors.items()}


def numbers(added: Any) -> dict[str, Any]:
    with added.file.parameters() as stored:
        return {name: stored.values(name) for name in added.file.expected}


@pytest.mark.parametrize("head", ["fc", "fc.1", "classifier", "net.fc.0", "head.linear"])
@pytest.mark.parametrize("prefix", ["", "net.", "backbone.", "model.inception.", "module.", "my_own.thing.0."])
def test_any_prefix_and_any_classifier_is_found(
    network: Any, dense: Any, torch_file: Write, prefix: str, head: str
) -> None:
    """Any prefix from a wrapper, and a classifier next to the network or inside a Sequential, give the same weights."""
    tensors = under(prefix, network) | under(f"{head}.", dense)
    added = add(torch_file(tensors))
    np.testing.assert_array_equal(numbers(added)["softmax/weights"], dense["weight"].T)
    assert len(added.file.description.labels) == 3
    plain = add(torch_file(network | under("fc.", dense)), Options(name="plain"))
    for name, values in numbers(plain).items():
        np.testing.assert_array_equal(numbers(added)[name], values)


def test_a_one_by_one_convolution_is_a_classifier(network: Any, dense: Any, torch_file: Write) -> None:
    """A 1x1 convolution with a kernel (K, features, 1, 1) is read as a classifier (K, features)."""
    tensors = network | {"head.weight": dense["weight"][:, :, None, None], "head.bias": dense["bias"]}
    np.testing.assert_array_equal(numbers(add(torch_file(tensors)))["softmax/weights"], dense["weight"].T)


@pytest.mark.parametrize(
    "beside",
    [
        {"criterion.weight": np.ones(3, np.float32)},
        {"accuracy.tp": np.ones(3, np.int64), "confusion.matrix": np.ones((3, 3), np.float32)},
        {"ema.decay": np.array(0.9, np.float32), "ema.num_updates": np.array(7)},
        {"normalise.mean": np.ones((1, 1), np.float32)},
    ],
)
def test_other_content_is_listed_and_skipped(
    network: Any, dense: Any, torch_file: Write, beside: dict[str, Any]
) -> None:
    """A loss's weights and a metric's state are skipped, and their names are reported."""
    added = add(torch_file(under("net.", network | under("fc.", dense)) | beside))
    notes = [note for note in added.notes if note.startswith("skipped")]
    assert all(name in notes[0] for name in beside)
    assert notes[0] in added.file.description.notes


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        ({"fc.0.weight": np.ones((8, FEATURES)), "fc.0.bias": np.ones(8), "fc.3.weight": np.ones((3, 8)), "fc.3.bias": np.ones(3)}, "fc.3"),
        ({"stem.weight": np.ones((3, 1, 3, 3))}, "stem"),
        ({"bn.weight": np.ones(FEATURES), "bn.bias": np.ones(FEATURES), "bn.running_mean": np.ones(FEATURES)}, "bn"),
        ({"gem_pool.p": np.ones(1)}, "gem_pool"),
    ],
    ids=["two dense layers", "a convolution", "a normalisation", "a pool that learns"],
)  # fmt: skip
def test_further_layers_are_another_network(
    network: Any, torch_file: Write, layers: dict[str, Any], named: str
) -> None:
    """A file with layers that Inception does not have is refused, and the error names them; --which selects the network without them."""
    path = torch_file(network | {name: values.astype(np.float32) for name, values in layers.items()})
    with pytest.raises(WeightsError, match=rf"layers that Inception does not have \(.*{named}.*--which network"):
        add(path)
    assert add(path, Options(which="network")).file.description.labels == ()


def test_two_classifiers_are_refused(network: Any, dense: Any, torch_file: Write) -> None:
    """A file with two classifiers, of colours and of shapes, is refused as ambiguous."""
    path = torch_file(network | under("color.", dense) | under("shape.", dense))
    with pytest.raises(WeightsError, match=r"2 classifiers \(color\.weight, shape\.weight\)"):
        add(path)


@pytest.mark.parametrize("prefix", ["ema.", "ema_model.module.", "state_dict_ema.", "model_ema.", "swa_model."])
def test_averages_beside_the_weights_can_be_selected(network: Any, dense: Any, torch_file: Write, prefix: str) -> None:
    """If a file has weights and their running averages, the weights are the default, and --which selects the averages."""
    whole = network | under("fc.", dense)
    path = torch_file(under("net.", whole) | under(prefix, whole, 0.25))
    plain, average = add(path), add(path, Options(name="average", which="ema"))
    assert any("used net, the weights themselves" in note for note in plain.notes)
    assert any("moving averages" in note for note in average.notes)
    np.testing.assert_array_equal(
        numbers(average)["softmax/biases"], numbers(plain)["softmax/biases"] + np.float32(0.25)
    )


def test_averages_alone_are_used_and_reported(network: Any, dense: Any, torch_file: Write) -> None:
    """If a file contains only averaged weights, these are used with a note."""
    added = add(torch_file(under("ema.", network | under("fc.", dense))))
    assert any("moving averages" in note for note in added.notes)


def test_two_networks_are_refused_unless_one_is_chosen(network: Any, dense: Any, torch_file: Write) -> None:
    """A file with two networks, student and teacher, gives an error with both names, and either can be selected."""
    whole = network | under("fc.", dense)
    path = torch_file(under("student.", whole) | under("teacher.", whole, 1))
    with pytest.raises(WeightsError, match=r"2 networks \(student, teacher\)"):
        add(path)
    with pytest.raises(WeightsError, match="contains no network called 'tutor'"):
        add(path, Options(which="tutor"))
    taken = add(path, Options(which="teacher"))
    np.testing.assert_array_equal(numbers(taken)["softmax/biases"], dense["bias"] + 1)


def test_one_module_under_two_names_is_one_network(network: Any, dense: Any, torch_file: Write) -> None:
    """If a file contains a network twice with the same values, as Lightning modules often do, the network is added."""
    whole = network | under("fc.", dense)
    add(torch_file(under("model.", whole) | under("net.", whole)))


def test_safetensors_are_searched_alike(network: Any, dense: Any, safetensors_file: Write) -> None:
    """Prefix, classifier and skipped names are found in safetensors files as in PyTorch files."""
    added = add(safetensors_file(under("net.", network) | under("head.", dense) | {"loss.w": np.ones(3, np.float32)}))
    assert len(added.file.description.labels) == 3


def test_a_prefix_is_part_of_addresses(network: Any, dense: Any, torch_file: Write) -> None:
    """The tensor names in an added file are valid addresses, also in patterns."""
    from godeeper.blueprint.address import resolve, resolve_one

    blueprint = add(torch_file(under("net.", network | under("fc.", dense)))).file.blueprint
    own = resolve_one(blueprint, "net.Mixed_2c.branch1x1")
    assert own.address == resolve_one(blueprint, "Mixed_2c.branch1x1").address
    assert resolve(blueprint, "net.Mixed_*") == resolve(blueprint, "Mixed_*")
