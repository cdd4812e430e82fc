"""Draws top activations as one picture, with the crops of the photos side by side."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from ..errors import PhotoError
from ..peek.geometry import Box
from ..peek.layout import FAINT, INK, LARGE, PANEL_GAP, PAPER, SMALL, Column, Line, beside, stack
from ..png import encode_png
from ..version import __version__
from .activations import TopActivation, TopPhotos

CUT = 196  # side of the square that each crop is fitted into, in pixels
ACROSS = 5
FRAME = (255, 190, 60)


def draw(photos: TopPhotos) -> Image.Image:
    """The picture: a heading, the crops with their values and file names, a legend."""
    width = ACROSS * CUT + (ACROSS - 1) * PANEL_GAP
    rows = [Column(width).lines(heading(photos)).image()]
    if photos.activations:
        rows.append(beside([panel(activation) for activation in photos.activations], width))
    return stack([*rows, Column(width).lines(footing(photos)).image()])


def png(photos: TopPhotos) -> bytes:
    """The picture as the bytes of a PNG with its provenance in text chunks."""
    return encode_png(draw(photos), provenance(photos))


def panel(activation: TopActivation) -> Image.Image:
    """One crop with its caption."""
    name = str(Path(*activation.path.parts[-2:]))
    name = name if name.isascii() else f"photo {activation.sha256[:12]}"
    caption = Column(CUT).lines([Line(f"{activation.cell.value:.4g}", SMALL, INK), Line(shortened(name), SMALL, FAINT)])
    return stack([framed(activation), caption.image()], margin=0, gap=6)


def framed(activation: TopActivation) -> Image.Image:
    """A crop fitted into a square, with a frame around the cell; an empty square if the photo can no longer be read."""
    sheet = Image.new("RGB", (CUT, CUT), PAPER)
    try:
        crop = activation.crop()
    except PhotoError:
        return sheet
    scale = CUT / max(crop.size)
    size = max(1, round(crop.width * scale)), max(1, round(crop.height * scale))
    left, top = (CUT - size[0]) // 2, (CUT - size[1]) // 2
    sheet.paste(crop.resize(size, Image.Resampling.LANCZOS), (left, top))
    area = within(activation.placement.clipped(activation.cell_area), Box(*activation.box.outward()), size)
    ImageDraw.Draw(sheet).rectangle((left + area[0], top + area[1], left + area[2], top + area[3]), outline=FRAME)
    return sheet


def within(area: Box, box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Convert ``area`` to pixels of a picture of ``box`` with the size ``size``."""
    across, down = size[0] / (box.right - box.left), size[1] / (box.bottom - box.top)
    left, top = (area.left - box.left) * across, (area.top - box.top) * down
    right, bottom = (area.right - box.left) * across, (area.bottom - box.top) * down
    return round(left), round(top), min(round(right), size[0] - 1), min(round(bottom), size[1] - 1)


def shortened(name: str, most: int = 24) -> str:
    """A name shortened to fit under a crop."""
    return name if len(name) <= most else f"{name[: most - 9]}…{name[-8:]}"


def heading(photos: TopPhotos) -> list[Line]:
    """The filter: its address, its other names, the number of photos."""
    tensor = photos.tensor
    names = [name for name in tensor.names.as_dict().values() if name and name != tensor.name]
    return [
        Line(tensor.address, LARGE, INK),
        Line("   ".join(names), SMALL, FAINT),
        Line(f"the {len(photos.activations)} of {photos.photos} photos that activate it most", SMALL, FAINT),
    ]


def footing(photos: TopPhotos) -> list[Line]:
    """The legend, and the weights."""
    height, width = photos.tensor.field.size
    side = photos.input_size
    return [
        Line(
            f"number: the filter's maximum in the photo; crop: the receptive field of that cell, {height} x {width} of the "
            f"input's {side} x {side} pixels, clipped at the border; frame: the position of the cell",
            SMALL,
            INK,
        ),
        Line(f"weights {photos.origin.weights} · {photos.origin.preprocessing}", SMALL, FAINT),
    ]


def provenance(photos: TopPhotos) -> dict[str, str]:
    """The PNG's text chunks."""
    return {
        "Software": f"godeeper {__version__}",
        "godeeper:address": photos.tensor.address,
        "godeeper:photos": "; ".join(f"{each.sha256} {each.cell.value:.6g}" for each in photos.activations),
        "godeeper:looked-at": str(photos.photos),
        **photos.origin.png_chunks(),
    }
