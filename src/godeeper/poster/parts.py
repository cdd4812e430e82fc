"""The tensors of a poster by part of the network, and their values, computed part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..blueprint.address import Tensor
from ..blueprint.parts import parts
from ..engine.plan import NETWORK_INPUT, key_of, output, plan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..blueprint.ops import Blueprint
    from ..engine.engines import Engine

    Floats = NDArray[np.float32]


def tensors_by_part(blueprint: Blueprint, shows: Callable[[Tensor], bool]) -> dict[str, list[Tensor]]:
    """Title of each part of the network -> its tensors that ``shows`` accepts; the stem starts with the network's input."""
    (_, photo), (stem, first), *others = parts(blueprint).items()
    titled = {stem: (photo[NETWORK_INPUT.site], *first), **dict(others)}
    return {
        title: [tensor for site in part if shows(tensor := Tensor(site, output(site).stage))]
        for title, part in titled.items()
    }


def values_by_part(engine: Engine, planes: Floats, tensors_of: Iterable[Sequence[Tensor]]) -> Iterator[list[Floats]]:
    """Yield the values (C, H, W) of each part's tensors, from the network's input ``planes`` (1, 3, H, W).

    Parts are in program order, and each part depends only on the last tensor of the previous part.  So the values of
    only one part are in memory.
    """
    blueprint, start, fed = engine.weights.blueprint, NETWORK_INPUT, planes
    for tensors in tensors_of:
        keys = [key_of(tensor) for tensor in tensors]
        values = {start: fed, **engine.run(plan(blueprint, keys, (start,)), {start: fed})}
        yield [values[key].reshape(tensor.shape) for tensor, key in zip(tensors, keys, strict=True)]
        start, fed = keys[-1], values[keys[-1]]
