"""Looks: the network in segments gives what it gives in one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from godeeper.blueprint.address import Tensor, stages
from godeeper.blueprint.sites import PHOTO_KINDS, sites
from godeeper.engine.onnxruntime import OPEN_SESSIONS, OnnxRuntimeEngine
from godeeper.engine.plan import NETWORK_INPUT, key_of
from godeeper.web.compute.forward import ForwardPass, segments

if TYPE_CHECKING:
    from godeeper.network import Network


@pytest.fixture(scope="module")
def look(net: Network, chelsea: Path) -> ForwardPass:
    """A whole look at the demonstration photo."""
    from godeeper.photos.decode import decode

    runner = OnnxRuntimeEngine(net.weights, open_sessions=13)
    found = ForwardPass({NETWORK_INPUT: net.preprocess(decode(chelsea))})
    for segment in segments(net):
        found.add(found.compute(runner, segment.plan))
    return found


def test_a_look_holds_all_there_is_to_see(net: Network, look: ForwardPass) -> None:
    """Every site after the photo's own steps that shows something is in it, at its default stage."""
    expected = [Tensor(site, stages(site)[0]) for site in sites(net.blueprint) if site.kind not in PHOTO_KINDS]
    assert set(look.values) == {NETWORK_INPUT, *(key_of(tensor) for tensor in expected if net.shows(tensor))}


@pytest.mark.parametrize("address", ["conv", "mixed/tower_2/conv", "mixed_3/pool", "mixed_10/join", "pool_3/_reshape"])
def test_segments_give_what_the_whole_gives(address: str, net: Network, look: ForwardPass, chelsea: Path) -> None:
    """A tensor of a look is the tensor of a peek."""
    peek = net.peek(chelsea, address)
    np.testing.assert_allclose(
        look.values[key_of(peek.tensor)].reshape(peek.shape), peek.activations, rtol=1e-4, atol=1e-4
    )


def test_a_segment_needs_only_the_one_before(net: Network) -> None:
    """Each is fed with what the one before ends with."""
    every = segments(net)
    assert [segment.part for segment in every][:3] == ["stem", "mixed", "mixed_1"]
    assert every[0].plan.fed == (NETWORK_INPUT,)
    for before, segment in pairwise(every):
        assert segment.plan.fed == (key_of(before.tensors[-1]),)


def test_a_runner_keeps_as_many_sessions_as_it_is_told(net: Network) -> None:
    """All segments stay open together, which the usual number would not allow."""
    every = segments(net)
    runner = OnnxRuntimeEngine(net.weights, open_sessions=len(every))
    for segment in every:
        runner.session(segment.plan)
    assert len(runner.sessions) == len(every) > OPEN_SESSIONS


def test_how_much_a_look_is(look: ForwardPass) -> None:
    """All of Inception v3 for one photo is 58 MB of float32."""
    assert round(look.nbytes / 1e6) == 58
