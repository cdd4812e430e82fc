"""Comparison with a frozen graph in the form of 2015, run in a TensorFlow 1 session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.peers import graph2015
from tests.peers.random_weights import ours, random_input, random_weights, relative_error

import godeeper
from godeeper.weights.file import WeightsFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TOLERANCE = 2e-5
"""Three times the largest difference measured in 310 tensors on two kinds of processor.  ``test_decode2015`` has a bound for
each depth.
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightsFile:
    """Random weights of the 2015 dialect."""
    return random_weights(tmp_path_factory.mktemp("weights"), "2015")


@pytest.fixture(scope="module")
def tensors(weights: WeightsFile) -> dict[str, NDArray[np.float32]]:
    """The arrays of these weights, which become the graph's constants."""
    with weights.parameters() as numbers:
        return {name: numbers.values(name) for name in weights.expected}


def test_every_tensor_is_the_frozen_graph_s(
    weights: WeightsFile, tensors: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    """94 convolutions at three stages, 13 pools, 11 joins and the last layers agree to single precision."""
    x = random_input()
    theirs = graph2015.activations(tensors, x)
    computed = ours(weights, list(theirs), x, tmp_path)
    errors = {key: relative_error(computed[key], value) for key, value in theirs.items()}
    assert len(errors) == 3 * 94 + 13 + 11 + 4
    assert max(errors.values()) <= TOLERANCE


def test_a_photo_gives_what_the_frozen_graph_gives(
    weights: WeightsFile, tensors: dict[str, NDArray[np.float32]]
) -> None:
    """Starting from a photo's pixels, the 2015 resize and scaling agree up to ``Mul``, and the network up to ``softmax``."""
    pixels = np.random.default_rng(2015).integers(0, 256, (480, 640, 3), np.uint8)
    names = ["Mul", "mixed_4/tower_1/conv_4", "softmax"]
    theirs = graph2015.run(graph2015.build(tensors), names, {"DecodeJpeg:0": pixels})
    computed = godeeper.load(weights=weights.path).run(names, {"DecodeJpeg:0": pixels})
    np.testing.assert_array_equal(computed[0], theirs[0])
    assert max(map(relative_error, computed, theirs)) <= TOLERANCE
