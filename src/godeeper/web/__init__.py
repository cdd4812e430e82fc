"""The web page that explores a network: ``godeeper serve``, and an ASGI application to mount in another one.

The folder has more than 15 files because each is short and has one topic; further folders would separate handlers from
their records.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..classifier.classifier import Classifier
    from .http.guard import Guard


def app(
    classifier: Classifier | str | Path | None = None,
    *,
    weights: str | Path = "bundled",
    index: str | Path | None = None,
    photos: str | Path | None = None,
    hosts: Iterable[str] = (),
    frame_ancestors: Iterable[str] = (),
    token: str | None = None,
) -> Guard:
    """The page as an ASGI application, which can be served or mounted anywhere; it needs no lifespan.

    Its links include the path that it is mounted at.  It accepts requests to loopback names and to the address of the
    connection.  Other web sites can neither frame it nor call its interface.

    Args:
        classifier: the classifier whose verdicts are shown, or its ``.godeeper`` file.
        weights: installed weights or a file, if there is no classifier.
        index: a filter index (``godeeper index``), whose photos the page of a filter shows; by default the sample pictures.
        photos: the folder of the index's photos, if it moved.
        hosts: further host names to accept, ``NAME`` or ``NAME:PORT``; ``"*"`` accepts any, if the application around it checks the host.
        frame_ancestors: origins whose pages may show it in a frame, such as a notebook's, with scheme and port.
        token: the token that requests must carry (``?token=…`` once, or ``Authorization: Bearer``); None requires none.

    Returns:
        An ASGI 3 application.

    Raises:
        GodeeperError: the classifier, the weights or the index cannot be read, or the index was made with other weights.

    >>> import godeeper.web
    >>> from starlette.applications import Starlette
    >>> from starlette.routing import Mount
    >>> site = Starlette(routes=[Mount("/look", godeeper.web.app())])
    """
    from ..classifier.classifier import Classifier
    from .application import make_app, make_backend
    from .compute.served_index import sample_index, served_index
    from .http.guard import Rules
    from .http.hosts import HostAndPort, allowed_place, frame_ancestor

    name = Path(classifier).name if isinstance(classifier, str | Path) else None
    if isinstance(classifier, str | Path):
        classifier = Classifier.load(classifier)
    rules = Rules(
        allowed=tuple(HostAndPort("*") if host == "*" else allowed_place(host) for host in hosts),
        token=token,
        frame_ancestors=tuple(frame_ancestor(origin) for origin in frame_ancestors),
    )
    called = name or ("classifier" if classifier else None)
    backend = make_backend(classifier, str(weights))
    network = backend.network
    shown = sample_index(network) if index is None else served_index(Path(index), photos, network)
    return make_app(backend, classifier, classifier_name=called, rules=rules, index=shown)
