"""``fork`` after a network has computed: the child computes the same values, or raises an error that says what to do."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.unit.classifier.handmade import classifier

import godeeper
from godeeper.classifier.classifier import pooled
from godeeper.features.store import ResultStore
from godeeper.photos.decode import decode

ADDRESS = "mixed/join"
PATIENCE = 30  # seconds after which a child counts as hanging
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),  # these forks are intended
]


def in_child(work: Callable[[], Any]) -> Any:
    """Run ``work`` in a forked process that ends as multiprocessing's do; return the result or the error message of ``work``."""
    here, there = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=answer, args=(there, work))
    process.start()
    there.close()
    try:
        assert here.poll(PATIENCE), "the child hangs"
        result = here.recv()
        process.join(PATIENCE)
        assert process.exitcode == 0
    finally:
        process.kill()
    return result


def answer(there: Connection, work: Callable[[], Any]) -> None:
    """Send the result or the error message of ``work``."""
    try:
        there.send(work())
    except Exception as error:
        there.send(f"{type(error).__name__}: {error}")


def features(network: godeeper.Network, photos: list[Path]) -> Any:
    """Return the features of several photos; engines compute them on all cores."""
    return pooled(network, [decode(photo) for photo in photos], [ADDRESS])[ADDRESS]


@pytest.mark.parametrize("engine", ["auto", "onnxruntime", "torch"])
def test_a_warm_network(engine: str, chelsea: Path) -> None:
    """After a fork, the child computes the same values as its parent, with the same plan and with another plan."""
    if engine == "torch" and not find_spec("torch"):
        pytest.skip("torch is not installed")
    network = godeeper.load(engine=engine)
    one, many = network.peek(chelsea, ADDRESS).activations, features(network, [chelsea] * 3)
    np.testing.assert_allclose(in_child(lambda: network.peek(chelsea, ADDRESS).activations), one, atol=1e-5)
    np.testing.assert_allclose(in_child(lambda: features(network, [chelsea] * 3)), many, atol=1e-5)
    deeper = network.peek(chelsea, "mixed_1/join").activations
    np.testing.assert_allclose(in_child(lambda: network.peek(chelsea, "mixed_1/join").activations), deeper, atol=1e-4)
    np.testing.assert_array_equal(features(network, [chelsea] * 3), many)


def test_a_warm_gradient(chelsea: Path) -> None:
    """The child computes the same gradient as its parent."""
    network = godeeper.load()
    expected = network.gradient(chelsea, "conv_1[3]")
    np.testing.assert_array_equal(in_child(lambda: network.gradient(chelsea, "conv_1[3]")), expected)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch"])
def test_an_inherited_network_can_be_closed(engine: str, chelsea: Path) -> None:
    """A child that closes the inherited network, or loads another, does not wait for its parent's threads."""
    if engine != "onnxruntime" and not find_spec(engine):
        pytest.skip(f"{engine} is not installed")
    network = godeeper.load(engine=engine)
    features(network, [chelsea] * 3)
    kept = [network]
    del network

    def let_go() -> str:
        kept.pop().close()
        kept.append(godeeper.load(engine="onnxruntime"))
        return str(kept[0].peek(chelsea, ADDRESS).shape)

    assert in_child(let_go) == "(1, 256, 35, 35)"


@pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed")
def test_openvino_says_what_to_do(chelsea: Path) -> None:
    """In the child, OpenVINO raises an error for inherited and new networks, and other engines work."""
    network = godeeper.load(engine="openvino")
    features(network, [chelsea])
    for work in (lambda: features(network, [chelsea]), lambda: godeeper.load(engine="openvino")):
        assert "spawn" in in_child(work)
    assert in_child(lambda: godeeper.load(engine="onnxruntime").peek(chelsea, ADDRESS).shape) == (1, 256, 35, 35)


def test_a_warm_classifier(chelsea: Path) -> None:
    """A classifier that has already predicted gives the same predictions in the child."""
    made = classifier()
    expected = made.predict_proba([chelsea] * 2)
    np.testing.assert_allclose(in_child(lambda: made.predict_proba([chelsea] * 2)), expected, atol=1e-5)


def test_after_a_training(tmp_path: Path, chelsea: Path) -> None:
    """A classifier that was just trained works in the child, although training used thread pools."""
    photo = Image.open(chelsea)
    for number in range(12):
        for name, crop in {"left": (0, 0, 200, 300), "right": (250, 0, 451, 300)}.items():
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            photo.crop(crop).rotate(7 * number).save(path)
    made = godeeper.retrain(tmp_path, features="mixed/tower_2/conv")
    expected = made.predict_proba([chelsea])
    np.testing.assert_allclose(in_child(lambda: made.predict_proba([chelsea])), expected, atol=1e-5)
    np.testing.assert_allclose(
        in_child(lambda: godeeper.retrain(tmp_path, features="mixed/tower_2/conv").predict_proba([chelsea])),
        expected,
        atol=1e-4,
    )


def test_a_store(tmp_path: Path) -> None:
    """A store that is open during a fork works in both processes."""
    with ResultStore(tmp_path / "features.sqlite") as store:
        store.put_blobs({b"parent": b"1"})

        def both() -> dict[bytes, bytes]:
            store.put_blobs({b"child": b"2"})
            return store.get_blobs([b"parent", b"child"])

        assert in_child(both) == {b"parent": b"1", b"child": b"2"}
        store.put_blobs({b"after": b"3"})
        assert store.get_blobs([b"child", b"after"]) == {b"child": b"2", b"after": b"3"}
        assert store.notes == []
