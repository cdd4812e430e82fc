"""Comparison with TensorFlow's own operations."""

from __future__ import annotations

import numpy as np
import pytest

from godeeper.photos.preprocess import resize_tf2015

pytestmark = pytest.mark.peers
tf = pytest.importorskip("tensorflow")


@pytest.mark.parametrize("size", [(300, 451), (1, 1), (3, 2000), (299, 299), (597, 600), (17, 1000)])
def test_resize_is_tensorflow_1_s_bit_for_bit(size: tuple[int, int]) -> None:
    """The tf2015 filter gives the result of tf.compat.v1.image.resize_bilinear bit for bit."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    expected = tf.compat.v1.image.resize_bilinear(pixels[None].astype(np.float32), (299, 299)).numpy()
    np.testing.assert_array_equal(resize_tf2015(pixels, 299)[None], expected)
