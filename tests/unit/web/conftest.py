"""One server on loopback for all tests of the page; its classifier has random coefficients from a fixed seed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from examples.collage import write_crops
from tests.unit.web.client import Client

import godeeper
from godeeper.classifier.classifier import Classifier
from godeeper.features.store import ResultStore
from godeeper.filters.build_index import build_index
from godeeper.filters.index import read_index
from godeeper.filters.index_folder import named_sources
from godeeper.filters.visualisation.visualise import Settings
from godeeper.photos.sources.find_photos import photos_in
from godeeper.training.head import Head
from godeeper.web.application import make_app
from godeeper.web.compute.backend import Backend
from godeeper.web.compute.served_index import ServedIndex
from godeeper.web.http.connections import Limits
from godeeper.web.http.guard import DEFAULT_RULES, Rules
from godeeper.web.http.server import Server, open_socket
from godeeper.weights.registry import find


@dataclass(frozen=True)
class Served:
    """A server that runs in a thread of the test's process."""

    client: Client
    backend: Backend
    classifier: Classifier | None
    port: int


def handmade() -> Classifier:
    """Return a classifier of three classes over two modules, with random coefficients from a fixed seed."""
    weights = find("bundled")
    random = np.random.default_rng(5)
    features = 256 + 2048
    head = Head(
        addresses=("mixed/join", "mixed_10/join"),
        mean=random.random(features, np.float32),
        scale=np.ones(features, np.float32),
        coefficients=random.standard_normal((3, features), np.float32) / np.float32(20),
        intercepts=np.array([0.1, -0.2, 0.3], np.float32),
        temperature=1.5,
        threshold=0.4,
        false_accept_rate=0.1,
        classes=("cat", "Hund", "鳥"),
    )
    return Classifier(head, weights.name, weights.sha256, weights.description.preprocessing)


@contextmanager
def serving(
    backend: Backend,
    classifier: Classifier | None = None,
    limits: Limits | None = None,
    rules: Rules = DEFAULT_RULES,
    **more: Any,
) -> Iterator[Served]:
    """Run a server during the ``with`` block, and yield it."""
    listening = open_socket("127.0.0.1", 0)
    port = listening.getsockname()[1]
    name = "pets.godeeper" if classifier else None
    app = make_app(backend, classifier, classifier_name=name, rules=replace(rules, port=port), **more)
    server = Server(app, limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield Served(Client(port), backend, classifier, port)
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> ServedIndex:
    """An index of two classes of three crops each."""
    folder = tmp_path_factory.mktemp("album")
    write_crops(folder)
    for label in ("cat", "flower"):
        for number in range(3, 12):
            (folder / label / f"{number}.png").unlink()
    with ResultStore(tmp_path_factory.mktemp("store") / "results.sqlite") as store:
        built = build_index(godeeper.load(), named_sources(photos_in([folder]), folder), store, 4)
    path = tmp_path_factory.mktemp("index") / "album.index"
    path.write_bytes(built.content)
    return ServedIndex(read_index(path), folder, "the 6 photos in album")


@pytest.fixture(scope="session")
def served(index: ServedIndex) -> Iterator[Served]:
    """The server that most tests share."""
    classifier = handmade()
    backend, quick = Backend(classifier.weights_file, classifier.preprocess), Settings(steps=4)
    with serving(backend, classifier, index=index, visualisations=quick) as running:
        yield running


@pytest.fixture(scope="session")
def client(served: Served) -> Client:
    """A client of the server that most tests share."""
    return served.client
