"""JSON Schemas derived from types."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import pytest

from godeeper.peek.records import Length
from godeeper.web.record_types import Pattern
from godeeper.web.schemas import Schema, schema_of


class Point(TypedDict):
    """A record for these tests."""

    x: int
    name: str | None


POINT: Schema = {
    "type": "object",
    "properties": {"x": {"type": "integer", "minimum": 0}, "name": {"type": ["string", "null"]}},
    "required": ["x", "name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (bool, {"type": "boolean"}),
        (list[float], {"type": "array", "items": {"type": "number"}}),
        (
            Annotated[list[str], Length(2)],
            {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        ),
        (Annotated[str, Pattern("^a$")], {"type": "string", "pattern": "^a$"}),
        (dict[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}),
        (Point, POINT),
        (Point | None, {**POINT, "type": ["object", "null"]}),
    ],
)
def test_schemas_follow_from_types(kind: Any, schema: Schema) -> None:
    """Each type that a record may contain gives the expected JSON Schema."""
    assert schema_of(kind) == schema


def test_other_types_are_refused() -> None:
    """A type that JSON does not have raises ``TypeError``."""
    with pytest.raises(TypeError, match="no schema"):
        schema_of(bytes)
