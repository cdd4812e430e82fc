"""A ``Peek``: what one tensor said about one photo, with all that is needed to say it again."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..blueprint.address import Tensor
from ..version import __version__
from .mosaic import Mosaic, make_mosaic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ..engine.identity import Identity
    from .picture import View

MOST_SHOWN = 12  # pictures of a list of peeks in a notebook, each some 200 kB
LONGEST_ADDRESS = 150  # in a file's name, which most systems end at 255 bytes

RECTIFIED_KINDS = ("pool", "norm", "concat", "average", "reshape")
"""What is computed from rectified values and keeps their zeros."""


@dataclass(frozen=True, repr=False)
class Peek:
    """The activations of one tensor for one photo, and where they come from.

    ``activations``: (1, C, H, W) float32, only the channels asked for.  ``macs`` and ``macs_share``: what the
    tensor and its ancestors cost, and that as a share of the network's convolutions.  ``remark``: what the
    tensor's names can be mistaken for.
    """

    tensor: Tensor
    activations: NDArray[np.float32] = field(repr=False)
    photo: str
    photo_sha256: str
    photo_notes: tuple[str, ...]
    weights: str
    weights_sha256: str
    preprocessing: str
    macs: int
    macs_share: float
    remark: str | None = None

    def __repr__(self) -> str:
        return f"<peek at {self.address}, {self.shape}, photo {self.photo!r}, weights {self.weights!r}>"

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
        """(C,) float32: each filter's least value."""
        values: NDArray[np.float32] = self.activations.min(axis=(0, 2, 3))
        return values

    @cached_property
    def maximum(self) -> NDArray[np.float32]:
        """(C,) float32: each filter's greatest value."""
        values: NDArray[np.float32] = self.activations.max(axis=(0, 2, 3))
        return values

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """(C,) float64: each filter's mean."""
        values: NDArray[np.float64] = self.activations.mean(axis=(0, 2, 3), dtype="float64")
        return values

    @cached_property
    def active(self) -> NDArray[np.float64]:
        """(C,) float64: the share of each filter's cells that are above zero."""
        values: NDArray[np.float64] = (self.activations > 0).mean(axis=(0, 2, 3))
        return values

    @property
    def is_rectified(self) -> bool:
        """Whether the values have been through a ReLU, so that zero means silence."""
        return self.tensor.stage == "relu" or self.tensor.site.kind in RECTIFIED_KINDS

    @cached_property
    def dead(self) -> tuple[int, ...]:
        """Filters that are zero all over this photo; only a rectified tensor has such."""
        return self.filters_where(self.maximum == 0) if self.is_rectified else ()

    @cached_property
    def constant(self) -> tuple[int, ...]:
        """Filters with the same value everywhere, the dead among them; a single cell is no constant."""
        if self.activations[0, 0].size == 1:
            return self.dead
        return self.filters_where(self.maximum == self.minimum)

    def filters_where(self, mask: NDArray[np.bool_]) -> tuple[int, ...]:
        """The numbers, within the whole tensor, of the filters that ``mask`` (C,) picks."""
        return tuple(number for number, chosen in zip(self.tensor.filters, mask.tolist(), strict=True) if chosen)

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
        """The mosaic in colour, with its legend; the options are those of ``View``."""
        from .picture import View, draw

        return draw(self, view or View(**options))

    def save(self, path: str | Path, view: View | None = None, **options: Any) -> Path:
        """Write the picture as a PNG that carries its provenance; the options are those of ``View``."""
        from .picture import View, png

        return self.write(Path(path), png(self, view or View(**options)))

    def save_npz(self, path: str | Path) -> Path:
        """Write the numbers: ``activations`` (1, C, H, W) and ``filters`` (C,), with ``provenance`` as JSON text."""
        return save_npz([self], Path(path))

    def write(self, path: Path, payload: bytes) -> Path:
        """Writes bytes to ``path``, whole or not at all; returns the path."""
        from ..files import write_atomically

        write_atomically(path, payload)
        return path

    def record(self, png: str | None = None, scale: str = "shared") -> dict[str, Any]:
        """The peek as JSON can hold it, without the activations."""
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
        """Where the numbers come from, as short texts: what a PNG's text chunks hold."""
        names = "; ".join(f"{convention} {name}" for convention, name in self.tensor.names.as_dict().items() if name)
        return {
            "Software": f"godeeper {__version__}",
            "godeeper:address": self.address,
            "godeeper:names": names,
            "godeeper:shape": "x".join(map(str, self.shape)),
            "godeeper:photo": self.photo,
            "godeeper:photo-sha256": self.photo_sha256,
            "godeeper:photo-notes": "; ".join(self.photo_notes),
            "godeeper:weights": self.weights,
            "godeeper:weights-sha256": self.weights_sha256,
            "godeeper:preprocessing": self.preprocessing,
            "godeeper:dead": ",".join(map(str, self.dead)),
        }

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        from .picture import View, png

        return png(self, View())


class Peeks(list[Peek]):
    """Several peeks: a list, and in a notebook their pictures one below the other."""

    def _repr_html_(self) -> str:
        """What a notebook shows, of the first few."""
        shown = [
            f'<img src="data:image/png;base64,{b64encode(peek._repr_png_()).decode()}">' for peek in self[:MOST_SHOWN]
        ]
        more = [f"and {len(self) - MOST_SHOWN} more"] if len(self) > MOST_SHOWN else []
        return "<br>".join([*shown, *more])


def file_name(peek: Peek, ending: str = ".png") -> str:
    """``<photo>.<address>.png``."""
    return f"{Path(peek.photo).stem}.{file_part(peek.tensor)}{ending}"


def file_part(tensor: Tensor) -> str:
    """A tensor's address without characters that a file system may refuse, and not too long."""
    address = re.sub(r"[/:]", "-", tensor.address)
    return address if len(address) <= LONGEST_ADDRESS else re.sub(r"[/:]", "-", tensor.name)


def document(photo: str, peek: Peek, records: list[dict[str, Any]], computed: Identity) -> dict[str, Any]:
    """The JSON of all peeks at one photo, and who ``computed`` them."""
    return {
        "photo": photo,
        "photo_sha256": peek.photo_sha256,
        "photo_notes": list(peek.photo_notes),
        "weights": peek.weights,
        "weights_sha256": peek.weights_sha256,
        "preprocessing": peek.preprocessing,
        "tensors": records,
        **computed.record,
    }


def save_npz(peeks: list[Peek], path: Path) -> Path:
    """Write the numbers of several peeks: see ``npz_bytes``."""
    from ..files import write_atomically

    write_atomically(path, npz_bytes(peeks))
    return path


def npz_bytes(peeks: list[Peek]) -> bytes:
    """An ``.npz`` of several peeks: ``<address>`` (1, C, H, W) each, and ``provenance`` as JSON text."""
    import io
    import json

    import numpy as np

    arrays: dict[str, Any] = {peek.address: peek.activations for peek in peeks}
    arrays["provenance"] = np.array(json.dumps({peek.address: peek.provenance() for peek in peeks}))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
