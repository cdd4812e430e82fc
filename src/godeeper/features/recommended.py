"""The tensor that is recommended for features, for each set of weights.

The last module is the usual choice.  For the bundled weights it is the worst choice, because their later modules were
trained for a different task (see ``docs/explanation/model-card.md``).  ``bench/studies/default_features.py`` compares
all modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..weights.registry import INSTALLED

if TYPE_CHECKING:
    from .stream import FeatureNetwork

RECOMMENDED = {"bundled": "mixed_4/join"}
"""Name of weights that are installed with godeeper -> address.  For all other weights the last module is recommended."""


def recommended(network: FeatureNetwork) -> str:
    """The address of the tensor that features are taken from by default."""
    shipped = INSTALLED.get(network.weights.name) == network.weights.path
    if shipped and network.weights.name in RECOMMENDED:
        return RECOMMENDED[network.weights.name]
    joins = [tensor.name for tensor in network.tensors("**") if tensor.site.kind == "concat"]
    last: str = joins[-1]
    return last
