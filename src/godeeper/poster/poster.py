"""Write a poster: every filter of every tensor of a network for one photo, as one zoomable picture.

A poster is a folder with ``index.html``, a page that works offline; ``poster.dzi`` and ``poster_files`` for any Deep Zoom
viewer; and ``poster.json``, the record.  Each tensor is drawn as soon as it is computed and then dropped, so memory does not
grow with the network.
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
from ..errors import OutputError
from ..escaping import json_text
from ..files import read_regular, unwritable
from ..outputs import Outputs, beside, check_writable
from ..peek.colour import default_colour, table
from ..peek.mosaic import SCALES, Range, check_scale, lay_out, to_bytes
from ..version import __version__
from .layout import Band, Block, Layout, Shelf, lay_out_poster
from .page import page
from .pyramid import Pyramid, dzi
from .records import BandRecord, BlockRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Pixels = NDArray[np.uint8]

MARK = "godeeper_poster"
"""The key of every ``poster.json`` that godeeper writes; its value is the version of the format."""
FORM = 1
RECORD = "poster.json"
MEMBERS = ("poster_files", "poster.dzi", RECORD, "index.html")
AT_ONCE = 1 << 16  # values converted to pixels together; they fit into a core's cache
PAPER = {"grey": 30}
"""Colour map -> the level of the background; other maps use the middle level."""


@dataclass(frozen=True)
class Poster:
    """A written poster: its folder, size in pixels, number and ``bytes`` of tiles, and the ``record`` in ``poster.json``."""

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
    """Draw tensors as they are computed.

    Args:
        folder: the folder to write; it must be new or empty, or contain a poster, which is replaced at the end.  Other
            files in it are kept.
        parts: title -> tensors, from the top of the poster to the bottom.
        values: the values (C, H, W) of each tensor, in the same order.
        scale: ``shared``, ``filter``, ``percentile``, ``signed`` or ``blog``, as in a mosaic.
        provenance: the provenance of the values, as fields of the record.
        force: also write into a folder with other contents, and replace files there with the names of a poster's files.

    Raises:
        UnknownName: no such scale.
        OutputError: the folder cannot be written, or has other contents.
    """
    check_scale(scale)
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
            record = poster_record(layout, scale, provenance or {}, pyramid.tiles, painter.records)
            (temporary / "poster.dzi").write_text(dzi(layout.width, layout.height), "utf-8")
            (temporary / RECORD).write_text(json_text(record), "utf-8")
            (temporary / "index.html").write_text(page(record, paper_of(colour)), "utf-8")
    except OSError as error:
        raise unwritable(folder, error) from error
    return Poster(folder, layout.width, layout.height, pyramid.tiles, pyramid.bytes, record)


def poster_record(
    layout: Layout, scale: str, provenance: Mapping[str, Any], tiles: int, tensors: list[BlockRecord]
) -> dict[str, Any]:
    """The content of ``poster.json``."""
    colour = default_colour(scale)
    return {
        MARK: FORM,
        "version": __version__,
        **provenance,
        "scale": scale,
        "colour": colour,
        "width": layout.width,
        "height": layout.height,
        "tiles": tiles,
        "bands": [band_record(band) for band in layout.bands],
        "ramp": ramp(colour),
        "tensors": tensors,
    }


class Painter:
    """Converts tensors to rows of pixels, and collects the record of each block in ``records``."""

    def __init__(self, layout: Layout, scale: str, paper: int) -> None:
        self.layout = layout
        self.scale = scale
        self.paper = paper
        self.records: list[BlockRecord] = []

    def rows(self, values: Iterator[Floats]) -> Iterator[Pixels]:
        """Yield the poster from top to bottom, in pieces (N, width)."""
        done = 0
        for band in self.layout.bands:
            for shelf in band.shelves:
                yield self.empty(shelf.top - done)
                yield self.shelf(shelf, band.title, values)
                done = shelf.bottom
        yield self.empty(self.layout.height - done)

    def shelf(self, shelf: Shelf, part: str, values: Iterator[Floats]) -> Pixels:
        """The pixels (N, width) of one shelf; takes the values of its blocks from ``values``."""
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
        """Paint the background over the empty cells of the block's last row."""
        count, height, width = block.tensor.shape
        spare = block.rows * block.columns - count
        if spare:
            place[-height:, -spare * width :] = self.paper

    def empty(self, height: int) -> Pixels:
        """Background pixels (height, width)."""
        return np.full((height, self.layout.width), self.paper, np.uint8)


def painted(activations: Floats, scale: str) -> tuple[Pixels, Range, Floats]:
    """The levels (C, H, W) uint8, the same as in a mosaic; their range; and each filter's minimum and maximum, (C, 2).

    All scales except ``percentile`` depend only on the minima and maxima.  So the activations are read twice, not five times.
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
    """The part of a range that belongs to some filters, if each filter has its own range."""
    return Range(measured.low[some], measured.high[some], measured.legend)


def band_record(band: Band) -> BandRecord:
    """A part of the network in the poster's record."""
    return {"title": band.title, "top": band.top, "bottom": band.shelves[-1].bottom}


def block_record(block: Block, part: str, measured: Range, extremes: Floats) -> BlockRecord:
    """A tensor in the poster's record."""
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
    """A number, or a list of numbers, rounded to five significant digits."""
    array = np.asarray(values, np.float64)
    return [float(f"{each:.5g}") for each in array] if array.ndim else float(f"{array:.5g}")


def ramp(colour: str) -> list[str]:
    """Some colours of the map for the legend, from the low end to the high end."""
    return [f"#{row.tobytes().hex()}" for row in table(colour)[:: 255 // 15]]


def paper_of(colour: str) -> str:
    """The colour of the background."""
    return f"#{table(colour)[PAPER.get(colour, 128)].tobytes().hex()}"


def check_folder(folder: Path, *, force: bool = False) -> None:
    """Raise ``OutputError`` unless ``folder`` can be written and is new or empty, or contains a poster.

    With ``force``, it can have any contents.
    """
    try:
        there = os.path.lexists(folder)
        taken = there and (not folder.is_dir() or (any(folder.iterdir()) and not is_poster(folder) and not force))
    except OSError as error:
        raise unwritable(folder, error) from None
    if taken:
        raise OutputError(f"{folder} exists and is not a poster: expected a new folder, or a poster to replace")
    check_writable(folder.resolve() if there else folder.resolve().parent)


def is_poster(folder: Path) -> bool:
    """Whether a folder contains a poster written by godeeper."""
    try:
        return MARK in json.loads(read_regular(folder / RECORD).decode())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def staged(outputs: Outputs, folder: Path) -> Path:
    """A temporary folder; its members are moved to ``folder`` when ``outputs`` succeeds."""
    place = folder.resolve()
    outputs.make_folder(place)
    temporary = beside(place)
    temporary.mkdir()
    outputs.scratch.append(temporary)
    for name in MEMBERS:
        outputs.stage(place / name, temporary / name)
    return temporary
