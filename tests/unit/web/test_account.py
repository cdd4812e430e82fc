"""The facts about one filter on the page and in the API: contributions, trail, names and visualisation."""

from __future__ import annotations

import http.client
import io
import json
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.unit.web.conftest import serving

import godeeper
from godeeper.blueprint.sites import sites
from godeeper.filters.contributions.follow import followed
from godeeper.filters.visualisation.visualise import Settings
from godeeper.web.account.trail import MOST_STEPS
from godeeper.web.compute.backend import Backend

if TYPE_CHECKING:
    from tests.unit.web.client import Client

    from godeeper.web.compute.served_index import ServedIndex

ADDRESS, NUMBER = "mixed_4/tower_1/conv_4", 17
SUM = f"/api/photos/demo/contributions/{ADDRESS}/{NUMBER}"
PAGE = f"/photo/demo/tensor/{ADDRESS}/filter/{NUMBER}"


def links(text: str, kind: str) -> list[str]:
    """Return the links whose next attribute is ``kind``, unescaped."""
    return [each.replace("&amp;", "&") for each in re.findall(rf'<a href="([^"]*)" {kind}', text)]


@pytest.mark.parametrize("depth", [1, 2])
def test_the_sum_is_that_of_the_library(client: Client, chelsea: Path, depth: int) -> None:
    """The record in the API has the terms that ``Network.contributions`` returns, and bias, terms and rest add up."""
    record = client.get(f"{SUM}?depth={depth}").json
    found = godeeper.load().contributions(chelsea, f"{ADDRESS}[{NUMBER}]", depth=depth)
    assert (record["cell"], record["depth"]) == ([found.cell.row, found.cell.column], depth)
    assert [(each["origin"]["address"], each["origin"]["channel"]) for each in record["terms"]] == [
        (each.origin_site.address, each.origin_channel) for each in found.kept(5)
    ]
    np.testing.assert_allclose(
        [each["value"] for each in record["terms"]], [each.value for each in found.kept(5)], atol=1e-4
    )
    total = record["bias"] + sum(each["value"] for each in record["terms"]) + record["rest"]
    assert total == pytest.approx(record["value"], abs=1e-4)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("at=3", "expected a row and a column, such as 3,5"),
        ("at=17,0", "outside the map of mixed_4/tower_1/conv_4"),
        ("depth=0", "expected a whole number from 1 to 3"),
        ("depth=4", "expected a whole number from 1 to 3"),
    ],
)
def test_what_cannot_be_summed(client: Client, query: str, said: str) -> None:
    """A cell or a depth that does not exist is refused with a one-line error."""
    response = client.get(f"{SUM}?{query}")
    assert response.status == 422
    assert said in response.json["error"]


def test_a_circuit_can_be_walked_down_and_back(client: Client) -> None:
    """Each term links to its filter at the cell that contributes most, and the trail leads back."""
    text = client.get(PAGE).text
    for step in range(1, 4):
        first = links(text, 'data-key="1"')[0]
        following = client.get(first)
        assert following.status == 200
        assert following.text.count("<li><a href") >= step
        (back,) = links(following.text, "data-back")
        assert back.split("?")[0] in (PAGE, *[each.split("?")[0] for each in links(text, "data-back")]) or step > 1
        assert client.get(back).status == 200
        text = following.text
    trail = re.findall(r'class="trail".*?</nav>', text, re.DOTALL)[0]
    assert trail.count("<li>") == 3
    assert f"{ADDRESS}[{NUMBER}]" in trail


def test_the_cell_of_a_term_is_the_one_that_was_read() -> None:
    """Back through a join, a term keeps its cell and changes its channel; back through a max pool, it moves to the largest cell."""
    network = godeeper.load()
    all_sites = sites(network.blueprint)
    by_address = {site.address: site for site in all_sites}
    pool = by_address["pool"]
    source = all_sites[pool.inputs[0]]
    values = np.random.default_rng(1).random(source.shape, np.float32)
    row, column = followed(all_sites, {source.index: values}, pool, 5, (10, 12))
    window = values[5, 20:23, 24:27]
    assert values[5, row, column] == window.max()
    join = by_address["mixed/join"]
    assert followed(all_sites, {}, join, 70, (3, 4)) == (3, 4)


def test_the_page_of_a_pool_says_why_it_has_no_sum(client: Client) -> None:
    """A filter without weights has a page, whose sections say that it belongs to a pool."""
    text = client.get("/photo/demo/tensor/pool/filter/3").text
    assert "a pool, which has no weights" in text
    assert "data-address" not in re.findall(r'<section class="panel" id="names".*?>', text)[0]


