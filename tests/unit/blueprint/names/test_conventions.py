"""Conventions of all networks: every name resolves to its site."""

from __future__ import annotations

import copy
import pickle

import pytest

from godeeper.blueprint.address import Tensor, meanings, resolve, stages
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.blueprint.sites import sites

AMBIGUOUS = {"googlenet": {"maxpool1", "maxpool4"}}


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_round_trip(name: str) -> None:
    """The address of every tensor, at every stage, resolves to that tensor."""
    tensors = [Tensor(site, stage) for site in sites(BLUEPRINTS[name]) for stage in stages(site)]
    assert [resolve(BLUEPRINTS[name], tensor.address) for tensor in tensors] == [(tensor,) for tensor in tensors]


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_one_meaning(name: str) -> None:
    """Each name means one tensor, except the names on which releases disagree."""
    meant = meanings(BLUEPRINTS[name])
    assert {spelled for spelled, tensors in meant.items() if len(tensors) > 1} == AMBIGUOUS.get(name, set())


def test_unknown_convention() -> None:
    """A convention that the network does not have raises an AttributeError that lists the existing ones."""
    names = sites(BLUEPRINTS["googlenet"])[7].names
    with pytest.raises(AttributeError, match="no convention 'slim': expected one of bvlc, inception5h"):
        _ = names.slim


def test_names_can_be_copied() -> None:
    """A site's names can be copied and pickled, so that objects that contain a site can be, too."""
    names = sites(BLUEPRINTS["inception_v3"])[7].names
    assert copy.deepcopy(names) == pickle.loads(pickle.dumps(names)) == names  # noqa: S301 (our own bytes)
