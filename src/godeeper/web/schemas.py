"""JSON Schemas of the page's records, derived from ``record_types``, for the OpenAPI description."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints, is_typeddict

from ..peek.records import Length, PeekRecord
from . import record_types
from .account import record_types as account
from .record_types import Pattern

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
TRUTH: Schema = {"type": "boolean"}
SIMPLE: Mapping[type, Schema] = {str: TEXT, float: NUMBER, int: WHOLE, bool: TRUTH}


def schema_of(kind: Any) -> Schema:
    """The schema of a simple type, a list, a dictionary, a typed dictionary, or an optional one of these."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    if is_typeddict(kind):
        return record(kind)
    arguments = get_args(kind)
    match get_origin(kind):
        case origin if origin is Annotated:
            return schema_of(arguments[0]) | constraint(arguments[1])
        case origin if origin is list:
            return {"type": "array", "items": schema_of(arguments[0])}
        case origin if origin is dict:
            return {"type": "object", "additionalProperties": schema_of(arguments[1])}
        case origin if origin is UnionType and arguments[1:] == (NoneType,):
            return nullable(schema_of(arguments[0]))
    raise TypeError(f"no schema for {kind}: expected a type of JSON")


def record(kind: Any) -> Schema:
    """The schema of a typed dictionary: exactly these fields, all required."""
    fields = {name: schema_of(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def constraint(limit: Length | Pattern) -> Schema:
    """The keywords of a constraint on a type."""
    if isinstance(limit, Length):
        return {"minItems": limit.count, "maxItems": limit.count}
    return {"pattern": limit.regex}


def nullable(schema: Schema) -> Schema:
    """The schema, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def named(schema: str) -> Schema:
    """A reference to one of ``SCHEMAS``."""
    return {"$ref": f"#/components/schemas/{schema}"}


SCHEMAS: Mapping[str, Schema] = {
    "Error": record(record_types.ErrorRecord),
    "Health": record(record_types.HealthRecord),
    "Photo": record(record_types.PhotoRecord),
    "Tensors": record(record_types.TensorsRecord),
    "Peek": record(PeekRecord),
    "Tensor": record(record_types.TensorRecord),
    "Judgements": record(record_types.JudgementsRecord),
    "Verdict": record(record_types.VerdictRecord),
    "Evidence": record(record_types.EvidenceRecord),
    "IndexedFilter": record(record_types.IndexedFilterRecord),
    "Contributions": record(account.ContributionsRecord),
    "Names": record(account.NamesRecord),
    "Visualisation": record(account.VisualisationRecord),
    "Description": {"type": "object", "required": ["openapi", "info", "paths"]},
}
"""The records of responses, by name."""
