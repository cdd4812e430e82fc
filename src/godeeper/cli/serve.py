"""``godeeper serve``: the microscope, a web page on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .common import add_command, print_json

if TYPE_CHECKING:
    from ..training.classifier import Classifier
    from ..web.laboratory import Laboratory
    from .common import Verbs

EXAMPLE = """\
  godeeper serve                       walk through the network with your own photo
  godeeper serve cars.godeeper         and see what your classifier makes of it, and why
  godeeper serve --port 0 --open       on any free port, opened in the browser
"""

SCHEME, PORT = "http", 8299


def add_to(verbs: Verbs) -> None:
    parser = add_command(verbs, "serve", "open the web page: the network, walked through with a photo", EXAMPLE, run)
    parser.add_argument(
        "classifier", metavar="FILE.godeeper", nargs="?", type=Path, help="a classifier, made by godeeper retrain"
    )
    parser.add_argument(
        "--weights", metavar="W", help="installed weights, or a file (default: bundled; those of the classifier)"
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help=f"default: {PORT}; 0 takes a free one")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="answer to this host name too; repeatable"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run(options: argparse.Namespace) -> int:
    from ..web.app import make_app
    from ..web.guard import Place, allowed_place, is_loopback
    from ..web.server import open_socket
    from ..web.server import run as serve

    allowed = [allowed_place(text) for text in options.allow_host]
    laboratory, classifier = prepared(options)
    listening = open_socket(options.host, options.port)
    port = listening.getsockname()[1]
    if not is_loopback(options.host):
        print(f"godeeper: {options.host} is not loopback: whoever reaches this machine can look in", file=sys.stderr)
        allowed.append(Place(options.host.strip("[]"), port))
    app = make_app(
        laboratory,
        classifier,
        classifier_name=options.classifier.name if options.classifier else None,
        port=port,
        allowed=allowed,
    )
    announce(options, address(options.host, port))
    try:
        serve(app, listening, laboratory.stop)
    except KeyboardInterrupt:  # how a server is ended
        if sys.stderr.isatty():
            print(file=sys.stderr)  # the terminal stands behind ^C
    return 0


def prepared(options: argparse.Namespace) -> tuple[Laboratory, Classifier | None]:
    """The laboratory, and the classifier if one is named."""
    from ..errors import OptionError
    from ..photos.preprocess import Preprocess
    from ..training.classifier import Classifier
    from ..web.laboratory import Laboratory
    from ..weights.registry import find

    if options.classifier and options.weights:
        raise OptionError(f"--weights {options.weights}: a classifier brings its own weights; leave one of them out")
    if options.classifier:
        classifier = Classifier.load(options.classifier)
        return Laboratory(
            classifier.weights_file, classifier.preprocess, calibration=classifier.calibration
        ), classifier
    weights = find(options.weights or "bundled")
    return Laboratory(weights, Preprocess.from_mapping(weights.description.preprocessing)), None


def address(host: str, port: int) -> str:
    """Where a browser finds the page."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (every address means this one, too)
    return f"{SCHEME}://[{name}]:{port}/" if ":" in name else f"{SCHEME}://{name}:{port}/"


def announce(options: argparse.Namespace, url: str) -> None:
    """Say where the page is, and open it where that is wished for."""
    if options.json:
        print_json({"url": url})
    else:
        print(f"godeeper is at {url}  (Ctrl-C ends it)")
    sys.stdout.flush()
    if options.open:
        import webbrowser

        webbrowser.open(url)
