"""With the 2015 dialect, every command and page decodes JPEGs as TensorFlow did in 2015."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.peers.random_weights import random_weights, relative_error
from tests.unit.cli.conftest import Run, run
from tests.unit.web.conftest import Served, serving

import godeeper
from godeeper.classifier.classifier import Classifier
from godeeper.features.extract import extract
from godeeper.features.store import ResultStore
from godeeper.network import Network
from godeeper.photos.decode import decode
from godeeper.photos.doctor.fingerprint import pixel_hash
from godeeper.training.head import Head
from godeeper.web.application import make_backend

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["run"]
ADDRESS = "mixed/join"
SAME = 1e-5
"""Tolerance, as a fraction of the largest value.  It is needed because batched means are summed in a different order than
in a peek.
"""
STORED = 1e-3
"""Tolerance for the features that ``retrain`` computes; they are stored in half precision."""
OTHER_DECODE = 1e-2
"""Decoding with the accurate inverse DCT changes values by more than this, so a passing test shows that the 2015 decoding
was used.
"""


@pytest.fixture(scope="module")
def net2015(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Random weights of the 2015 dialect, classifier included."""
    return godeeper.load(weights=random_weights(tmp_path_factory.mktemp("weights"), "2015").path)


@pytest.fixture(scope="module")
def photo(chelsea: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration photo, enlarged.

    At this size, ``embed`` and ``classify`` would decode it at half size with any resampling filter other than ``tf2015``.
    """
    path = tmp_path_factory.mktemp("photos") / "cat.jpg"
    with Image.open(chelsea) as opened:
        opened.resize((2720, 1810)).save(path, quality=40)
    return path


@pytest.fixture(scope="module")
def means(net2015: Network, photo: Path) -> NDArray[np.float32]:
    """(1, 256): the activations of a peek, averaged over the grid."""
    found: NDArray[np.float32] = net2015.peek(photo, ADDRESS).activations.mean((2, 3))
    accurate = replace(
        decode(photo), jpeg=None
    )  # without the JPEG's bytes, the pixels from the accurate inverse DCT are used
    assert relative_error(net2015.peek(accurate, ADDRESS).activations.mean((2, 3)), found) >= OTHER_DECODE
    return found


@pytest.fixture(scope="module")
def own(net2015: Network, means: NDArray[np.float32]) -> Classifier:
    """A classifier of two classes whose features are those of this network."""
    random, width = np.random.default_rng(3), means.shape[1]
    head = Head(
        addresses=(ADDRESS,),
        mean=means[0],
        scale=np.full(width, means.max() / 10, np.float32),
        coefficients=random.standard_normal((2, width), np.float32),
        intercepts=np.array([0.3, -0.3], np.float32),
        temperature=1.0,
        threshold=None,
        false_accept_rate=None,
        classes=("cat", "dog"),
    )
    weights = net2015.weights
    return Classifier(head, str(weights.path), weights.sha256, weights.description.preprocessing)


@pytest.fixture(scope="module")
def expected(own: Classifier, means: NDArray[np.float32]) -> NDArray[np.float64]:
    """(2,): the classifier's probabilities, computed from a peek."""
    found: NDArray[np.float64] = own.likelihoods({ADDRESS: means})[0]
    return found


@pytest.fixture(scope="module")
def page(own: Classifier) -> Iterator[Served]:
    """The web page with this classifier."""
    with serving(make_backend(own), own) as served:
        yield served


def test_embed(run: Run, net2015: Network, means: NDArray[np.float32], photo: Path, tmp_path: Path) -> None:
    """The features that ``embed`` computes equal the means of a peek at full size."""
    out = tmp_path / "out.npz"
    command = ("embed", photo.parent, "--out", out, "--features", ADDRESS, "--weights", net2015.weights.path)
    assert run(*command)[0] == 0
    with np.load(out) as arrays:
        assert relative_error(arrays[ADDRESS], means) <= SAME


def test_features_of_a_training(net2015: Network, means: NDArray[np.float32], photo: Path) -> None:
    """``retrain`` computes its features from the same pixels as a peek."""
    with ResultStore() as store:
        found = extract(net2015, [(photo, pixel_hash(decode(photo)))], [ADDRESS], store)[ADDRESS]
    assert relative_error(found, means) <= STORED


def test_classify_by_the_weights(run: Run, net2015: Network, photo: Path) -> None:
    """With ``--weights``, the probabilities that ``classify`` prints equal the tensor ``softmax`` in a peek."""
    code, out, _ = run("classify", "--weights", net2015.weights.path, photo, "--top", 1008, "--json")
    top = json.loads(out)["photos"][0]["top"]
    probabilities = np.array([guess["probability"] for guess in top])
    softmax = np.sort(net2015.peek(photo, "softmax").activations.ravel())[::-1]
    assert code == 0
    assert relative_error(probabilities, softmax) <= SAME


def test_classify_by_a_classifier_of_one_s_own(
    run: Run, own: Classifier, expected: NDArray[np.float64], photo: Path, tmp_path: Path
) -> None:
    """``classify`` with a classifier decodes the photo at full size, with and without ``--exact``."""
    file = tmp_path / "own.godeeper"
    own.save(file)
    for options in ((), ("--exact",)):
        code, out, _ = run("classify", file, photo, "--json", *options)
        found = json.loads(out)["photos"][0]["probabilities"]
        assert code == 0
        np.testing.assert_allclose([found["cat"], found["dog"]], expected, rtol=SAME)


def test_the_page(page: Served, net2015: Network, expected: NDArray[np.float64], photo: Path) -> None:
    """A tensor's values on the page equal those of a peek, and so do the probabilities of the verdict."""
    kept = page.client.send([("photo", "cat.jpg", photo.read_bytes())]).json["photo"]
    answer = page.client.get(f"/api/photos/{kept}/values/{ADDRESS}")
    shape = tuple(map(int, answer.headers["x-shape"].split(",")))
    values = np.frombuffer(answer.body, "<f4").reshape(shape)
    assert relative_error(values, net2015.peek(photo, ADDRESS).activations[0]) <= SAME
    verdict = page.client.get(f"/api/photos/{kept}/verdict").json
    found = {each["class"]: each["probability"] for each in verdict["classes"]}
    np.testing.assert_allclose([found["cat"], found["dog"]], expected, rtol=SAME)
