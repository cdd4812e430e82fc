"""``ServedIndex``: a filter index with the folder of its photos, and the crops that were cut from them.

A client names a photo by its number in the index, never by a path.  A photo is shown only if its file has the SHA-256 that is
in the index.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from ...errors import IndexFileError, PhotoError
from ...files import open_regular
from ...filters import sample
from ...filters.activations import activation_at
from ...filters.index import read_index
from ...filters.index_folder import folder_of
from ...filters.top_picture import FRAME, within
from ...lru import LruCache
from ...peek.geometry import Box, Cell, Placement, patch
from ...photos.sources.zip_archive import names_in, read_member
from ...wording import count_of
from ..http.errors import not_found
from ..http.upload import MAX_BYTES
from .photo_store import ingest

if TYPE_CHECKING:
    from ...blueprint.address import Tensor
    from ...filters.activations import TopActivation
    from ...filters.index import FilterIndex, IndexedFilter, IndexedPhoto
    from ...network import Network
    from .photo_store import StoredPhoto

CROP_SIDE = 224
QUALITY = 88
MAX_PHOTOS, MAX_PHOTO_BYTES = 256, 64 << 20
MAX_CROPS, MAX_CROP_BYTES = 2048, 32 << 20

CropKey = tuple[int, int, int]  # site, filter, number of the photo


@dataclass(frozen=True)
class ServedIndex:
    """An index, and the location of its photos.

    ``folder``: the folder or zip of the photos; None if unknown.  ``what``: a description of the photos, such as
    ``the 300 photos in photos``.  ``photos``: decoded photos by number, used by the decoding thread only.  ``crops``: JPEG
    files, used by the event loop only.
    """

    index: FilterIndex
    folder: Path | None
    what: str
    is_sample: bool = False
    photos: LruCache[int, StoredPhoto] = field(
        default_factory=lambda: LruCache(MAX_PHOTOS, MAX_PHOTO_BYTES, lambda photo: photo.nbytes), repr=False
    )
    crops: LruCache[CropKey, bytes] = field(
        default_factory=lambda: LruCache(MAX_CROPS, MAX_CROP_BYTES, len), repr=False
    )

    def filter(self, tensor: Tensor, number: int) -> IndexedFilter:
        """The index's record of one filter; raises ``AddressError`` if the tensor is not in the index."""
        return self.index.filters(replace(tensor, channels=(number,)))[0]

    def path_of(self, name: str) -> Path | None:
        """The path of a photo; None if the folder is unknown or ``name`` leads out of the folder."""
        relative = PurePosixPath(name)
        if self.folder is None or relative.is_absolute() or ".." in relative.parts:
            return None
        return self.folder / relative

    def problem(self, photo: IndexedPhoto) -> str | None:
        """The reason why a photo cannot be shown, if one can be found without reading the photo."""
        if photo.row is None:
            return "the map is the same everywhere"
        if self.folder is None:
            return "the location of the photos is unknown"
        path = self.path_of(photo.name)
        if path is None:
            return "not shown: the file is outside the folder of the index"
        if photo.name not in names_in(self.folder) if self.is_zip else not path.is_file():
            return "the file no longer exists"
        return None

    @property
    def is_zip(self) -> bool:
        """Whether the photos are in a zip."""
        return self.folder is not None and self.folder.suffix.lower() == ".zip" and self.folder.is_file()

    def content(self, path: Path) -> bytes:
        """The bytes of a photo, at most one more than ``MAX_BYTES``; raises ``OSError``."""
        if self.folder is not None and self.is_zip:
            return read_member(self.folder, path.relative_to(self.folder).as_posix(), MAX_BYTES + 1)
        with open_regular(path) as file:
            return file.read(MAX_BYTES + 1)

    def activation(self, tensor: Tensor, number: int, photo: int) -> TopActivation:
        """The activation of a filter for a photo; raises ``RequestError`` if the index has no such activation."""
        found = self.filter(tensor, number)
        for each in (*found.top, *found.examples.values()):
            if each.number == photo and each.row is not None and each.column is not None:
                path = self.path_of(each.name)
                if path is not None:
                    cell, placement = (
                        Cell(each.row, each.column, each.value),
                        Placement.of(self.index.fitting, each.size),
                    )
                    return activation_at(path, each.sha256, cell, placement, found.tensor)
        raise not_found(f"the index has no photo {photo} to show for filter {number} of {tensor.address}")

    def photo(self, number: int, activation: TopActivation, network: Network) -> StoredPhoto:
        """The decoded photo of an activation; raises ``RequestError`` if its file is missing or has changed."""
        photo = self.photos.get(number)
        if photo is None:
            photo = read_indexed(self, activation, network)
            self.photos.put(number, photo)
            self.photos.evict()
        return photo


def served_index(path: Path, folder: str | Path | None, network: Network) -> ServedIndex:
    """Open an index to serve it; ``folder``: the current folder of its photos, or None if they have not moved.

    Raises:
        IndexFileError: the index cannot be read, or does not fit the network.
    """
    index = read_index(path)
    check_network(index, network)
    place = folder or folder_of(path)
    what = f"the {count_of(index.photos, 'photo')} {f'in {Path(place).resolve().name}' if place else f'of {path.name}'}"
    return ServedIndex(index, Path(place) if place else None, what)


def sample_index(network: Network) -> ServedIndex | None:
    """The index of the sample pictures; None if it does not fit the network."""
    index = read_index(sample.INDEX)
    try:
        check_network(index, network)
    except IndexFileError:
        return None
    return ServedIndex(index, sample.PICTURES, sample.described(index.photos), is_sample=True)


def read_indexed(served: ServedIndex, activation: TopActivation, network: Network) -> StoredPhoto:
    """Read and decode the photo of an activation."""
    name = activation.path.name
    try:
        data = served.content(Path(activation.path))
    except (OSError, ValueError):
        raise not_found(f"{name}: the file can no longer be read") from None
    if len(data) > MAX_BYTES:
        raise not_found(f"{name}: the file has more than {MAX_BYTES >> 20} MiB")
    try:
        photo = ingest(data, name, network.preprocess)
    except PhotoError as error:
        raise not_found(str(error)) from None
    if photo.sha256 != activation.sha256:
        raise not_found(f"{name}: the file changed since it was indexed")
    return photo


def crop_of(photo: StoredPhoto, activation: TopActivation) -> bytes:
    """The receptive field as a JPEG, at most ``CROP_SIDE`` pixels per side, with a frame around the cell."""
    crop = patch(photo.display_image, activation.placement, activation.seen)
    scale = CROP_SIDE / max(crop.size)
    size = max(1, round(crop.width * scale)), max(1, round(crop.height * scale))
    picture = crop.resize(size, Image.Resampling.LANCZOS)
    cell = within(activation.placement.clipped(activation.cell_area), Box(*activation.box.outward()), size)
    ImageDraw.Draw(picture).rectangle(cell, outline=FRAME, width=2)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def check_network(index: FilterIndex, network: Network) -> None:
    """Raise ``IndexFileError`` unless an index was made with the weights and the preprocessing of a network."""
    index.check_weights(network.weights)
    index.check_preprocessing(network.preprocess)
