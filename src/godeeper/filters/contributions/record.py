"""``Contributions``: the value of a filter at one cell as a sum of terms, with all data that printing and drawing need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...blueprint.address import Tensor
from ...blueprint.sites import Site
from ...engine.identity import Identity
from ...peek.geometry import Cell
from ...provenance import HasProvenance, Provenance
from .listeners import Listener

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

COLOURS = ("red", "green", "blue")
DRAWN = 5  # positive terms, and as many negative terms, in a picture


@dataclass(frozen=True)
class Term:
    """The contribution of one earlier filter to the value, summed over its cells.

    ``site`` and ``channel``: the channel of the tensor that is read.  ``origin_site`` and ``origin_channel``: the filter from
    which this channel comes through concatenations, pools and normalisations; equal to ``site`` and ``channel`` if ``site`` is
    a convolution or the photo.  ``window``: (top, left, bottom, right) of the cells that are read, exclusive at the end.
    ``cells``: the contribution of each cell, (height, width) float64; at depth 1, one for each position in the kernel.
    """

    site: Site
    channel: int
    origin_site: Site
    origin_channel: int
    value: float
    window: tuple[int, int, int, int]
    cells: NDArray[np.float64] = field(repr=False, compare=False)

    @property
    def tensor(self) -> Tensor:
        """The channel that is read, as a tensor."""
        return one_channel(self.site, self.channel)

    @property
    def origin(self) -> Tensor:
        """The filter, or the channel of the photo, from which the channel comes."""
        return one_channel(self.origin_site, self.origin_channel)

    @property
    def label(self) -> str:
        """The name to show: the address of the origin, with the colour for a channel of the photo."""
        colour = f" ({COLOURS[self.origin_channel]})" if self.origin_site.is_photo_step else ""
        return f"{self.origin.address}{colour}"

    def record(self) -> dict[str, Any]:
        """The term as a JSON object, without ``cells``."""
        return {
            "address": self.site.address,
            "channel": self.channel,
            "value": self.value,
            "origin": {"address": self.origin_site.address, "channel": self.origin_channel},
            "window": list(self.window),
        }


@dataclass(frozen=True, repr=False)
class Contributions(HasProvenance):
    """The value of one filter at one cell before the ReLU: ``bias`` + Σ ``terms``, to the rounding of single precision.

    ``tensor``: the filter.  ``cell``: the row and the column, and the value that the engine computes.  ``depth``: the number
    of convolutions between the terms and the value; smaller than requested if the photo is nearer.  ``own_bias``: the filter's
    shift after folding batch normalisation.  ``inner_bias``: the contribution of the shifts of the filters in between, 0 at
    depth 1.  ``terms``: all terms, the greatest magnitude first.  ``listeners``: the later filters that read this filter, the
    greatest magnitude of ``value`` first.  ``notes``: the assumptions.  ``maps``: index of a site -> the tensor that is read,
    (C, H, W) float32.  ``plane``: the filter's map before the ReLU, (H, W).  ``image``: the network's input as a picture.

    >>> import godeeper
    >>> found = godeeper.load().contributions("examples/chelsea.jpg", "mixed/tower_2/conv[3]")
    >>> found, found.terms[0].tensor.address, found.terms[0].origin.address
    (<mixed/tower_2/conv[3] at row 16, column 23: 192 terms, depth 1>, 'mixed/tower_2/pool[184]', 'conv_4[184]')
    """

    tensor: Tensor
    cell: Cell
    depth: int
    own_bias: float
    inner_bias: float
    terms: tuple[Term, ...]
    listeners: tuple[Listener, ...]
    origin: Provenance
    engine: Identity
    notes: tuple[str, ...] = ()
    maps: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)
    plane: NDArray[np.float32] | None = None
    image: Image.Image | None = None

    def __repr__(self) -> str:
        where = f"row {self.cell.row}, column {self.cell.column}"
        return f"<{self.tensor.address} at {where}: {len(self.terms)} terms, depth {self.depth}>"

    @property
    def value(self) -> float:
        """The value before the ReLU."""
        return self.cell.value

    @property
    def is_inactive(self) -> bool:
        """Whether the ReLU returns zero here."""
        return self.value <= 0

    @property
    def is_silent(self) -> bool:
        """Whether the ReLU returns zero everywhere on this photo, so that the filter contributes nothing to later filters."""
        return self.plane is not None and bool(self.plane.max() <= 0)

    @property
    def bias(self) -> float:
        """The sum of ``own_bias`` and ``inner_bias``."""
        return self.own_bias + self.inner_bias

    @cached_property
    def magnitude(self) -> float:
        """The sum of the magnitudes of all terms."""
        return sum(abs(term.value) for term in self.terms)

    def share(self, term: Term) -> float:
        """The magnitude of a term as a share of ``magnitude``, from 0 to 1."""
        return abs(term.value) / self.magnitude if self.magnitude else 0.0

    def greatest(self, top: int | None) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
        """The ``top`` positive and the ``top`` negative terms, the greatest magnitude first; None means all."""
        positive = tuple(term for term in self.terms if term.value >= 0)
        negative = tuple(term for term in self.terms if term.value < 0)
        return positive[:top], negative[:top]

    def kept(self, top: int | None) -> list[Term]:
        """The terms of ``greatest`` in one list, the greatest magnitude first."""
        positive, negative = self.greatest(top)
        return sorted((*positive, *negative), key=lambda term: -abs(term.value))

    def kept_listeners(self, top: int | None) -> list[Listener]:
        """The ``top`` listeners by value, then other listeners of the ``top`` by weight; None means all."""
        return list(self.listeners) if top is None else [*dict.fromkeys((*self.listeners[:top], *self.by_weight(top)))]

    def by_weight(self, top: int | None = None) -> list[Listener]:
        """The ``top`` listeners with the greatest weights, the greatest first; None means all."""
        return sorted(self.listeners, key=lambda listener: -listener.weight)[:top]

    def rest(self, kept: Sequence[Term]) -> float:
        """The sum of the terms that are not ``kept``."""
        return sum(term.value for term in self.terms) - sum(term.value for term in kept)

    def record(self, top: int | None = None, png: str | None = None) -> dict[str, Any]:
        """The data as a JSON object.

        Args:
            top: the number of positive terms, of negative terms, and of listeners by value and by weight; None means all.
            png: the path of the picture.
        """
        shown = self.kept(top)
        return {
            **self.origin.record(),
            **self.engine.record,
            "address": self.tensor.site.address,
            "channel": self.tensor.filters[0],
            "names": self.tensor.names.as_dict(),
            "cell": [self.cell.row, self.cell.column],
            "depth": self.depth,
            "value": self.value,
            "bias": self.bias,
            "own_bias": self.own_bias,
            "inner_bias": self.inner_bias,
            "terms": [self.term_record(term) for term in shown],
            "rest": self.rest(shown),
            "listeners": [each.record() for each in self.kept_listeners(top)],
            "notes": list(self.notes),
            "png": png,
        }

    def term_record(self, term: Term) -> dict[str, Any]:
        """A term as JSON; at depth 1, with the contribution of each position in the kernel, row by row."""
        taps = {"taps": term.cells.tolist()} if self.depth == 1 else {}
        return term.record() | {"share": self.share(term)} | taps

    def save(self, path: str | Path, top: int = DRAWN) -> Path:
        """Write the picture as a PNG with provenance and return the path.

        ``top``: the number of positive terms and of negative terms that are drawn.  Raises ``OutputError`` if the file cannot
        be written.
        """
        from ...files import write_atomically
        from .picture import png

        write_atomically(Path(path), png(self, top))
        return Path(path)

    def _repr_png_(self) -> bytes:
        """The picture, for notebooks."""
        from .picture import png

        return png(self)


def one_channel(site: Site, channel: int) -> Tensor:
    """One channel of the output of ``site``, as a tensor."""
    return Tensor(site, "relu" if site.kind == "conv" else None, (channel,))