@pytest.mark.parametrize(
    ("via", "status"),
    [
        ("mixed/join", 422),
        ("mixed/join[3]@99,0", 422),
        ("mixed/join[9999]@0,0", 404),
        ("nothing[3]@0,0", 404),
        ("x" * 5000, 422),
        ("&via=".join(["mixed/join[3]@0,0"] * (MOST_STEPS + 1)), 422),
        ("&via=".join(["mixed/join[3]@0,0"] * MOST_STEPS), 200),
    ],
)
def test_foreign_trails(client: Client, via: str, status: int) -> None:
    """A trail with filters that do not exist, or with too many, is refused."""
    assert client.get(f"{PAGE}?via={via}").status == status


def test_names_are_computed_once(client: Client) -> None:
    """The first request computes the names; afterwards, the page has them."""
    page = "/photo/demo/tensor/mixed/conv/filter/5"
    waiting = re.findall(r'id="names"[^>]*data-address="([^"]*)"', client.get(page).text)
    record = client.get(waiting[0]).json
    assert (record["address"], record["filter"], record["with_photos"]) == ("mixed/conv", 5, True)
    assert record["tests"] > 17_000
    text = client.get(page).text
    assert not re.findall(r'id="names"[^>]*data-address', text)
    assert "No name: nothing that was tested is significant." in text or '<ul class="found">' in text


def events(text: str) -> list[tuple[str, Any]]:
    """Return the name and data of each event of a stream."""
    return [(name, json.loads(data)) for name, data in re.findall(r"event: (\w+)\ndata: (.*)\n", text)]


def test_a_visualisation_is_made_with_progress_and_kept(client: Client, index: ServedIndex, chelsea: Path) -> None:
    """After its stream has ended, a visualisation is in record, picture and page, and is kept for the next server."""
    base = "/api/filters/mixed/tower_2/conv/7/visualisation"
    picture = "/filters/mixed/tower_2/conv/7/visualisation.png"
    assert (client.get(base).status, client.get(picture).status) == (404, 404)
    found = events(client.get(f"{base}/progress").text)
    assert found[-1] == ("done", {})
    assert ("progress", {"done": 4, "of": 4}) in found or ("progress", {"done": 3, "of": 4}) in found
    record = client.get(base).json
    assert record["best_photo"]["value"] == pytest.approx(
        client.get("/api/filters/mixed/tower_2/conv/7").json["photos"][0]["value"]
    )
    (made,) = godeeper.load().visualise("mixed/tower_2/conv[7]", index=index.index.path, steps=4)
    assert record["value"] == pytest.approx(made.value, rel=0.05)
    with Image.open(io.BytesIO(client.get(picture).body)) as image:
        assert image.size == (299, 299)
    assert picture in client.get("/photo/demo/tensor/mixed/tower_2/conv/filter/7").text
    weights = godeeper.load().weights
    backend = Backend(weights, godeeper.load().preprocess)
    with serving(backend, index=index, visualisations=Settings(steps=4)) as another:
        assert another.client.get(base).json == record
        assert events(another.client.get(f"{base}/progress").text) == [("done", {})]


def follow(port: int, number: int, step: int) -> None:
    """Follow a visualisation until it reports a step, then disconnect; each line must arrive within 30 seconds."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", f"/api/filters/mixed/conv/{number}/visualisation/progress")
        with connection.getresponse() as stream:
            line = b" "
            while f'"done": {step},'.encode() not in line:
                line = stream.readline()
                assert line, "the stream ended before that step"


def test_a_visualisation_stops_with_its_client(index: ServedIndex) -> None:
    """If a client disconnects, its visualisation stops and the next job starts; the server also shuts down in time."""
    backend = Backend(godeeper.load().weights, godeeper.load().preprocess)
    with serving(backend, index=index, visualisations=Settings(steps=10_000)) as running:
        follow(running.port, 1, 1)
        follow(running.port, 2, 2)


@pytest.mark.parametrize(("address", "said"), [("pool", "a pool"), ("softmax/logits", "no classifier to look at")])
def test_what_cannot_be_visualised(client: Client, address: str, said: str) -> None:
    """A filter that cannot be visualised is refused with a one-line error."""
    response = client.get(f"/api/filters/{address}/0/visualisation/progress")
    assert response.status in (404, 422)
    assert said in response.json["error"]
