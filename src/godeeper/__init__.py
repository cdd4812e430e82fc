"""godeeper: look inside the Inception networks, retrain them, explain them.

>>> import godeeper
>>> net = godeeper.load("inception_v3")
>>> net.peek("examples/chelsea.jpg", "mixed/tower_2/conv:0").shape
(1, 32, 35, 35)

Importing this package imports no heavy library: each public name is imported when it is first used.

The modules beside this file are the two entry points (``network``, ``retraining``), TensorFlow 1's calling style
(``tf1``), and small utilities that every package uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .classifier.classifier import Classifier
    from .classifier.estimators import PhotoClassifier, PhotoFeatures
    from .errors import GodeeperError
    from .explain.evidence import Evidence, evidence
    from .network import Network, load
    from .peek.peek import Peek
    from .photos.decode import Photo, decode
    from .photos.preprocess import Preprocess
    from .retraining import retrain

__all__ = [
    "Classifier",
    "Evidence",
    "GodeeperError",
    "Network",
    "Peek",
    "Photo",
    "PhotoClassifier",
    "PhotoFeatures",
    "Preprocess",
    "__version__",
    "decode",
    "evidence",
    "load",
    "retrain",
]

HOMES = {
    "GodeeperError": "errors",
    "Classifier": "classifier.classifier",
    "Evidence": "explain.evidence",
    "Network": "network",
    "Peek": "peek.peek",
    "Photo": "photos.decode",
    "PhotoClassifier": "classifier.estimators",
    "PhotoFeatures": "classifier.estimators",
    "Preprocess": "photos.preprocess",
    "decode": "photos.decode",
    "evidence": "explain.evidence",
    "load": "network",
    "retrain": "retraining",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES and name != "web":
        raise AttributeError(f"module 'godeeper' has no attribute {name!r}")
    from importlib import import_module

    if name == "web":  # godeeper.web.app()
        return import_module("godeeper.web")
    return getattr(import_module(f"godeeper.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
