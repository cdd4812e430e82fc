"""``Peek``: the activations of one tensor for one photo, with their provenance."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..blueprint.address import Tensor
from ..blueprint.cost import macs_share, tensor_macs
from ..blueprint.remarks import remark
from ..photos.preprocess import to_planes
from ..provenance import HasProvenance, Provenance
from ..version import __version__
from .mosaic import Mosaic, make_mosaic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ..blueprint.ops import Blueprint
    from ..engine.identity import Identity
    from .picture import View

MOST_SHOWN = 12  # pictures in a notebook, about 200 kB each
LONGEST_ADDRESS = 150  # characters in a file name, which most systems limit to 255 bytes

RECTIFIED_KINDS = ("pool", "norm", "concat", "average", "reshape")
"""Operations whose inputs are rectified, and which keep zeros."""


@dataclass(frozen=True, repr=False)
class Peek(HasProvenance):
    """The activations of one tensor for one photo, and their provenance.

    ``activations``: (1, C, H, W) float32, only the channels that the address names.  ``origin``: the photo, weights
    and preprocessing.  ``macs``: multiply-adds to compute the tensor and its ancestors; ``macs_share``: the same as a
    share of the network's convolutions.  ``remark``: a warning about similar names, if there is one.

    >>> import godeeper
    >>> peek = godeeper.load().peek("examples/chelsea.jpg", "mixed/tower_2/conv[3,7]")
    >>> peek.shape, peek.mosaic(rows=1).pixels.shape
    ((1, 2, 35, 35), (35, 70))
    """

    tensor: Tensor
    activations: NDArray[np.float32] = field(repr=False)
    origin: Provenance
    macs: int
    macs_share: float
    remark: str | None = None

    def __repr__(self) -> str:
        return f"<peek at {self.address}, {self.shape}, photo {self.photo!r}, weights {self.weights!r}>"

    @property
    def photo(self) -> str:
        """The photo's name."""
        return self.origin.photo or ""

    @property
    def photo_sha256(self) -> str:
        """The SHA-256 of the photo's file, or of its pixels where there is no file."""
        return self.origin.photo_sha256 or ""

    @property
    def photo_notes(self) -> tuple[str, ...]:
        """What the decoder did to the photo."""
        return self.origin.photo_notes

    @property
    def address(self) -> str:
        """The tensor's 2015 name, with its channels if they are not all."""
        return self.tensor.address

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, C, H, W)."""
        return tuple(self.activations.shape)

    @cached_property
    def minimum(self) -> NDArray[np.float32]:
        """(C,) float32: the minimum of each filter."""
        values: NDArray[np.float32] = self.activations.min(axis=(0, 2, 3))
        return values

    @cached_property
    def maximum(self) -> NDArray[np.float32]:
        """(C,) float32: the maximum of each filter."""
        values: NDArray[np.float32] = self.activations.max(axis=(0, 2, 3))
        return values

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """(C,) float64: the mean of each filter."""
        values: NDArray[np.float64] = self.activations.mean(axis=(0, 2, 3), dtype="float64")
        return values

    @cached_property
    def active(self) -> NDArray[np.float64]:
        """(C,) float64: the share of each filter's cells above zero."""
        values: NDArray[np.float64] = (self.activations > 0).mean(axis=(0, 2, 3))
        return values

    @property
    def is_rectified(self) -> bool:
        """Whether the values have passed a ReLU, so that zero means inactive."""
        return self.tensor.stage == "relu" or self.tensor.site.kind in RECTIFIED_KINDS

    @cached_property
    def dead(self) -> tuple[int, ...]:
        """Filters that are zero everywhere on this photo; empty unless the tensor is rectified."""
        return self.filters_where(self.maximum == 0) if self.is_rectified else ()

    @cached_property
    def constant(self) -> tuple[int, ...]:
        """Filters with one value everywhere, dead ones included; a map of a single cell is not constant."""
        if self.activations[0, 0].size == 1:
            return self.dead
        return self.filters_where(self.maximum == self.minimum)

    def filters_where(self, mask: NDArray[np.bool_]) -> tuple[int, ...]:
        """The channel numbers, within the whole tensor, of the filters where ``mask`` (C,) is true."""
        return tuple(number for number, selected in zip(self.tensor.filters, mask.tolist(), strict=True) if selected)

    def mosaic(self, scale: str = "shared", rows: int | None = None) -> Mosaic:
        """All filters side by side.

        Args:
            scale: ``shared``, ``filter``, ``percentile``, ``signed`` or ``blog``.
            rows: how many rows of tiles; chosen for a picture up to twice as wide as high, 8 for ``blog``.

        Raises:
            UnknownName: no such scale.
            OptionError: rows that do not fit.
        """
        return make_mosaic(self.activations[0], scale, rows)

    def picture(self, view: View | None = None, **options: Any) -> Image.Image:
        """The mosaic in colour, with its legend; the options are the fields of ``View``."""
        from .picture import View, draw

        return draw(self, view or View(**options))

    def save(self, path: str | Path, view: View | None = None, **options: Any) -> Path:
        """Writes the picture as a PNG with provenance; the options are the fields of ``View``.  Returns the path."""
        from .picture import View, png

        return self.write(Path(path), png(self, view or View(**options)))

    def save_npz(self, path: str | Path) -> Path:
        """Writes the activations as ``.npz``, see ``npz_bytes``; returns the path."""
        return save_npz([self], Path(path))

    def write(self, path: Path, payload: bytes) -> Path:
        """Writes bytes to ``path``, whole or not at all; returns the path."""
        from ..files import write_atomically

        write_atomically(path, payload)
        return path

    def record(self, png: str | None = None, scale: str = "shared") -> dict[str, Any]:
        """The statistics as JSON, without the activations."""
        statistics = zip(
            self.tensor.filters,
            self.minimum.tolist(),
            self.maximum.tolist(),
            self.mean.tolist(),
            self.active.tolist(),
            strict=True,
        )
        return {
            "address": self.address,
            "names": self.tensor.names.as_dict(),
            "remark": self.remark,
            "stage": self.tensor.stage,
            "shape": list(self.shape),
            "channels": None if self.tensor.channels is None else list(self.tensor.channels),
            "scale": scale,
            "dead": list(self.dead),
            "constant": list(self.constant),
            "minimum": float(self.minimum.min()),
            "maximum": float(self.maximum.max()),
            "macs": self.macs,
            "macs_share": self.macs_share,
            "receptive_field": list(self.tensor.field.size),
            "filters": [
                {"filter": number, "minimum": low, "maximum": high, "mean": mean, "active": active}
                for number, low, high, mean, active in statistics
            ],
            "png": png,
        }

    def provenance(self) -> dict[str, str]:
        """The provenance as the text chunks of a PNG."""
        names = "; ".join(f"{convention} {name}" for convention, name in self.tensor.names.as_dict().items() if name)
        return {
            "Software": f"godeeper {__version__}",
            "godeeper:address": self.address,
            "godeeper:names": names,
            "godeeper:shape": "x".join(map(str, self.shape)),
            **self.origin.png_chunks(),
            "godeeper:dead": ",".join(map(str, self.dead)),
        }

    def _repr_png_(self) -> bytes:
        """The picture, for notebooks."""
        from .picture import View, png

        return png(self, View())


