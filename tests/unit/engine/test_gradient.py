"""Gradients: the supported outputs and inputs, by name, and the errors for others."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import godeeper
from godeeper import Network
from godeeper.blueprint.address import resolve_one
from godeeper.engine.gradient.plan import Parameter, ParameterName
from godeeper.engine.gradient.targets import target_named
from godeeper.errors import GodeeperError

PHOTO = "examples/chelsea.jpg"
CONV = "mixed/tower/conv_1"


@pytest.fixture(scope="module")
def net() -> Network:
    return godeeper.load()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"{CONV}:scale", "scale"),
        (f"{CONV}/batchnorm/gamma", "scale"),
        ("Mixed_5b.branch5x5_2.bn.weight", "scale"),
        (f"{CONV}:shift", "shift"),
        (f"{CONV}/batchnorm/beta", "shift"),
        ("Mixed_5b.branch5x5_2.bn.bias", "shift"),
        (f"{CONV}:kernel", "kernel"),
        (f"{CONV}/conv2d_params", "kernel"),
        ("Mixed_5b.branch5x5_2.conv.weight", "kernel"),
    ],
)
def test_parameters_have_the_names_of_weights_files_and_of_pytorch(
    net: Network, text: str, name: ParameterName
) -> None:
    site = resolve_one(net.blueprint, CONV).site
    assert target_named(net.blueprint, text) == (Parameter(site.index, name), None)


def test_the_shape_is_that_of_the_target(net: Network) -> None:
    address = "mixed/join[70]"
    assert net.gradient(PHOTO, address).shape == (1, 3, 299, 299)
    assert net.gradient(PHOTO, address, wrt="pool_1").shape == (1, 192, 35, 35)
    assert net.gradient(PHOTO, address, wrt=f"{CONV}:scale").shape == (64,)
    assert net.gradient(PHOTO, address, wrt=f"{CONV}:kernel").shape == (64, 48, 5, 5)
    assert net.gradient(PHOTO, address, wrt="mixed/tower/conv[3,5]").shape == (1, 2, 35, 35)


def test_the_gradient_of_a_tensor_by_itself_selects_its_filters(net: Network) -> None:
    gradient = net.gradient(PHOTO, "mixed/conv[2]", wrt="mixed/conv")
    assert gradient[:, 2].min() == gradient.max() == 1
    assert np.delete(gradient, 2, axis=1).max() == 0


def test_a_raw_convolution_passes_through_its_batch_normalisation(net: Network) -> None:
    """The gradient with respect to the raw convolution is the scale of the batch normalisation where the ReLU is active."""
    site = resolve_one(net.blueprint, "mixed/conv").site
    with net.weights.parameters() as parameters:
        scale = parameters.batchnorm(site).scale[2]
    gradient = net.gradient(PHOTO, "mixed/conv[2]", wrt="mixed/conv/Conv2D")
    open_cells = net.peek(PHOTO, "mixed/conv[2]").activations > 0
    np.testing.assert_allclose(gradient[:, 2:3], open_cells * scale, rtol=1e-6)


def test_equal_values_in_a_max_pool_pass_to_the_first(net: Network) -> None:
    """If all values in a max pool's window are equal, the gradient passes to the first of them.

    In a photo of one colour, every inner window of the second pool has nine equal values.
    """
    photo = np.full((299, 299, 3), 90, np.uint8)
    gradient = net.gradient(photo, "pool_1[0:192]", wrt="conv_4")
    assert gradient.sum() == np.prod(net.peek(photo, "pool_1").shape)
    value = net.peek(photo, "conv_4").activations[0, :, 30:33, 30:33].reshape(192, 9)
    equal = (value == value[:, :1]).all(axis=1) & (value[:, 0] > 0)
    assert equal.any()
    assert (gradient[0, equal, 30, 30] == 1).all()
    assert gradient[0, equal, 31, 31].max() == 0


def test_a_copied_network_computes_gradients(net: Network) -> None:
    expected = net.gradient(PHOTO, "mixed/conv[2]")
    copy = pickle.loads(pickle.dumps(net))  # noqa: S301 (our own bytes)
    np.testing.assert_array_equal(copy.gradient(PHOTO, "mixed/conv[2]"), expected)
    copy.close()


@pytest.mark.parametrize(
    ("address", "wrt", "says"),
    [
        ("mixed/conv", "mixed_4/conv", "does not depend on mixed_4/conv"),
        ("mixed/conv", "mixed/tower/conv:scale", "does not depend on the scale of mixed/tower/conv"),
        ("mixed/conv", "DecodeJpeg", "before the network's input"),
        ("DecodeJpeg", "Mul", "comes before the network"),
        ("mixed/conv", "mixed/join:scale", "has no parameters"),
        ("mixed/conv", "mixed/nothing:scale", "no tensor is called"),
        ("mixed/conv[99]", "Mul", "99"),
        ("mixed/*", "Mul", "one is expected"),
        ("softmax", "Mul", "no classifier"),
    ],
)
def test_what_cannot_be_differentiated_is_refused_in_one_line(net: Network, address: str, wrt: str, says: str) -> None:
    with pytest.raises(GodeeperError, match=says) as raised:
        net.gradient(PHOTO, address, wrt=wrt)
    assert "\n" not in str(raised.value)


def test_a_network_in_int8_has_no_gradients() -> None:
    with pytest.raises(GodeeperError, match="int8"):
        godeeper.load(precision="int8").gradient(PHOTO, "mixed/conv[2]")
