"""The pages as the server writes them: complete without JavaScript, permalinks, exports."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from tests.unit.web.conftest import handmade, serving

from godeeper.classifier.refusal import NOTHING
from godeeper.web.compute.backend import Backend

if TYPE_CHECKING:
    from tests.unit.web.client import Client

    from godeeper.network import Network

PHOTO = "/photo/demo"
PAGES = [
    "/",
    PHOTO,
    f"{PHOTO}/tensor/mixed/tower_2/conv",
    f"{PHOTO}/tensor/mixed_10/join?scale=filter&colour=viridis&sort=strength",
    f"{PHOTO}/tensor/conv/Conv2D?scale=signed",
    f"{PHOTO}/tensor/conv[3,7:12]",
    f"{PHOTO}/tensor/pool_3",
    f"{PHOTO}/tensor/ResizeBilinear",
    f"{PHOTO}/tensor/conv/filter/0",
    f"{PHOTO}/tensor/conv/filter/1",  # a filter that is zero everywhere in the photo
    f"{PHOTO}/tensor/mixed_10/join/filter/2047?scale=filter",
    f"{PHOTO}/tensor/pool_3/filter/7",
    f"{PHOTO}/verdict",
    f"{PHOTO}/verdict?class=Hund",
    "/nothing",
    "/photo/nobody",
]


NO_REPORT = "/report"  # the classifier in these tests has no report


class Page(HTMLParser):
    """Collects the links of a page, and everything that a strict policy would block."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.stopped: list[str] = []
        self.script: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [value for name in ("href", "src") if (value := found.get(name))]
        self.stopped += [f"{tag} {name}" for name in found if name == "style" or name.startswith("on")]
        self.script = found if tag == "script" else None
        if tag == "style":
            self.stopped.append(tag)

    def handle_data(self, data: str) -> None:
        inert = self.script is None or self.script.get("type") == "application/json"
        if data.strip() and not inert:
            self.stopped.append("script")


@pytest.mark.parametrize("path", PAGES)
def test_pages_keep_to_the_policy(path: str, client: Client) -> None:
    """A page has no inline script or style, and does not refer to other sites."""
    page = Page(client.get(path).text)
    assert page.stopped == []
    assert [link for link in page.links if re.match(r"\w+:|//", link) and not link.startswith("data:")] == []


@pytest.mark.parametrize("path", PAGES)
def test_what_a_page_refers_to_is_there(path: str, client: Client) -> None:
    """Every picture, file and link of a page exists; of many similar links, only a few are tested."""
    links = [link for link in Page(client.get(path).text).links if link.startswith("/")]
    kinds: dict[str, list[str]] = {}
    for link in links:
        kinds.setdefault("/".join(link.split("/")[:4]), []).append(link.partition("#")[0])
    for some in kinds.values():
        for link in some[:3]:
            assert client.get(html.unescape(link)).status == 200 or link == NO_REPORT, link


@pytest.mark.parametrize(
    "name",
    [
        "mixed/tower_2/conv:0",
        "InceptionV3/InceptionV3/Mixed_5b/Branch_3/Conv2d_0b_1x1/Relu",
        "Mixed_5b/Branch_3/Conv2d_0b_1x1",
        "Mixed_5b.branch_pool",
        "activation_11",
    ],
)
def test_any_name_leads_to_the_tensors_own_page(name: str, client: Client) -> None:
    """Names of all conventions redirect to the 2015 name, and keep scale and colour."""
    answer = client.get(f"{PHOTO}/tensor/{name}?scale=filter")
    assert (answer.status, answer.headers["location"]) == (307, f"{PHOTO}/tensor/mixed/tower_2/conv?scale=filter")
    answer = client.get(f"{PHOTO}/tensor/{name}/filter/3")
    assert (answer.status, answer.headers["location"]) == (307, f"{PHOTO}/tensor/mixed/tower_2/conv/filter/3")


def test_a_mosaic_means_something_without_a_script(client: Client) -> None:
    """Without a script, a mosaic's page has the address, the legend and the picture of all filters."""
    text = html.unescape(client.get(f"{PHOTO}/tensor/mixed/tower_2/conv?scale=percentile").text)
    assert "<h1>mixed/<wbr>tower_2/<wbr>conv</h1>" in text
    assert "one scale for all filters: dark 0, bright" in text
    assert "(99th percentile) or more" in text
    assert f"{PHOTO}/levels/mixed/tower_2/conv.png?scale=percentile" in text


