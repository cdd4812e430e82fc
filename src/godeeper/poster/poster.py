"""A poster: every filter of every tensor of a network for one photo, as one picture to zoom into.

What is written is a folder: ``index.html`` to look at it, offline; ``poster.dzi`` and ``poster_files`` for any
viewer of Deep Zoom; ``poster.json``, the record.  Tensors come one after the other, each is drawn and
forgotten, so the memory does not grow with the network.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.address import Tensor
from ..errors import OutputError, UnknownName
from ..escaping import json_text
from ..files import read_regular, unwritable
from ..outputs import Outputs, beside, check_writable
from ..peek.colour import default_colour, table
from ..peek.mosaic import SCALES, Range, lay_out, to_bytes
from ..version import __version__
from .layout import Band, Block, Layout, Shelf, lay_out_poster
from .page import page
from .pyramid import Pyramid, dzi

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Pixels = NDArray[np.uint8]

MARK = "godeeper_poster"
"""The key that marks a ``poster.json`` written by godeeper; its value is the version of the format."""
FORM = 1
RECORD = "poster.json"
MEMBERS = ("poster_files", "poster.dzi", RECORD, "index.html")
AT_ONCE = 1 << 16  # values converted to pixels together; they fit a core's cache
PAPER = {"grey": 30}
"""The level of the background; diverging maps use their middle."""


@dataclass(frozen=True)
class Poster:
    """A written poster: ``folder``, size in pixels, number of tiles, and the ``record`` in ``poster.json``."""

    folder: Path
    width: int
    height: int
    tiles: int
    bytes: int
    record: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The page to open in a browser."""
        return self.folder / "index.html"


def write_poster(
    folder: Path,
    parts: Mapping[str, Sequence[Tensor]],
    values: Iterable[Floats],
    scale: str = "shared",
    provenance: Mapping[str, Any] | None = None,
    *,
    force: bool = False,
) -> Poster:
    """Draws tensors as they are computed.

    Args:
        folder: where to; it must not exist, or be empty, or hold a poster, which is replaced in the end.  Other files
            in it stay.
        parts: title -> tensors, from the top of the poster to its bottom.
        values: (C, H, W) of each tensor, in that order.
        scale: one of the mosaic's: ``shared``, ``filter``, ``percentile``, ``signed`` or ``blog``.
        provenance: what the record says of where the values come from.
        force: write into a folder that holds something else, too, and replace what has a poster's names there.

    Raises:
        UnknownName: no such scale.
        OutputError: the folder cannot be written, or holds something else.
    """
    if scale not in SCALES:
        raise UnknownName("scale", scale, SCALES)
    check_folder(folder, force=force)
    layout = lay_out_poster(parts)
    colour = default_colour(scale)
    try:
        with Outputs() as outputs:
            temporary = staged(outputs, folder)
            colours = None if colour == "grey" else table(colour)
            with Pyramid(temporary / "poster_files", layout.width, layout.height, colours) as pyramid:
                painter = Painter(layout, scale, PAPER.get(colour, 128))
                for rows in painter.rows(iter(values)):
                    pyramid.add(rows)
            record = {
                MARK: FORM,
                "version": __version__,
                **(provenance or {}),
                "scale": scale,
                "colour": colour,
                "width": layout.width,
                "height": layout.height,
                "tiles": pyramid.tiles,
                "bands": [band_record(band) for band in layout.bands],
                "ramp": ramp(colour),
                "tensors": painter.records,
            }
            (temporary / "poster.dzi").write_text(dzi(layout.width, layout.height), "utf-8")
            (temporary / RECORD).write_text(json_text(record), "utf-8")
            (temporary / "index.html").write_text(page(record, paper_of(colour)), "utf-8")
            size = pyramid.bytes
    except OSError as error:
        raise unwritable(folder, error) from error
    return Poster(folder, layout.width, layout.height, pyramid.tiles, size, record)


