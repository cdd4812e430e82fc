"""The account of one filter as an HTML file that works offline and without scripts."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from PIL import Image, ImageDraw

from ..diagram.palette import DARK, LIGHT, custom_properties
from ..errors import PhotoError
from ..peek.geometry import Cell, Placement, field_box
from ..peek.kernels import has_kernels, kernels
from ..templates import template_environment
from ..version import GENERATOR
from .activations import TopActivation, activation_at
from .linked_filters import LinkedFilter, anchor_of, linked_filters
from .top_picture import framed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..weights.file import WeightsFile
    from .account import Account
    from .contributions.record import Contributions, Term
    from .index import FilterIndex, IndexedFilter, IndexedPhoto
    from .visualisation.visualise import Visualisation

TILE = 196  # pixels; twice the size at which maps are shown
TERMS = 5  # positive terms, and as many negative terms
LISTENERS = 5
KERNEL_ZOOM = 40
FRAME = (255, 190, 60)


@dataclass(frozen=True)
class Parts:
    """The other parts of a page; a part is None if it was not computed.

    ``contributions``: the contributions on the photo ``photo_name``.  ``photos``: indexed name -> current path of the photo.
    """

    index: FilterIndex
    weights: WeightsFile
    photos: dict[str, Any]
    contributions: Contributions | None = None
    photo_name: str = ""
    photo_is_own: bool = False
    wanted: Visualisation | None = None
    index_name: str = ""


def page(account: Account, parts: Parts) -> str:
    """The account as a complete HTML file."""
    tensor = account.indexed.tensor
    style = f":root{{{custom_properties(LIGHT)}}}\n@media(prefers-color-scheme:dark){{:root{{{custom_properties(DARK)}}}}}\n"
    rules = (Path(__file__).parent / "templates" / "filter.css").read_text("utf-8")
    template = template_environment("godeeper.filters").get_template("filter.html")
    return template.render(
        account=account,
        record=account.record(),
        tensor=tensor,
        names=[(convention, name) for convention, name in tensor.names.as_dict().items() if name],
        top=[crop(account.indexed, parts, each) for each in account.indexed.top],
        examples=[(each, crop(account.indexed, parts, photo)) for each, photo in account.indexed.examples.items()],
        classes=sorted(account.indexed.classes.items(), key=lambda item: (-item[1][0], item[0])),
        sum=None if parts.contributions is None else sum_of(parts.contributions),
        linked=() if parts.contributions is None else linked(parts, parts.contributions),
        parts=parts,
        wanted=None if parts.wanted is None else uri(parts.wanted.picture),
        kernel=kernel_of(account, parts.weights),
        generator=GENERATOR,
        style=Markup(style + ":root{color-scheme:light dark}\n" + rules),  # noqa: S704 (the package's own)
    )


def linked(parts: Parts, found: Contributions) -> tuple[LinkedFilter, ...]:
    """The filters that the page links to."""
    positive, negative = found.greatest(TERMS)
    return linked_filters(
        parts.index, found, [*positive, *negative], lambda indexed, photo: crop(indexed, parts, photo), LISTENERS
    )


def crop(indexed: IndexedFilter, parts: Parts, photo: IndexedPhoto) -> dict[str, Any]:
    """The receptive field of the filter's maximum in an indexed photo, for the template; no picture if it cannot be read."""
    found: dict[str, Any] = {
        "name": photo.name,
        "value": photo.value,
        "row": photo.row,
        "column": photo.column,
        "picture": None,
    }
    path = parts.photos.get(photo.name)
    if path is None or photo.row is None or photo.column is None:
        return found
    placement = Placement.of(parts.index.fitting, photo.size)
    cell = Cell(photo.row, photo.column, photo.value)
    activation = activation_at(path, photo.sha256, cell, placement, indexed.tensor)
    if is_readable(activation):
        found["picture"] = uri(framed(activation), "JPEG")
    return found


def is_readable(activation: TopActivation) -> bool:
    """Whether the photo exists and is unchanged."""
    try:
        activation.crop()
    except PhotoError:
        return False
    return True


def sum_of(found: Contributions) -> dict[str, Any]:
    """The photo, the filter's map and the terms of its value, for the template."""
    positive, negative = found.greatest(TERMS)
    readers = (
        ("largest contributions on this photo", found.listeners[:LISTENERS]),
        ("greatest weights", found.by_weight(LISTENERS)),
    )
    return {
        "photo": None if found.image is None else uri(with_field(found), "JPEG"),
        "map": None if found.plane is None else uri(grey(found.plane)),
        "value": found.value,
        "bias": found.bias,
        "cell": (found.cell.row, found.cell.column),
        "sides": [
            ("for", [term_of(found, each) for each in positive]),
            ("against", [term_of(found, each) for each in negative]),
        ],
        "listeners": [(title, [(each, anchor_of(each.tensor)) for each in several]) for title, several in readers],
        "count": len(found.terms),
    }


def term_of(found: Contributions, term: Term) -> dict[str, Any]:
    """One term for the template: its map with the window that is read, and its share."""
    plane = found.maps[term.site.index][term.channel]
    picture = outlined(grey(plane), term.window, plane.shape)
    anchor = None if term.origin_site.is_photo_step else anchor_of(term.origin)
    return {"anchor": anchor, "label": term.label, "value": term.value, "share": found.share(term), "map": uri(picture)}


def with_field(found: Contributions) -> Image.Image:
    """The network's input as a picture, with a frame around the cell's receptive field."""
    assert found.image is not None  # noqa: S101 (for the type checker)
    picture = found.image.convert("RGB")
    box = field_box(found.tensor.field, found.cell.row, found.cell.column)
    edges = [min(max(round(each), 0), picture.width - 1) for each in (box.left, box.top, box.right, box.bottom)]
    ImageDraw.Draw(picture).rectangle(edges, outline=FRAME, width=2)
    return picture


def outlined(picture: Image.Image, window: tuple[int, int, int, int], shape: Sequence[int]) -> Image.Image:
    """A map with a frame around the cells (top, left, bottom, right)."""
    down, across = picture.height / shape[0], picture.width / shape[1]
    top, left, bottom, right = window
    edges = (
        max(left, 0) * across,
        max(top, 0) * down,
        min(right, shape[1]) * across - 1,
        min(bottom, shape[0]) * down - 1,
    )
    ImageDraw.Draw(picture).rectangle(tuple(round(each) for each in edges), outline=FRAME, width=2)
    return picture


def grey(plane: NDArray[np.float32]) -> Image.Image:
    """A map as a grey picture: black is the minimum or 0, whichever is lower, and white is the maximum."""
    low, high = min(float(plane.min()), 0.0), float(plane.max())
    levels = np.rint((plane - low) / ((high - low) or 1.0) * 255).astype(np.uint8)
    return Image.fromarray(levels).convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)


def kernel_of(account: Account, weights: WeightsFile) -> dict[str, str] | None:
    """The filter's kernel as a picture and its legend, if its input is the photo."""
    tensor = account.indexed.tensor
    if not has_kernels(weights.blueprint, tensor.site):
        return None
    found = kernels(weights, tensor.site)
    number = tensor.filters[0]
    return {"picture": uri(found.picture(number, KERNEL_ZOOM)), "legend": found.legend(number)}


def uri(picture: Image.Image, kind: str = "PNG") -> str:
    """A picture as a data URI."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"quality": 88} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
