"""The served filter index: the record, the crops, the section on a filter's page, and errors."""

from __future__ import annotations

import io
import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.unit.web.asking import answer

import godeeper
from godeeper.cli.main import main
from godeeper.cli.serve import index_of
from godeeper.errors import IndexFileError
from godeeper.filters.index_file import serialised
from godeeper.filters.index_folder import remove_cached
from godeeper.filters.lookup import look_up
from godeeper.peek.geometry import Cell
from godeeper.web.application import make_app
from godeeper.web.compute.served_index import CROP_SIDE, ServedIndex, check_network, sample_index, served_index
from godeeper.web.filter_index.records import NO_INDEX, NOT_HELD, rank_text

if TYPE_CHECKING:
    from tests.unit.web.client import Client
    from tests.unit.web.conftest import Served

FILTER = "/api/filters/mixed/join/86"
PAGE = "/photo/demo/tensor/mixed/join/filter/86"


def moved(index: ServedIndex, folder: Path) -> ServedIndex:
    """Return the index with a copy of its photos in another folder, and with empty caches."""
    shutil.copytree(index.folder or "", folder)
    return ServedIndex(index.index, folder, index.what)


def test_the_record_is_the_lookup(client: Client, index: ServedIndex) -> None:
    """The record has the photos, values and places that ``godeeper top`` prints."""
    record = client.get(FILTER).json
    [found] = look_up(index.index, godeeper.load().tensors("mixed/join[86]")[0], 4, None)
    assert [(each["photo"], each["value"], each["row"], each["column"]) for each in record["photos"]] == [
        (str(each.path), *each.cell[2:], *each.cell[:2]) for each in found.activations
    ]
    assert (record["indexed_photos"], record["sample"], set(record["classes"])) == (6, False, {"cat", "flower"})
    assert set(record["examples"]) == {"50", "75", "95"}


def test_crops(client: Client) -> None:
    """Every photo of a record has a crop of bounded size, and the browser stores none of them."""
    record = client.get(FILTER).json
    for each in (*record["photos"], *record["examples"].values()):
        response = client.get(each["crop"])
        assert (response.status, response.headers["content-type"]) == (200, "image/jpeg")
        assert response.headers["cache-control"] == "no-store"
        assert max(Image.open(io.BytesIO(response.body)).size) == CROP_SIDE


def test_the_crop_of_a_deep_filter_is_the_whole_photo(served: Served, index: ServedIndex) -> None:
    """If the receptive field is larger than the photo, the crop is the whole photo."""
    each = served.client.get("/api/filters/mixed_10/join/1700").json["photos"][0]
    crop = Image.open(io.BytesIO(served.client.get(each["crop"]).body))
    assert index.folder is not None
    with Image.open(index.folder / each["photo"]) as whole:
        assert crop.width / crop.height == pytest.approx(whole.width / whole.height, rel=0.02)


def test_the_page_shows_them(client: Client) -> None:
    """The page of a filter has the crops, lazily loaded, the percentiles, and a bar for each class."""
    text = client.get(PAGE).text
    assert text.count('loading="lazy"') == 7
    assert "From the 6 photos in album." in text
    assert "95th percentile" in text
    assert text.count('<span class="label">') == 2


@pytest.mark.parametrize(
    ("path", "status"),
    {
        "/api/filters/mixed/join/256": 404,
        "/api/filters/nothing/0": 404,
        "/api/filters/mixed/tower/conv/Conv2D/1": 422,
        "/api/filters/ResizeBilinear/0": 422,
        "/index/crops/mixed/join/86/999.jpg": 404,
        "/index/crops/mixed/join/86/../../x.jpg": 404,
        "/index/crops/mixed/join/999/0.jpg": 404,
    }.items(),
)
def test_what_the_index_lacks_is_a_client_error(client: Client, path: str, status: int) -> None:
    """An unknown tensor, filter or photo gets one line with a 4xx."""
    response = client.get(path, {"Accept": "application/json"})
    assert response.status == status
    assert "\n" not in response.json["error"]


def test_a_tensor_that_the_index_lacks(client: Client) -> None:
    """If the index does not contain a tensor, the filter's page says so in one sentence."""
    text = client.get("/photo/demo/tensor/mixed/tower/conv/Conv2D/filter/1").text
    assert NOT_HELD in text
    assert 'class="crops' not in text


def test_the_sample_pictures_are_called_so(served: Served) -> None:
    """The page labels the default index as sample pictures, not as the user's photos."""
    app = make_app(served.backend, index=sample_index(served.backend.network))
    text = answer(app, PAGE).text
    assert "Sample pictures that activate this filter most" in text
    assert "From the 100 sample pictures that come with godeeper." in text
    assert answer(app, FILTER).json["sample"] is True


def test_without_an_index(served: Served) -> None:
    """Without an index, the page says how to serve one, and the API responds with 404."""
    app = make_app(served.backend)
    assert NO_INDEX in answer(app, PAGE).text
    assert answer(app, FILTER).status == 404


