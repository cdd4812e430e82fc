"""The photos that excite a filter most as one picture: what its cell saw of each, side by side."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from ..errors import PhotoError
from ..peek.geometry import Box
from ..peek.layout import FAINT, INK, LARGE, PANEL_GAP, PAPER, SMALL, Column, Line, beside, stack
from ..png import encode_png
from ..version import __version__
from .top_photos import TopActivation, TopPhotos

CUT = 196  # the side of the square that each cut is fitted into
ACROSS = 5
FRAME = (255, 190, 60)


def draw(found: TopPhotos) -> Image.Image:
    """Every cut with its value and its photo's name, under a heading, over a legend."""
    width = ACROSS * CUT + (ACROSS - 1) * PANEL_GAP
    rows = [Column(width).lines(heading(found)).image()]
    if found.activations:
        rows.append(beside([panel(sighting) for sighting in found.activations], width))
    return stack([*rows, Column(width).lines(footing(found)).image()])


def png(found: TopPhotos) -> bytes:
    """The picture as the bytes of a PNG, its provenance in text chunks."""
    return encode_png(draw(found), provenance(found))


def panel(sighting: TopActivation) -> Image.Image:
    """One cut, and what it is."""
    name = str(Path(*sighting.path.parts[-2:]))
    name = name if name.isascii() else f"photo {sighting.sha256[:12]}"
    caption = Column(CUT).lines([Line(f"{sighting.cell.value:.4g}", SMALL, INK), Line(shortened(name), SMALL, FAINT)])
    return stack([framed(sighting), caption.image()], margin=0, gap=6)


def framed(sighting: TopActivation) -> Image.Image:
    """The cut in its own proportions within a square, the place of the cell framed; grey where the photo is gone."""
    sheet = Image.new("RGB", (CUT, CUT), PAPER)
    try:
        cut = sighting.crop()
    except PhotoError:
        return sheet
    scale = CUT / max(cut.size)
    size = max(1, round(cut.width * scale)), max(1, round(cut.height * scale))
    left, top = (CUT - size[0]) // 2, (CUT - size[1]) // 2
    sheet.paste(cut.resize(size, Image.Resampling.LANCZOS), (left, top))
    spot = within(sighting.placement.clipped(sighting.cell_area), Box(*sighting.box.outward()), size)
    ImageDraw.Draw(sheet).rectangle((left + spot[0], top + spot[1], left + spot[2], top + spot[3]), outline=FRAME)
    return sheet


def within(spot: Box, box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """``cell_area`` in pixels of a picture of ``box`` that has ``size``."""
    across, down = size[0] / (box.right - box.left), size[1] / (box.bottom - box.top)
    left, top = (spot.left - box.left) * across, (spot.top - box.top) * down
    right, bottom = (spot.right - box.left) * across, (spot.bottom - box.top) * down
    return round(left), round(top), min(round(right), size[0] - 1), min(round(bottom), size[1] - 1)


def shortened(name: str, most: int = 24) -> str:
    """A name that fits under a cut."""
    return name if len(name) <= most else f"{name[: most - 9]}…{name[-8:]}"


def heading(found: TopPhotos) -> list[Line]:
    """Which filter."""
    tensor = found.tensor
    names = [name for name in tensor.names.as_dict().values() if name and name != tensor.name]
    return [
        Line(tensor.address, LARGE, INK),
        Line("   ".join(names), SMALL, FAINT),
        Line(f"the {len(found.activations)} of {found.photos} photos that it answers most", SMALL, FAINT),
    ]


def footing(found: TopPhotos) -> list[Line]:
    """What the cuts and frames are."""
    height, width = found.tensor.field.size
    side = found.input_size
    return [
        Line(
            f"number: the filter's greatest value in the photo; cut: all that this cell sees, {height} x {width} of the "
            f"input's {side} x {side} pixels, less what is beyond the border; frame: the cell's own place",
            SMALL,
            INK,
        ),
        Line(f"weights {found.origin.weights} · {found.origin.preprocessing}", SMALL, FAINT),
    ]


def provenance(found: TopPhotos) -> dict[str, str]:
    """Where the picture comes from, as short texts."""
    return {
        "Software": f"godeeper {__version__}",
        "godeeper:address": found.tensor.address,
        "godeeper:photos": "; ".join(f"{each.sha256} {each.cell.value:.6g}" for each in found.activations),
        "godeeper:looked-at": str(found.photos),
        **found.origin.png_chunks(),
    }
