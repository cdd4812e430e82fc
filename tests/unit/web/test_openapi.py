"""The OpenAPI document: complete, correct, and tested by fuzzing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from godeeper.web.openapi import MEDIA
from godeeper.web.routes import ROWS, description
from godeeper.web.schemas import SCHEMAS

if TYPE_CHECKING:
    from tests.unit.web.client import Client
    from tests.unit.web.conftest import Served

EXAMPLES = 12
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_every_route_is_described(client: Client) -> None:
    """The OpenAPI document contains each row of the route table once."""
    paths = client.get("/api/openapi.json").json["paths"]
    described = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    assert described == {(row.method, re.sub(r":\w+}", "}", row.path)) for row in ROWS}
    assert len(described) == len(ROWS)


def test_every_record_is_described() -> None:
    """The response in each row of the route table is a media type or an existing schema."""
    assert [row.gives for row in ROWS if row.gives not in MEDIA and row.gives not in SCHEMAS] == []


def operations() -> list[str]:
    """Return the names of the document's operations."""
    return sorted(operation["operationId"] for path in description()["paths"].values() for operation in path.values())


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", operations())
def test_nothing_breaks_it(name: str, mode: GenerationMode, served: Served) -> None:
    """Valid and invalid requests get responses as described, and never a server error."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{served.port}/api/openapi.json")
    [result] = schema.include(operation_id=name).get_all_operations()
    operation = result.ok()  # type: ignore[union-attr]  # an invalid description raises here

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS)

    try:
        check()
    except hypothesis.errors.Unsatisfiable:
        pytest.skip("this operation has no parameter that could be invalid")


def records(served: Served, photo: bytes) -> dict[str, Any]:
    """Return schema name -> a real response, for each kind of record."""
    client = served.client
    file = ("photo", "cat.jpg", photo)
    data = "/api/photos/demo"
    client.get("/api/filters/mixed/conv/3/visualisation/progress")
    return {
        "Error": client.get("/api/photos/nobody").json,
        "Health": client.get("/api/health").json,
        "Photo": client.send([file]).json,
        "Tensors": client.get("/api/tensors").json,
        "Peek": client.send([file, ("address", None, b"mixed/*"), ("scale", None, b"filter")], "/api/peek").json,
        "Tensor": client.get(f"{data}/tensors/mixed_10/join").json,
        "Judgements": client.send([file], "/api/classify").json,
        "Verdict": client.get(f"{data}/verdict").json,
        "Evidence": client.get(f"{data}/evidence/2?over=cat").json,
        "IndexedFilter": client.get("/api/filters/mixed/join/86").json,
        "Contributions": client.get(f"{data}/contributions/mixed/tower_2/conv/3").json,
        "Names": client.get("/api/filters/mixed/conv/3/names").json,
        "Visualisation": client.get("/api/filters/mixed/conv/3/visualisation").json,
        "Description": client.get("/api/openapi.json").json,
    }


def test_records_are_as_described(served: Served, chelsea: Path) -> None:
    """Real responses match their schemas, field by field."""
    found = records(served, chelsea.read_bytes())
    assert set(found) == set(SCHEMAS)
    for name, record in found.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": dict(SCHEMAS)}}
        jsonschema_rs.validator_for(schema).validate(record)
