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
    from .records import PeekedTensorRecord, PeekRecord

MOST_SHOWN = 12  # pictures in a notebook, each about 200 kB
LONGEST_ADDRESS = 150  # characters in a file name, which most systems limit to 255 bytes in all

RECTIFIED_KINDS = ("pool", "norm", "concat", "average", "reshape")
"""Kinds of operations whose inputs are rectified and whose outputs are zero where all these inputs are zero."""


@dataclass(frozen=True, repr=False)
class Peek(HasProvenance):
    """The activations of one tensor for one photo, and their provenance.

    ``activations``: (1, C, H, W) float32, only the channels that the address names.  ``origin``: the photo, weights and
    preprocessing.  ``macs``: multiply-adds to compute the tensor from the photo.  ``macs_share``: ``macs`` divided by
    the multiply-adds of all convolutions.  ``remark``: a warning about similar names, if there is one.

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
        """The SHA-256 of the photo's file, or of its pixels if there is no file."""
        return self.origin.photo_sha256 or ""

    @property
    def photo_notes(self) -> tuple[str, ...]:
        """The decoder's notes: the repairs of the photo."""
        return self.origin.photo_notes

    @property
    def address(self) -> str:
        """The tensor's printed name, followed by its channels if only some are selected."""
        return self.tensor.address

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, C, H, W)."""
        return tuple(self.activations.shape)

    @cached_property
    def minimum(self) -> NDArray[np.float32]:
        """The minimum of each filter, (C,) float32."""
        values: NDArray[np.float32] = self.activations.min(axis=(0, 2, 3))
        return values

    @cached_property
    def maximum(self) -> NDArray[np.float32]:
        """The maximum of each filter, (C,) float32."""
        values: NDArray[np.float32] = self.activations.max(axis=(0, 2, 3))
        return values

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """The mean of each filter, (C,) float64."""
        values: NDArray[np.float64] = self.activations.mean(axis=(0, 2, 3), dtype="float64")
        return values

    @cached_property
    def active(self) -> NDArray[np.float64]:
        """The share of each filter's cells that are above zero, (C,) float64."""
        values: NDArray[np.float64] = (self.activations > 0).mean(axis=(0, 2, 3))
        return values

    @property
    def is_rectified(self) -> bool:
        """Whether the values have passed a ReLU, so that zero means inactive."""
        return self.tensor.stage == "relu" or self.tensor.site.kind in RECTIFIED_KINDS

    @cached_property
    def dead(self) -> tuple[int, ...]:
        """The filters that are zero everywhere on this photo; empty unless the tensor is rectified."""
        return self.filters_where(self.maximum == 0) if self.is_rectified else ()

    @cached_property
    def constant(self) -> tuple[int, ...]:
        """The filters with one value everywhere, including dead filters; in single-cell maps, only dead filters."""
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
            rows: the number of rows of tiles; by default 8 for ``blog``, else chosen so that few cells are empty and the
                picture is wider than high.

        Raises:
            UnknownName: no such scale.
            OptionError: ``rows`` does not fit the number of filters.
        """
        return make_mosaic(self.activations[0], scale, rows)

    def picture(self, view: View | None = None, **options: Any) -> Image.Image:
        """The mosaic in colour, with its legend; the options are the fields of ``View``.

        Raises:
            UnknownName: no such scale or colour.
            OptionError: a field of the view is invalid, or the picture would be too large.
        """
        from .picture import View, draw

        return draw(self, view or View(**options))

    def save(self, path: str | Path, view: View | None = None, **options: Any) -> Path:
        """Write the picture as a PNG with provenance and return the path; the options are the fields of ``View``.

        Raises:
            UnknownName: no such scale or colour.
            OptionError: a field of the view is invalid, or the picture would be too large.
            OutputError: the file cannot be written.
        """
        from .picture import View, png

        return self.write(Path(path), png(self, view or View(**options)))

    def save_npz(self, path: str | Path) -> Path:
        """Write the activations as ``.npz`` and return the path; see ``npz_bytes``.

        Raises:
            OutputError: the file cannot be written.
        """
        return save_npz([self], Path(path))

    def write(self, path: Path, payload: bytes) -> Path:
        """Write bytes to ``path`` atomically and return the path.

        Raises:
            OutputError: the file cannot be written.
        """
        from ..files import write_atomically

        write_atomically(path, payload)
        return path

    def record(self, png: str | None = None, scale: str = "shared") -> PeekedTensorRecord:
        """The statistics as JSON, without the activations; ``png`` and ``scale``: the path of the picture, and its scale."""
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
        tensor: the tensor, perhaps with only some of its channels.
        values: the values of all channels, (1, C, H, W) or (1, C); (1, H, W, 3) or (H, W, 3) for a step of the photo's
            preprocessing.
        origin: the provenance of the values.
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
    """The values that ``make_peek`` takes, as (1, C, H, W) float32."""
    import numpy as np

    if tensor.site.is_photo_step:
        array = np.asarray(values, np.float32)
        return to_planes(array if array.ndim == 4 else array[None])
    planes: NDArray[np.float32] = values.reshape(1, *tensor.site.shape)
    return planes


class Peeks(list[Peek]):
    """A list of peeks that shows its pictures in a notebook."""

    def _repr_html_(self) -> str:
        """The first ``MOST_SHOWN`` pictures, for notebooks."""
        shown = [
            f'<img src="data:image/png;base64,{b64encode(peek._repr_png_()).decode()}">' for peek in self[:MOST_SHOWN]
        ]
        more = [f"and {len(self) - MOST_SHOWN} more"] if len(self) > MOST_SHOWN else []
        return "<br>".join([*shown, *more])


def file_name(peek: Peek, ending: str = ".png") -> str:
    """The name of a peek's file: ``<photo>.<address>.png``, or with another ``ending``."""
    return f"{Path(peek.photo).stem}.{file_part(peek.tensor)}{ending}"


def file_part(tensor: Tensor) -> str:
    """A tensor's address as part of a file name, with portable characters and a limited length."""
    address = re.sub(r"[/:]", "-", tensor.address)
    return address if len(address) <= LONGEST_ADDRESS else re.sub(r"[/:]", "-", tensor.name)


def document(photo: str, peek: Peek, records: list[PeekedTensorRecord], computed: Identity) -> PeekRecord:
    """The JSON of all peeks at one photo: provenance, the name ``photo``, their ``records``, and the engine.

    ``computed``: the identity of the engine.
    """
    return {
        "photo": photo,
        "photo_sha256": peek.photo_sha256,
        "photo_notes": list(peek.photo_notes),
        "weights": peek.weights,
        "weights_sha256": peek.weights_sha256,
        "preprocessing": peek.preprocessing,
        "tensors": records,
        "engine": computed.engine,
        "precision": computed.precision,
    }


def save_npz(peeks: list[Peek], path: Path) -> Path:
    """Write the activations of several peeks as ``.npz`` and return the path; see ``npz_bytes``."""
    from ..files import write_atomically

    write_atomically(path, npz_bytes(peeks))
    return path


def npz_bytes(peeks: list[Peek]) -> bytes:
    """The bytes of an ``.npz`` with an array ``<address>`` (1, C, H, W) for each peek, and ``provenance`` as JSON text."""
    import io
    import json

    import numpy as np

    arrays: dict[str, Any] = {peek.address: peek.activations for peek in peeks}
    arrays["provenance"] = np.array(json.dumps({peek.address: peek.provenance() for peek in peeks}))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
