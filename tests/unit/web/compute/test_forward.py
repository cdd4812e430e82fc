"""Forward passes: computing the network in segments gives the same values as computing it at once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from godeeper.blueprint.address import Tensor, stages
from godeeper.blueprint.sites import sites
from godeeper.engine.onnxruntime import OPEN_SESSIONS, OnnxRuntimeEngine
from godeeper.engine.plan import NETWORK_INPUT, key_of
from godeeper.photos.decode import decode
from godeeper.web.compute.forward import ForwardPass, segments

if TYPE_CHECKING:
    from godeeper.network import Network


@pytest.fixture(scope="module")
def forward(net: Network, chelsea: Path) -> ForwardPass:
    """The complete forward pass of the demonstration photo."""
    engine = OnnxRuntimeEngine(net.weights, open_sessions=13)
    forward = ForwardPass({NETWORK_INPUT: net.preprocess(decode(chelsea))})
    for segment in segments(net):
        forward.add(forward.compute(engine, segment.plan))
    return forward


def test_a_pass_holds_all_viewable_tensors(net: Network, forward: ForwardPass) -> None:
    """A forward pass contains every viewable site after the photo's preprocessing, at the site's default stage."""
    expected = [Tensor(site, stages(site)[0]) for site in sites(net.blueprint) if not site.is_photo_step]
    assert set(forward.values) == {NETWORK_INPUT, *(key_of(tensor) for tensor in expected if net.shows(tensor))}


@pytest.mark.parametrize("address", ["conv", "mixed/tower_2/conv", "mixed_3/pool", "mixed_10/join", "pool_3/_reshape"])
def test_segments_equal_the_whole(address: str, net: Network, forward: ForwardPass, chelsea: Path) -> None:
    """A tensor of a forward pass equals the same tensor in a peek."""
    peek = net.peek(chelsea, address)
    np.testing.assert_allclose(
        forward.values[key_of(peek.tensor)].reshape(peek.shape), peek.activations, rtol=1e-4, atol=1e-4
    )


def test_a_segment_needs_only_the_previous_one(net: Network) -> None:
    """Each segment is fed with the last tensor of the previous segment."""
    all_segments = segments(net)
    assert [segment.part for segment in all_segments][:3] == ["stem", "mixed", "mixed_1"]
    assert all_segments[0].plan.fed == (NETWORK_INPUT,)
    for before, segment in pairwise(all_segments):
        assert segment.plan.fed == (key_of(before.tensors[-1]),)


def test_an_engine_keeps_the_given_number_of_sessions(net: Network) -> None:
    """The engine keeps the sessions of all segments open, although there are more of them than the default limit."""
    all_segments = segments(net)
    engine = OnnxRuntimeEngine(net.weights, open_sessions=len(all_segments))
    for segment in all_segments:
        engine.session(segment.plan)
    assert len(engine.sessions) == len(all_segments) > OPEN_SESSIONS


def test_the_size_of_a_pass(forward: ForwardPass) -> None:
    """A pass of Inception v3 for one photo takes 58 MB of float32."""
    assert round(forward.nbytes / 1e6) == 58
