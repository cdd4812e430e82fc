"""``godeeper serve``: serves the web page."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .common import add_command
from .terminal import complain, flush, print_json, say

if TYPE_CHECKING:
    from ..classifier.classifier import Classifier
    from ..network import Network
    from ..web.compute.backend import Backend
    from ..web.compute.served_index import ServedIndex
    from ..web.http.guard import Rules
    from .common import Verbs

EXAMPLE = """\
  godeeper serve                       explore the network with your own photo
  godeeper serve cars.godeeper         with your classifier's verdict and the evidence for it
  godeeper serve --photos photos/      with the photos of a folder that activate each filter most
  godeeper serve --port 0 --open       on any free port, opened in the browser
  godeeper serve --host 0.0.0.0        for other machines too; they need the token in the printed address
"""

SCHEME, PORT = "http", 8299


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "serve", "serve the web page: explore the network with a photo", EXAMPLE, run)
    parser.add_argument(
        "classifier", metavar="FILE.godeeper", nargs="?", type=Path, help="a classifier, made by godeeper retrain"
    )
    parser.add_argument(
        "--weights",
        metavar="W",
        help="installed weights, or a file (default: the classifier's if one is given, otherwise bundled)",
    )
    parser.add_argument(
        "--index",
        type=Path,
        metavar="FILE.index",
        help="show the photos that activate a filter most, from this index (godeeper index; default: the sample pictures)",
    )
    parser.add_argument(
        "--photos",
        metavar="FOLDER",
        help="with --index: the current folder of its photos; without --index: index this folder first, which takes a while for new photos",
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port",
        type=int,
        default=PORT,
        metavar="N",
        help=f"port to listen on (default: {PORT}; 0 chooses a free port)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="also accept requests for this host name; repeatable",
    )
    parser.add_argument(
        "--token",
        default="auto",
        metavar="T",
        help="the token that requests must carry: auto (default; a random token if other machines can reach the page), none, or a TOKEN",
    )
    parser.add_argument("--root-path", default="", metavar="P", help="the path under which a proxy serves the page")
    parser.add_argument(
        "--proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="trust X-Forwarded-* headers from the proxy at this address or network; repeatable",
    )
    parser.add_argument(
        "--frame",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="allow pages of this origin, such as a notebook, to show the page in a frame; repeatable",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run(options: argparse.Namespace) -> int:
    from ..web.application import make_app
    from ..web.http.connections import Limits
    from ..web.http.server import open_socket
    from ..web.http.server import run as serve
    from .progress import is_terminal

    rules = rules_of(options)
    backend, classifier = prepare(options)
    index = index_of(options, backend.network)
    listening = open_socket(options.host, options.port)
    port = listening.getsockname()[1]
    app = make_app(
        backend,
        classifier,
        classifier_name=options.classifier.name if options.classifier else None,
        rules=on_port(rules, options.host, port),
        index=index,
    )
    warn(options, rules)
    announce(options, address(options.host, port, rules.root_path, rules.token))
    try:
        serve(app, listening, backend.stop, Limits(proxies=rules.proxies))
    except KeyboardInterrupt:  # the usual way to stop a server
        if is_terminal():
            complain("")  # end the line with ^C
    return 0


def rules_of(options: argparse.Namespace) -> Rules:
    """The access rules that the options ask for; raises ``OptionError``."""
    from ..web.http.forwarded import root_path
    from ..web.http.guard import Rules
    from ..web.http.hosts import allowed_place, frame_ancestor, is_loopback, network
    from ..web.http.token import token_of

    return Rules(
        allowed=tuple(allowed_place(text) for text in options.allow_host),
        token=token_of(options.token, is_loopback=is_loopback(options.host), has_proxy=bool(options.proxy)),
        proxies=tuple(network(text) for text in options.proxy),
        root_path=root_path(options.root_path),
        frame_ancestors=tuple(frame_ancestor(text) for text in options.frame),
    )


def on_port(rules: Rules, host: str, port: int) -> Rules:
    """Add the server's port to the rules, and this machine's names if the server listens beyond loopback."""
    from ..web.http.hosts import HostAndPort, is_loopback, machine_names, plain_host

    names = () if is_loopback(host) else (*machine_names(), plain_host(host.strip("[]")))
    ours = [HostAndPort(name, port) for name in names]
    return replace(rules, port=port, allowed=(*rules.allowed, *ours))


def prepare(options: argparse.Namespace) -> tuple[Backend, Classifier | None]:
    """The backend, and the classifier if one is named."""
    from ..classifier.classifier import Classifier
    from ..errors import OptionError
    from ..web.application import make_backend

    if options.classifier and options.weights:
        raise OptionError(
            f"--weights {options.weights}: a classifier has its own weights; give either --weights or a classifier, not both"
        )
    classifier = Classifier.load(options.classifier) if options.classifier else None
    return make_backend(classifier, options.weights or "bundled"), classifier


def index_of(options: argparse.Namespace, network: Network) -> ServedIndex | None:
    """The index that the options ask for, by default that of the sample pictures.

    ``--photos`` without ``--index`` makes an index in the cache folder, or refreshes it.
    """
    from ..web.compute.served_index import sample_index, served_index

    if options.index is None and options.photos is None:
        return sample_index(network)
    path = options.index or refreshed(options.photos, network)
    return served_index(path, options.photos, network)


def refreshed(folder: str, network: Network) -> Path:
    """Make or update the index of a folder in the cache folder; returns its path."""
    from ..engine.onnxruntime import OnnxRuntimeEngine
    from ..filters.index_folder import cached_path, index_folder
    from ..network import Network
    from .progress import counter

    single = Network(OnnxRuntimeEngine(network.weights), network.preprocess)  # an index has single precision
    path = cached_path(folder, single)
    with counter("photos") as progress:
        built = index_folder(single, folder, path, progress=progress)
    single.close()
    for error in built.errors.values():
        complain(f"godeeper: {error}")
    return path


def address(host: str, port: int, root_path: str = "", token: str | None = None) -> str:
    """The URL of the page, with the token."""
    from ..web.http.hosts import outward_address

    name = outward_address(host.strip("[]"))
    query = f"?token={quote(token, safe='')}" if token else ""
    return f"{SCHEME}://{f'[{name}]' if ':' in name else name}:{port}{root_path}/{query}"


def warn(options: argparse.Namespace, rules: Rules) -> None:
    """Print a warning if anyone other than this machine's users has access, or if the token can be guessed."""
    from ..web.http.hosts import EVERYWHERE, is_loopback
    from ..web.http.token import GUESSABLE

    if not is_loopback(options.host):
        here = "any address of this machine" if options.host.strip("[]") in EVERYWHERE else "that address"
        complain(
            f"godeeper: {options.host} is not a loopback address: anybody who can reach {here} and has the token below has access; "
            "the connection is not encrypted"
        )
    if rules.token and len(rules.token) < GUESSABLE:
        complain(
            f"godeeper: --token: a token shorter than {GUESSABLE} characters can be guessed; auto generates a long one"
        )


def announce(options: argparse.Namespace, url: str) -> None:
    """Print the URL of the page, and open it with ``--open``."""
    if options.json:
        print_json({"url": url})
    else:
        say(f"godeeper is at {url}  (press Ctrl-C to stop)")
    flush()
    if options.open:
        import webbrowser

        webbrowser.open(url)
