"""Records of top activations: the photos that activate a filter most, and the cell with the maximum."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import PhotoError
from ..peek.geometry import Box, Cell, Placement, field_box, patch, square

if TYPE_CHECKING:
    from PIL import Image

    from ..blueprint.address import Tensor
    from ..photos.named import PhotoPath
    from ..provenance import Provenance


@dataclass(frozen=True)
class TopActivation:
    """The maximum of a filter's map for one photo.

    ``seen``: the receptive field of the cell.  ``cell_area``: the square that represents the cell in pictures, around the
    centre of the receptive field.  Both are in pixels of the network's input.
    """

    path: PhotoPath
    sha256: str
    cell: Cell
    placement: Placement = field(repr=False)
    seen: Box
    cell_area: Box

    @property
    def box(self) -> Box:
        """The receptive field, clipped to the photo, in pixels of the photo."""
        return self.placement.clipped(self.seen)

    def crop(self) -> Image.Image:
        """The receptive field, cropped from the photo; raises ``PhotoError`` if the photo is unreadable or has changed."""
        from ..photos.decode import decode

        photo = decode(self.path)
        if photo.sha256 != self.sha256:
            raise PhotoError(f"{self.path}: the photo has changed since its activations were computed")
        return patch(photo.image, self.placement, self.seen)

    def record(self) -> dict[str, Any]:
        """The data as a JSON object."""
        return {
            "photo": str(self.path),
            "photo_sha256": self.sha256,
            "value": self.cell.value,
            "row": self.cell.row,
            "column": self.cell.column,
            "cell": [self.cell.row, self.cell.column],
            "box": list(self.box),
        }


@dataclass(frozen=True)
class TopPhotos:
    """The top activations of one filter, the greatest first.

    ``tensor``: the tensor with this filter as its only channel.  ``photos``: the number of photos searched.
    """

    tensor: Tensor
    activations: tuple[TopActivation, ...]
    photos: int
    origin: Provenance
    input_size: int

    def record(self) -> dict[str, Any]:
        """The data as a JSON object."""
        top = [activation.record() for activation in self.activations]
        return {
            "address": self.tensor.address,
            "filter": self.tensor.filters[0],
            "names": self.tensor.names.as_dict(),
            "receptive_field": list(self.tensor.field.size),
            "photos": top,
            "top": top,  # the key in earlier versions
        }


def activation_at(path: PhotoPath, sha256: str, cell: Cell, placement: Placement, tensor: Tensor) -> TopActivation:
    """The activation of a filter of ``tensor`` at a cell of its map for a photo."""
    seen, area = (place(tensor.field, cell.row, cell.column) for place in (field_box, square))
    return TopActivation(path, sha256, cell, placement, seen, area)
