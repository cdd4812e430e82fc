"""Comparison with Keras's Inception v3: same random weights and statistics, all tensors."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.peers.keras_peer import activations
from tests.peers.random_weights import ours, random_input, random_weights, relative_error

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TOLERANCE = 1e-4


def test_every_tensor_is_keras_s(tmp_path: Path) -> None:
    """94 convolutions at three stages, 13 pools, 15 joins, features and softmax agree to a relative error of 1e-4."""
    weights = random_weights(tmp_path, "keras")
    x = random_input(2)
    theirs = activations(weights, x)
    computed = ours(weights, list(theirs), x, tmp_path)
    errors = {key: relative_error(computed[key], value) for key, value in theirs.items()}
    assert len(errors) == 3 * 94 + 13 + 15 + 2
    assert max(errors.values()) <= TOLERANCE
