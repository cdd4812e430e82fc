"""godeeper's values compared with recorded values of other frameworks, for the same random weights and input.

``made_by`` in each golden file states the framework and its version.  ``record.py`` records the files again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.golden.summary import FOLDER, RECORDED, summary
from tests.peers.random_weights import ours, random_input, random_weights

from godeeper.blueprint.address import resolve_one
from godeeper.engine.plan import key_of

TOLERANCE = 1e-4


@pytest.mark.parametrize("dialect", RECORDED)
def test_every_tensor_is_as_recorded(dialect: str, tmp_path: Path) -> None:
    """Statistics and values of every tensor agree with the recorded ones to 1e-4 of the tensor's greatest value."""
    with np.load(FOLDER / f"{dialect}.npz") as recorded:
        addresses, expected = [str(name) for name in recorded["addresses"]], recorded["summaries"]
    weights = random_weights(tmp_path, dialect)
    keys = [key_of(resolve_one(weights.blueprint, address)) for address in addresses]
    values = ours(weights, keys, random_input(), tmp_path)
    computed = np.stack([summary(address, values[key]) for address, key in zip(addresses, keys, strict=True)])
    greatest = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(computed / greatest, expected / greatest, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("dialect", RECORDED)
def test_all_default_tensors_are_recorded(dialect: str) -> None:
    """The recorded tensors are 94 convolutions, 13 pools, at least one join for each of the 11 modules, and a classifier."""
    with np.load(FOLDER / f"{dialect}.npz") as recorded:
        names = [str(name) for name in recorded["addresses"]]
    assert sum("conv" in name.rpartition("/")[2] for name in names) == 94
    assert sum("pool" in name.rpartition("/")[2] for name in names if name != "pool_3") == 13
    assert sum(name.endswith("/join") for name in names) == 11
    assert {"softmax", "softmax/logits"} & set(names)
