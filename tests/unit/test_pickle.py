"""Networks, classifiers and their results can be pickled and copied at any time, and give the same results afterwards."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from tests.unit.classifier.handmade import classifier

import godeeper
from godeeper.engine.engines import ENGINES
from godeeper.errors import WeightsError
from godeeper.network import Network
from godeeper.weights.registry import find, reopened

ADDRESS = "mixed/tower_2/conv"
INSTALLED = [name for name in ENGINES if name in ("auto", "onnxruntime") or find_spec(name)]


def pickled(value: Any) -> Any:
    """Return a copy of ``value`` that was pickled and unpickled."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 (our own bytes)


def through_joblib(value: Any) -> Any:
    """Return a copy of ``value`` that was saved and loaded by joblib."""
    buffer = io.BytesIO()
    joblib.dump(value, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


COPIES: list[Callable[[Any], Any]] = [pickled, through_joblib, copy.deepcopy, copy.copy]
copies = pytest.mark.parametrize("copied", COPIES, ids=lambda each: each.__name__)


@pytest.mark.parametrize("engine", INSTALLED)
def test_a_network(engine: str, chelsea: Path) -> None:
    """With every engine, before and after a peek, a copy gives the same values, and the pickle contains no session."""
    network = godeeper.load(engine=engine)
    cold = [copied(network) for copied in COPIES]
    expected = network.peek(chelsea, ADDRESS).activations
    for other in (*cold, *(copied(network) for copied in COPIES)):
        np.testing.assert_array_equal(other.peek(chelsea, ADDRESS).activations, expected)
    assert len(pickle.dumps(network)) < 100_000


@copies
def test_a_network_of_8_bits(copied: Callable[[Any], Any], chelsea: Path) -> None:
    """A copy of a network in int8 contains its quantization ranges."""
    network = godeeper.load(precision="int8")
    network.peek(chelsea, ADDRESS)
    assert copied(network).calibration == network.calibration


@copies
def test_a_classifier(copied: Callable[[Any], Any], chelsea: Path) -> None:
    """A classifier can be copied before and after its first prediction."""
    made = classifier(threshold=0.2)
    cold = copied(made)
    expected = made.predict_proba([chelsea])
    np.testing.assert_array_equal(cold.predict_proba([chelsea]), expected)
    np.testing.assert_array_equal(copied(made).predict_proba([chelsea]), expected)
    assert "network" not in copied(made).__dict__ or copied is copy.copy


@copies
def test_what_they_return(copied: Callable[[Any], Any], net: Network, chelsea: Path) -> None:
    """Photos, peeks, mosaics, evidence and verdicts can be copied."""
    peek = net.peek(chelsea, ADDRESS)
    assert copied(peek).record() == peek.record()
    np.testing.assert_array_equal(copied(peek.mosaic()).values, peek.mosaic().values)
    np.testing.assert_array_equal(copied(godeeper.decode(chelsea)).pixels, godeeper.decode(chelsea).pixels)
    made = classifier()
    found = godeeper.evidence(made, chelsea)
    np.testing.assert_array_equal(copied(found).probabilities, found.probabilities)
    assert copied(list(made.judge([chelsea]))) == list(made.judge([chelsea]))


def test_weights_that_lie_elsewhere() -> None:
    """On another machine, a copy finds its weights by name; if they are not installed, the error states the original path."""
    file = find("bundled")
    assert reopened(Path("/elsewhere/inception_v3.safetensors"), file.description).path == file.path
    mine = replace(file.description, name="mine")
    with pytest.raises(WeightsError, match=r"/elsewhere/mine\.safetensors"):
        reopened(Path("/elsewhere/mine.safetensors"), mine).verify()
