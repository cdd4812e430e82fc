"""Addresses and numbers in requests: any fault gives a 4xx with one short line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.unit.blueprint.fuzzing import cases

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.web.client import Client

NUMBERS = ["5" * 5000, "9" * 10, "-1", "٣", "1_000", " 1", "1 ", "+1", "1e3", "0x1", "²", "99999", "", "\x00"]
PATHS = [
    "/photo/demo/tensor/mixed/join/filter/{}",
    "/photo/demo/map/mixed/join/{}.png",
    "/photo/demo/patch/mixed/join/{}.png",
    "/photo/demo/kernel/conv/{}.png",
    "/photo/demo/evidence/{}.png",
    "/api/photos/demo/evidence/{}",
]
STARS = ["*" * 22 + "a", "**?" * 60 + "b", "*" * 300, "**a" * 100]


@pytest.mark.parametrize("path", PATHS)
def test_numbers_in_paths(path: str, client: Client) -> None:
    """Numbers with many digits, signs or non-ASCII digits in a path are refused with a 404 or 422."""
    for number in NUMBERS:
        answer = client.get(path.format(quote(number)), {"Accept": "application/json"})
        assert answer.status in (404, 422), number
        assert len(answer.json["error"]) < 500


@pytest.mark.parametrize("name", ["filter", "rows", "columns"])
def test_numbers_in_queries(name: str, client: Client) -> None:
    """Numbers with many digits, signs or non-ASCII digits are refused in a query, too."""
    path = "page.html?address=conv&" if name == "filter" else "thumbnail/conv.png?"
    for number in NUMBERS:
        answer = client.get(f"/photo/demo/{path}{name}={quote(number)}", {"Accept": "application/json"})
        assert answer.status in (404, 422), number
        assert len(answer.json["error"]) < 500


@pytest.mark.parametrize("pattern", STARS)
def test_patterns_do_not_stop_the_page(pattern: str, client: Client, chelsea: Path) -> None:
    """A pattern of stars gets an immediate response wherever patterns are accepted."""
    photo = ("photo", "chelsea.jpg", chelsea.read_bytes())
    answers = [
        client.get(f"/api/tensors?pattern={quote(pattern)}"),
        client.send([photo, ("address", None, pattern.encode())], "/api/peek"),
        client.get(f"/photo/demo/tensor/{quote(pattern)}"),
        client.get(f"/api/photos/demo/tensors/{quote(pattern)}"),
    ]
    assert all(answer.status in (200, 404, 422) for answer in answers)


def test_slices_in_requests(client: Client) -> None:
    """Long and damaged channel slices are refused with a one-line error."""
    for channels in ("0:999999999999999", "9" * 5000, ",".join("1" * 3000), "", "3:1", "-1", "1e3"):
        answer = client.get(f"/api/tensors?pattern={quote(f'mixed/join[{channels}]', safe='')}")
        assert answer.status == 422, channels
        assert len(answer.json["error"]) < 500


@pytest.mark.parametrize("path", ["/api/tensors?pattern={}", "/photo/demo/tensor/{}", "/photo/demo/levels/{}.png"])
def test_damaged_addresses_in_requests(path: str, client: Client) -> None:
    """Damaged names are found, redirected, or refused with one short line, and the server continues."""
    statuses: Counter[int] = Counter()
    for network, text in cases(120, seed=30):
        if network.name != "inception_v3" or len(text) > 4000:
            continue
        encoded = quote(text.encode("utf-8", "replace"), safe="/" if "tensor/" in path else "")
        answer = client.get(path.format(encoded), {"Accept": "application/json"})
        statuses[answer.status] += 1
        assert answer.status in (200, 307, 404, 422), text
        if answer.status >= 400:
            assert len(answer.json["error"]) < 1500
            assert answer.json["error"].isprintable()
    assert statuses[404] > 10
    assert client.get("/api/health").status == 200