def make_peek(blueprint: Blueprint, tensor: Tensor, values: NDArray[np.float32], origin: Provenance) -> Peek:
    """A peek at a tensor.

    Args:
        blueprint: the network.
        tensor: perhaps with only some of its channels.
        values: of all channels: (1, C, H, W) or (1, C); of the photo's own steps (1, H, W, 3) or (H, W, 3).
        origin: where the values come from.
    """
    planes = planes_of(tensor, values)
    return Peek(
        tensor=tensor,
        activations=planes if tensor.channels is None else planes[:, list(tensor.channels)],
        origin=origin,
        macs=tensor_macs(blueprint, [tensor.site.index]),
        macs_share=macs_share(blueprint, [tensor.site.index]),
        remark=remark(blueprint, tensor),
    )


def planes_of(tensor: Tensor, values: NDArray[Any]) -> NDArray[np.float32]:
    """Computed values as (1, C, H, W) float32."""
    import numpy as np

    if tensor.site.is_photo_step:
        array = np.asarray(values, np.float32)
        return to_planes(array if array.ndim == 4 else array[None])
    planes: NDArray[np.float32] = values.reshape(1, *tensor.site.shape)
    return planes


class Peeks(list[Peek]):
    """A list of peeks that shows its pictures in a notebook."""

    def _repr_html_(self) -> str:
        """The first few pictures, for notebooks."""
        shown = [
            f'<img src="data:image/png;base64,{b64encode(peek._repr_png_()).decode()}">' for peek in self[:MOST_SHOWN]
        ]
        more = [f"and {len(self) - MOST_SHOWN} more"] if len(self) > MOST_SHOWN else []
        return "<br>".join([*shown, *more])


def file_name(peek: Peek, ending: str = ".png") -> str:
    """``<photo>.<address>.png``."""
    return f"{Path(peek.photo).stem}.{file_part(peek.tensor)}{ending}"


def file_part(tensor: Tensor) -> str:
    """A tensor's address as part of a file name: portable characters, limited length."""
    address = re.sub(r"[/:]", "-", tensor.address)
    return address if len(address) <= LONGEST_ADDRESS else re.sub(r"[/:]", "-", tensor.name)


def document(photo: str, peek: Peek, records: list[dict[str, Any]], computed: Identity) -> dict[str, Any]:
    """The JSON of all peeks at one photo, which is called ``photo``, and the engine that ``computed`` them."""
    return {**peek.origin.record(), "photo": photo, "tensors": records, **computed.record}


def save_npz(peeks: list[Peek], path: Path) -> Path:
    """Writes the activations of several peeks as ``.npz``, see ``npz_bytes``; returns the path."""
    from ..files import write_atomically

    write_atomically(path, npz_bytes(peeks))
    return path


def npz_bytes(peeks: list[Peek]) -> bytes:
    """The bytes of an ``.npz``: an array ``<address>`` (1, C, H, W) for each peek, and ``provenance`` as JSON text."""
    import io
    import json

    import numpy as np

    arrays: dict[str, Any] = {peek.address: peek.activations for peek in peeks}
    arrays["provenance"] = np.array(json.dumps({peek.address: peek.provenance() for peek in peeks}))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
