"""Near-duplicates and bursts are found; photos that only have a similar composition are not grouped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from godeeper.photos.decode import decode
from godeeper.photos.doctor.fingerprint import UNIT, fingerprint, fingerprint_of, pixel_hash, thumbnails, views
from godeeper.photos.doctor.near_duplicates import UnionFind, group

from ..scenes import cropped, jpeg, scene, shot_at, write

CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "twice": lambda image: image.resize((image.width * 2, image.height * 2)),
    "recompressed": lambda image: jpeg(image, 20),
    "cropped": lambda image: cropped(image, 0.05),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "harder": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "stretched": lambda image: image.resize((image.width, image.height * 2)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_near_duplicates_are_one_group(change: str) -> None:
    """Each of twenty photos is grouped with its changed copy and with no other photo."""
    originals = [fingerprint_of(decode(scene(number))) for number in range(20)]
    copies = [fingerprint_of(decode(CHANGES[change](scene(number)))) for number in range(20)]
    assert group([*originals, *copies]) == [*range(20), *range(20)]


def test_different_photos_stay_apart() -> None:
    """Three hundred different photos give three hundred groups."""
    assert group([fingerprint_of(decode(scene(number, (80, 60)))) for number in range(300)]) == list(range(300))


def test_the_same_shapes_in_other_colours_are_not_alike() -> None:
    """Photos with the same difference hash and different thumbnails are not near-duplicates."""
    picture = scene(1)
    red, green, blue = picture.split()
    other = Image.merge("RGB", (blue, green, red))
    assert len(set(group([fingerprint_of(decode(picture)), fingerprint_of(decode(other))]))) == 2


def test_flat_colours() -> None:
    """Pictures of a single colour are near-duplicates if the colour is the same."""
    colours = ["red", "#fe0000", "blue", "black", "white", "#fdfdfd"]
    assert group([fingerprint_of(decode(Image.new("RGB", (50, 50), colour))) for colour in colours]) == [
        0,
        0,
        1,
        2,
        3,
        3,
    ]


def moved(number: int) -> Image.Image:
    """Return a scene in which a large object has moved, so it is not a near-duplicate."""
    image = scene(number)
    image.paste(scene(number + 1000, (40, 50)), (20 + number, 40))
    return image


@pytest.mark.parametrize(
    ("second", "camera", "together"), [(12, "Cam One", True), (13, "Cam One", False), (12, "Cam Two", False)]
)
def test_bursts(tmp_path: Path, second: int, camera: str, together: bool) -> None:  # noqa: FBT001 (a row of the table)
    """Similar photos of one camera within two seconds are a burst; other similar photos are separate."""
    first = write(tmp_path / "1.jpg", scene(3), exif=shot_at(10), quality=95)
    then = write(tmp_path / "2.jpg", moved(3), exif=shot_at(second, camera), quality=95)
    assert (len(set(group([fingerprint_of(decode(first)), fingerprint_of(decode(then))]))) == 1) is together


def test_a_burst_of_different_scenes_is_none(tmp_path: Path) -> None:
    """Photos of different scenes are not grouped, even if they were taken within seconds."""
    paths = [write(tmp_path / f"{number}.jpg", scene(number), exif=shot_at(10)) for number in range(3)]
    assert len(set(group([fingerprint_of(decode(path)) for path in paths]))) == 3


def test_families_are_joined() -> None:
    """Files whose names have the same stem form one group, together with their near-duplicates."""
    looks = [fingerprint_of(decode(scene(number))) for number in range(5)]
    assert group(looks, [[0, 3], [3, 4]]) == [0, 1, 2, 0, 0]


def test_nothing() -> None:
    """Without photos there are no groups."""
    assert group([]) == []


def test_union_find() -> None:
    """Groups can be merged through any member, and a merged group has the smallest number of its members."""
    groups = UnionFind(6)
    groups.join([4, 5])
    groups.join([1, 3])
    groups.join([5, 3])
    np.testing.assert_array_equal(groups.numbers, [0, 1, 2, 1, 1, 1])


def test_views_have_the_unit_length() -> None:
    """Thumbnail vectors are integers whose products float32 adds exactly, so the order of addition does not matter."""
    vectors = views(thumbnails([fingerprint_of(decode(scene(1)))])[0])
    assert vectors.shape == (19, 192)
    np.testing.assert_array_equal(vectors, np.rint(vectors))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), UNIT, rtol=0.005)


def test_pixel_hash_is_of_the_picture(tmp_path: Path) -> None:
    """The same pixels in another format have the same hash; the same bytes in another shape have another hash."""
    png, tiff = write(tmp_path / "1.png", scene(1)), write(tmp_path / "1.tiff", scene(1))
    assert pixel_hash(decode(png)) == pixel_hash(decode(tiff))
    flat = [Image.new("RGB", size) for size in ((10, 20), (20, 10))]
    assert pixel_hash(decode(flat[0])) != pixel_hash(decode(flat[1]))


def test_fingerprint_reads_rows() -> None:
    """A picture that gets brighter to the right gives all ones, and its mirror image all zeros."""
    ramp = Image.fromarray(np.tile(np.arange(0, 180, 2, dtype=np.uint8), (80, 1))).convert("RGB")
    assert fingerprint(ramp) == 2**64 - 1
    assert fingerprint(ramp.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == 0


def test_damaged_exif_names_no_camera(tmp_path: Path) -> None:
    """An invalid time in the EXIF is ignored."""
    exif = shot_at(1)
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    assert fingerprint_of(decode(write(tmp_path / "1.jpg", scene(1), exif=exif))).taken is None
