"""Requests with faulty paths, queries, headers or forms all get a response, and none gets a 5xx."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.web.asking import answer
from tests.unit.web.conftest import handmade
from tests.unit.web.fuzzing import applications, cases
from tests.unit.web.outcome import outcome

from godeeper.web.compute.backend import Backend

if TYPE_CHECKING:
    from starlette.types import ASGIApp

CASES = 2000


@pytest.fixture(scope="module")
def apps() -> list[ASGIApp]:
    classifier = handmade()
    return applications(Backend(classifier.weights_file, classifier.preprocess), classifier)


def test_every_request_gets_a_response(apps: list[ASGIApp], caplog: pytest.LogCaptureFixture) -> None:
    """No request causes an exception, a 5xx, a hang or output, and no response has an injected header or a local path."""

    async def failures() -> list[tuple[int, str]]:
        found = [(number, await outcome(apps[case.app], case)) for number, case in enumerate(cases(CASES, seed=0))]
        return [(number, wrong) for number, wrong in found if wrong]

    assert asyncio.run(failures()) == []
    assert caplog.records == []


def test_a_query_that_is_not_utf8_is_passed_on(apps: list[ASGIApp]) -> None:
    """A page requested under another name redirects to its own URL, for any bytes in the query."""
    got = answer(apps[0], "/photo/demo/tensor/keras:mixed9?scale=filter&x=\xd6")
    assert (got.status, got.headers["location"].partition("?")[2]) == (307, "scale=filter&x=%D6")
