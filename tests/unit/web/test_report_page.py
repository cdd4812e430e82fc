"""The page of a report from a classifier's file: complete, or one clear line."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.training.examples import make_report

from godeeper.network import Network
from godeeper.web.http.errors import RequestError
from godeeper.web.pages import SiteFacts, site_of
from godeeper.web.views import report_page


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """Return a report as a classifier's file contains it."""
    found: dict[str, Any] = json.loads(make_report(60).json())
    return found


@pytest.fixture(scope="module")
def site(net: Network) -> SiteFacts:
    return site_of(net, "cars", ("a", "b"), 1)


def test_a_whole_report_is_a_page(site: SiteFacts, record: dict[str, Any]) -> None:
    """A complete report gives a page that states the accuracy."""
    body = bytes(report_page(site, record).body).decode()
    assert "classified correctly" in body
    assert "Confusion matrix" in body


def damaged(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield copies of the record in which one field, at one of two levels, is removed or has another type."""
    paths: list[tuple[str, ...]] = [(name,) for name in record]
    paths += [(name, inner) for name, value in record.items() if isinstance(value, dict) for inner in value]
    for path in paths:
        for value in (None, [], {}, "text", 7, -1.5, True, [None], {"a": None}, ...):
            changed = copy.deepcopy(record)
            place = changed
            for name in path[:-1]:
                place = place[name]
            if value is ...:
                del place[path[-1]]
            else:
                place[path[-1]] = value
            yield changed


def test_a_damaged_report_is_one_clear_line(site: SiteFacts, record: dict[str, Any]) -> None:
    """A field that is missing or has another type gives a page or a 404 with the reason, but never a server error."""
    outcomes: set[int | str] = set()
    for changed in damaged(record):
        try:
            outcomes.add(report_page(site, changed).status_code)
        except RequestError as error:
            outcomes.add(str(error))
    assert outcomes == {
        200,
        "the report in this classifier's file is damaged, or another version's, and cannot be shown; verdicts do not depend on it",
    }