def test_a_changed_photo_is_not_shown(served: Served, index: ServedIndex, tmp_path: Path) -> None:
    """A photo that changed after indexing has no crop, and a missing photo keeps its place on the page."""
    own = moved(index, tmp_path / "album")
    app = make_app(served.backend, index=own)
    first, second = answer(app, FILTER).json["photos"][:2]
    shutil.copy(tmp_path / "album" / second["photo"], tmp_path / "album" / first["photo"])
    (tmp_path / "album" / second["photo"]).unlink()
    response = answer(app, first["crop"], {"accept": "application/json"})
    assert (response.status, response.json["error"]) == (
        404,
        f"{Path(first['photo']).name}: the file changed since it was indexed",
    )
    assert answer(app, FILTER).json["photos"][1]["crop"] is None
    assert "the file no longer exists" in answer(app, PAGE).text


def test_photos_in_a_zip_are_shown(served: Served, index: ServedIndex, tmp_path: Path) -> None:
    """Crops come from the indexed zip, even if it has a folder around the class folders; other names are not read."""
    album = index.folder
    assert album is not None
    archive = Path(shutil.make_archive(str(tmp_path / "album"), "zip", album.parent, album.name))
    own = ServedIndex(index.index, archive, index.what)
    app = make_app(served.backend, index=own)
    usual, zipped = (answer(make_app(served.backend, index=each), FILTER).json["photos"] for each in (index, own))
    assert [each["crop"] for each in zipped] == [each["crop"] for each in usual]
    crops = [answer(each, zipped[0]["crop"]).body for each in (make_app(served.backend, index=index), app)]
    assert crops[0] == crops[1]
    with pytest.raises(FileNotFoundError):
        own.content(archive / "cat" / "none.png")
    archive.unlink()
    assert "the file no longer exists" in answer(app, PAGE).text


def test_photos_outside_the_folder_say_so(served: Served, index: ServedIndex, tmp_path: Path) -> None:
    """If a list refers to photos outside the list's own folder, the captions of these photos say so."""
    (tmp_path / "list.csv").write_text(
        "path\n" + "".join(f"{path}\n" for path in (index.folder or tmp_path).rglob("*.png"))
    )
    made = tmp_path / "list.index"
    assert main(["index", str(tmp_path / "list.csv"), "--out", str(made)]) == 0
    app = make_app(served.backend, index=served_index(made, None, served.backend.network))
    assert "not shown: the file is outside the folder of the index" in answer(app, PAGE).text


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "cat/../../x.png"])
def test_names_outside_the_folder_are_not_read(index: ServedIndex, name: str) -> None:
    """A file name in an untrusted index cannot lead out of the folder."""
    assert index.path_of(name) is None


@pytest.mark.parametrize(
    ("cell", "sha256", "text"),
    [
        (None, "0" * 64, "The map of this photo is the same everywhere, so it has no rank."),
        (Cell(0, 0, 99.0), "0" * 64, "This photo, with 99, would rank as number 1."),
        (Cell(0, 0, 0.001), "0" * 64, "This photo, with 0.001, would not be among them; it is below the median."),
    ],
)
def test_ranks(index: ServedIndex, cell: Cell | None, sha256: str, text: str) -> None:
    """A photo is ranked among the indexed photos by its maximum."""
    tensor = godeeper.load().tensors("mixed/join")[0]
    assert rank_text(index, index.filter(tensor, 86), cell, sha256) == text


def test_an_indexed_photo_has_its_own_rank(index: ServedIndex) -> None:
    """A photo that is in the index is recognised by its hash."""
    found = index.filter(godeeper.load().tensors("mixed/join")[0], 86)
    text = rank_text(index, found, Cell(0, 0, 0.5), found.top[2].sha256)
    assert text == "This photo is one of them: number 3 of 6."


def test_other_weights_are_refused(index: ServedIndex) -> None:
    """An index that was made with other weights gives a one-line error."""
    network = godeeper.load()
    check_network(index.index, network)
    network.weights = replace(network.weights, description=replace(network.weights.description, sha256="0" * 64))
    with pytest.raises(IndexFileError, match="made with weights 'bundled'"):
        check_network(index.index, network)


def test_serve_refuses_an_index_of_other_weights(
    index: ServedIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``godeeper serve`` prints one line and returns 2."""
    header = {**index.index.header, "weights": "other", "weights_sha256": "0" * 64}
    arrays = {
        name: np.frombuffer(index.index.array(name), facts["type"]).reshape(facts["shape"])
        for name, facts in index.index.header["arrays"].items()
    }
    path = tmp_path / "other.index"
    path.write_bytes(serialised({name: each for name, each in header.items() if name != "arrays"}, arrays))
    assert main(["serve", "--port", "0", "--index", str(path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "made with weights 'other', not with 'bundled'" in line


def test_serve_with_photos_makes_their_index(index: ServedIndex) -> None:
    """``--photos`` makes an index in the cache folder, and makes the same index again after that index was removed."""
    options = Namespace(index=None, photos=str(index.folder))
    network = godeeper.load()
    first, second = (index_of(options, network) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.what == "the 6 photos in " + Path(str(index.folder)).name
    assert first.index.path == second.index.path
    assert first.index.path.exists()
    assert (
        first.filter(network.tensors("mixed/join")[0], 86).top[:4]
        == index.filter(network.tensors("mixed/join")[0], 86).top
    )
    remove_cached()  # godeeper cache clear does the same
    assert not first.index.path.exists()
