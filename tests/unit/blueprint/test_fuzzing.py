"""Thousands of damaged addresses: each gives tensors or one short line, with a bounded amount of work."""

from __future__ import annotations

import pytest
from tests.unit.blueprint.fuzzing import cases, check, count_lines, most_lines, without_suggestions

from godeeper.blueprint.address import resolve
from godeeper.blueprint.names.pattern import is_pattern
from godeeper.blueprint.networks import BLUEPRINTS


@pytest.mark.parametrize("seed", range(4))
def test_damaged_addresses(seed: int) -> None:
    """Two thousand addresses of each seed give tensors or one short line, and some of them give tensors."""
    with without_suggestions():
        meant = sum(check(network, text) for network, text in cases(2000, seed))
    assert 100 < meant < 1000


def test_damaged_addresses_with_suggestions() -> None:
    """Error messages with suggestions are one short line, too."""
    for network, text in cases(100, seed=10):
        check(network, text)


def test_the_work_is_bounded() -> None:
    """The number of lines of code that run is bounded by the length of the network's names."""
    for network in BLUEPRINTS.values():
        resolve(network, "**")
    texts = [(network, text) for network, text in cases(1500, seed=20) if is_pattern(text)][:60]
    with without_suggestions():
        for network, text in texts:
            check(network, text)  # builds the tables of its convention
            assert count_lines(network, text) < most_lines(network), text
    assert len(texts) == 60
