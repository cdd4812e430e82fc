"""``Network.run`` and ``godeeper.load``: what they return and refuse."""

from __future__ import annotations

import numpy as np
import pytest

import godeeper
from godeeper.errors import UnknownName
from godeeper.network import Network


def test_the_scaled_photo_is_returned_channels_last_beside_inner_tensors() -> None:
    """``Mul`` has the same value whether or not the network is run for another tensor."""
    net: Network = godeeper.load()
    pixels = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
    alone = net.run("Mul", {"DecodeJpeg:0": pixels})
    beside, _ = net.run(["Mul", "conv"], {"DecodeJpeg:0": pixels})
    np.testing.assert_array_equal(beside, alone)


def test_an_unknown_engine_is_refused_by_name() -> None:
    """The error for an unknown engine lists the known engines."""
    with pytest.raises(UnknownName, match="unknown engine 'caffe': expected one of auto, onnxruntime, openvino, torch"):
        godeeper.load(engine="caffe")