class Painter:
    """Turns tensors into rows of pixels; ``records`` grows with every block."""

    def __init__(self, layout: Layout, scale: str, paper: int) -> None:
        self.layout = layout
        self.scale = scale
        self.paper = paper
        self.records: list[dict[str, Any]] = []

    def rows(self, values: Iterator[Floats]) -> Iterator[Pixels]:
        """The poster from top to bottom, in pieces (N, width)."""
        done = 0
        for band in self.layout.bands:
            for shelf in band.shelves:
                yield self.empty(shelf.top - done)
                yield self.shelf(shelf, band.title, values)
                done = shelf.bottom
        yield self.empty(self.layout.height - done)

    def shelf(self, shelf: Shelf, part: str, values: Iterator[Floats]) -> Pixels:
        """The blocks of one shelf."""
        canvas = self.empty(shelf.bottom - shelf.top)
        for block in shelf.blocks:
            activations = next(values)
            pixels, measured, extremes = painted(activations, self.scale)
            top, (height, width) = block.top - shelf.top, block.size
            place = canvas[top : top + height, block.left : block.left + width]
            place[...] = lay_out(pixels, block.rows, block.columns)
            self.blank(place, block)
            self.records.append(block_record(block, part, measured, extremes))
        return canvas

    def blank(self, place: Pixels, block: Block) -> None:
        """Paints the background over the empty cells of the last row."""
        count, height, width = block.tensor.shape
        spare = block.rows * block.columns - count
        if spare:
            place[-height:, -spare * width :] = self.paper

    def empty(self, height: int) -> Pixels:
        return np.full((height, self.layout.width), self.paper, np.uint8)


def painted(activations: Floats, scale: str) -> tuple[Pixels, Range, Floats]:
    """(C, H, W) as uint8 just as a mosaic has them, their range, and each filter's least and greatest value (C, 2).

    All scales but the percentile's depend on nothing but these ends, so that the values are read twice, not
    five times.
    """
    extremes = np.stack([activations.min(axis=(1, 2)), activations.max(axis=(1, 2))], axis=1)
    measured = SCALES[scale](activations if scale == "percentile" else extremes[:, None, :])
    pixels = np.empty(activations.shape, np.uint8)
    step = max(1, AT_ONCE // activations[0].size)
    for start in range(0, len(activations), step):
        some = slice(start, start + step)
        pixels[some] = to_bytes(activations[some], measured if measured.is_shared else part_of(measured, some))
    return pixels, measured, extremes


def part_of(measured: Range, some: slice) -> Range:
    """The ranges of some filters, where each filter has its own."""
    return Range(measured.low[some], measured.high[some], measured.legend)


def band_record(band: Band) -> dict[str, Any]:
    """The page's record of a part."""
    return {"title": band.title, "top": band.top, "bottom": band.shelves[-1].bottom}


def block_record(block: Block, part: str, measured: Range, extremes: Floats) -> dict[str, Any]:
    """The page's record of a tensor.  ``low``, ``high``: the ends of the scale, lists if each filter has its own."""
    tensor = block.tensor
    least, greatest = extremes.T
    flat = least == greatest if tensor.shape[1] > 1 else np.zeros(len(least), bool)
    return {
        "address": tensor.address,
        "names": tensor.names.as_dict(),
        "part": part,
        "kind": tensor.site.kind,
        "shape": list(tensor.shape),
        "left": block.left,
        "top": block.top,
        "rows": block.rows,
        "columns": block.columns,
        "low": rounded(measured.low),
        "high": rounded(measured.high),
        "minimum": rounded(least.min()),
        "maximum": rounded(greatest.max()),
        "constant": np.flatnonzero(flat).tolist(),
        "receptive_field": list(tensor.field.size),
    }


def rounded(values: Any) -> Any:
    """Numbers rounded to five significant digits."""
    array = np.asarray(values, np.float64)
    return [float(f"{each:.5g}") for each in array] if array.ndim else float(f"{array:.5g}")


def ramp(colour: str) -> list[str]:
    """Colours of the map for the legend, from the low end to the high end."""
    return [f"#{row.tobytes().hex()}" for row in table(colour)[:: 255 // 15]]


def paper_of(colour: str) -> str:
    """The background colour."""
    return f"#{table(colour)[PAPER.get(colour, 128)].tobytes().hex()}"


def check_folder(folder: Path, *, force: bool = False) -> None:
    """Raises ``OutputError`` unless ``folder`` is writable and missing, empty, or holds a poster."""
    try:
        there = os.path.lexists(folder)
        taken = there and (not folder.is_dir() or (any(folder.iterdir()) and not is_poster(folder) and not force))
    except OSError as error:
        raise unwritable(folder, error) from None
    if taken:
        raise OutputError(f"{folder} is there and is no poster: expected a new folder, or a poster to replace")
    check_writable(folder.resolve() if there else folder.resolve().parent)


def is_poster(folder: Path) -> bool:
    """Whether a folder holds a poster written by godeeper."""
    try:
        return MARK in json.loads(read_regular(folder / RECORD).decode())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def staged(outputs: Outputs, folder: Path) -> Path:
    """A temporary folder, whose members move to ``folder`` at the end."""
    place = folder.resolve()
    outputs.make_folder(place)
    temporary = beside(place)
    temporary.mkdir()
    outputs.scratch.append(temporary)
    for name in MEMBERS:
        outputs.stage(place / name, temporary / name)
    return temporary