def test_the_map_links_to_every_site(client: Client) -> None:
    """Each viewable tensor is one click away."""
    links = {html.unescape(link) for link in Page(client.get(PHOTO).text).links}
    for tensor in client.get("/api/tensors").json["tensors"]:
        if tensor["kind"] in ("conv", "pool", "concat"):
            assert f"{PHOTO}/tensor/{tensor['address']}" in links


def test_errors_are_pages_for_people_and_records_for_programs(client: Client) -> None:
    """An error is one line, as an HTML page for browsers and as JSON for programs."""
    page = client.get(f"{PHOTO}/tensor/mixd/conv")
    assert page.status == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "no tensor is called 'mixd/conv'" in html.unescape(page.text)
    record = client.get(f"{PHOTO}/tensor/mixd/conv", {"Accept": "application/json"})
    assert record.json["error"].startswith("no tensor is called 'mixd/conv'")


def test_names_from_outside_are_text(client: Client, chelsea_named: str) -> None:
    """Markup in a photo's name is shown as text."""
    for path in (chelsea_named, f"{chelsea_named}/tensor/conv", f"{chelsea_named}/tensor/conv/filter/0"):
        text = client.get(path).text
        assert "<img src=x" not in text
        assert "</script><b>" not in text


@pytest.fixture
def chelsea_named(client: Client) -> str:
    """The path of the page of a photo whose name tries to inject markup."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "teal").save(buffer, "PNG")
    name = "<img src=x onerror=alert(1)>{{ 7 * 7 }}<|script><b>.png".replace("|", "\\/")
    url: str = client.send([("photo", name.replace('"', ""), buffer.getvalue())]).json["url"]
    return url


def test_the_offline_page_needs_no_server(client: Client) -> None:
    """The offline page is one file that refers only to itself."""
    answer = client.get(f"{PHOTO}/page.html?address=mixed/tower_2/conv&sort=strength&filter=3")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''chelsea.mixed-tower_2-conv.html"
    links = Page(answer.text).links
    assert [link for link in links if not link.startswith(("data:", "#"))] == []
    assert "import " not in re.sub(r'"[^"]*"', "", answer.text.partition('<script type="module">')[2])


def test_without_a_classifier_there_is_no_verdict(net: Network) -> None:
    """Without a classifier, the verdict pages respond with 404, and everything else works."""
    with serving(Backend(net.weights, net.preprocess)) as plain:
        for path in (f"{PHOTO}/verdict", "/report", "/api/photos/demo/verdict", "/api/photos/demo/evidence/0"):
            assert plain.client.get(path).status == 404
        assert plain.client.send([("photo", "x", b"1")], "/api/classify").status == 404
        assert plain.client.get("/api/health").json["classifier"] is None
        assert plain.client.get(PHOTO).status == 200


@pytest.mark.parametrize("threshold", [0.01, 1.0], ids=["the class", "a refusal"])
def test_a_class_called_none_of_these_is_not_a_refusal(threshold: float, net: Network) -> None:
    """Heading and record distinguish a photo of a class called "none of these" from a refused photo."""
    names = (NOTHING, "None of these", "NONE OF THESE")
    made = handmade()
    made = replace(made, head=replace(made.head, classes=names, threshold=threshold))
    with serving(Backend(net.weights, net.preprocess), made) as running:
        record = running.client.get("/api/photos/demo/verdict").json
        page = running.client.get(f"{PHOTO}/verdict").text
    (heading,) = re.findall(r'<h1 class="large">(.*?)</h1>', page)
    assert record["none_of_these"] == (record["verdict"] is None) == (threshold == 1.0)
    assert (html.unescape(heading) == NOTHING) == (threshold == 1.0)
    assert html.unescape(heading) in {NOTHING, *(f"class {name!r}" for name in names)}
    assert ("the threshold is 100.0" in page) == (threshold == 1.0)


def test_a_classifier_without_a_report_says_so(client: Client) -> None:
    """The report's address responds with 404 if the classifier's file contains no report."""
    assert client.get("/report").status == 404


def test_files_are_revalidated_but_not_sent_again(client: Client) -> None:
    """A browser that already has the current version of a file gets a 304."""
    first = client.get("/static/app.js")
    assert first.headers["content-type"].startswith("text/javascript")
    again = client.get("/static/app.js", {"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
