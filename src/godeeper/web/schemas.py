"""The records of the page's interface as JSON Schemas, for its OpenAPI description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
TRUTH: Schema = {"type": "boolean"}


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else {"oneOf": [schema, {"type": "null"}]}


def many(item: Schema, count: int | None = None) -> Schema:
    """A list of that, of ``count`` where it is given."""
    counted = {} if count is None else {"minItems": count, "maxItems": count}
    return {"type": "array", "items": item, **counted}


def by_name(value: Schema) -> Schema:
    """Any names, each with such a value."""
    return {"type": "object", "additionalProperties": value}


def record(**fields: Schema) -> Schema:
    """Exactly these fields, all of them there."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def named(schema: str) -> Schema:
    """One of ``SCHEMAS``."""
    return {"$ref": f"#/components/schemas/{schema}"}


NAMES = by_name(maybe(TEXT))
PLACE = maybe(record(address=TEXT, url=TEXT))
PEEKED: Mapping[str, Schema] = {
    "address": TEXT,
    "names": NAMES,
    "remark": maybe(TEXT),
    "stage": maybe(TEXT),
    "shape": many(WHOLE, 4),
    "channels": maybe(many(WHOLE)),
    "scale": TEXT,
    "dead": many(WHOLE),
    "constant": many(WHOLE),
    "minimum": NUMBER,
    "maximum": NUMBER,
    "macs": WHOLE,
    "macs_share": NUMBER,
    "receptive_field": many(WHOLE, 2),
    "png": maybe(TEXT),
}
FILTER: Mapping[str, Schema] = {
    "filter": WHOLE,
    "minimum": NUMBER,
    "maximum": NUMBER,
    "mean": NUMBER,
    "active": NUMBER,
}
JUDGED: Mapping[str, Schema] = {
    "photo": TEXT,
    "verdict": maybe(TEXT),
    "none_of_these": TRUTH,
    "reason": maybe(TEXT),
    "probabilities": by_name(NUMBER),
    "threshold": maybe(NUMBER),
    "strangeness": maybe(NUMBER),
    "error": maybe(TEXT),
}
VOICE = record(address=TEXT, filter=WHOLE, evidence=NUMBER, share=NUMBER, origin=TEXT)

SCHEMAS: Mapping[str, Schema] = {
    "Error": record(error=TEXT, status=WHOLE),
    "Health": record(status=TEXT, version=TEXT, network=TEXT, weights=TEXT, classifier=maybe(TEXT)),
    "Photo": record(
        photo=TEXT,
        name=TEXT,
        sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
        width=WHOLE,
        height=WHOLE,
        used=many(WHOLE, 4),
        display=many(WHOLE, 2),
        notes=many(TEXT),
        url=TEXT,
    ),
    "Tensors": record(
        network=TEXT,
        tensors=many(
            record(
                address=TEXT,
                names=NAMES,
                remark=maybe(TEXT),
                kind=TEXT,
                stage=maybe(TEXT),
                shape=many(maybe(WHOLE), 3),
                macs=WHOLE,
                macs_share=NUMBER,
                receptive_field=many(WHOLE, 2),
            )
        ),
    ),
    "Peek": record(
        photo=TEXT,
        photo_sha256=TEXT,
        photo_notes=many(TEXT),
        weights=TEXT,
        weights_sha256=TEXT,
        preprocessing=TEXT,
        tensors=many(record(**PEEKED, filters=many(record(**FILTER)))),
        engine=TEXT,
        precision=TEXT,
    ),
    "Tensor": record(
        **PEEKED,
        filters=many(record(**FILTER, strength=NUMBER, selectivity=maybe(NUMBER), strongest=many(WHOLE, 2))),
        kind=TEXT,
        is_rectified=TRUTH,
        legend=TEXT,
        low=maybe(NUMBER),
        high=maybe(NUMBER),
        ends=many(TEXT, 2),
        rows=WHOLE,
        columns=WHOLE,
        tile=many(WHOLE, 2),
        field=record(size=many(WHOLE, 2), jump=WHOLE, padding=many(WHOLE, 2)),
        input_size=WHOLE,
        used=many(WHOLE, 4),
        module=record(title=TEXT, url=TEXT),
        previous=PLACE,
        next=PLACE,
        neighbours=record(before=many(TEXT), after=many(TEXT), branch=many(TEXT)),
        urls=by_name(TEXT),
    ),
    "Judgements": record(classifier=TEXT, engine=TEXT, precision=TEXT, photos=many(record(**JUDGED))),
    "Verdict": record(
        **JUDGED,
        classifier=TEXT,
        false_accept_rate=maybe(NUMBER),
        temperature=NUMBER,
        likeliest=WHOLE,
        classes=many(
            record(
                **{"class": TEXT},
                number=WHOLE,
                probability=NUMBER,
                logit=NUMBER,
                constant=NUMBER,
                modules=by_name(NUMBER),
                urls=by_name(TEXT),
            )
        ),
    ),
    "Evidence": record(
        **{"class": TEXT},
        over=maybe(TEXT),
        total=NUMBER,
        constant=NUMBER,
        modules=many(
            record(
                address=TEXT,
                evidence=NUMBER,
                receptive_field=many(WHOLE, 2),
                area=many(NUMBER, 4),
                grid=many(many(NUMBER)),
            )
        ),
        filters=by_name(many(VOICE)),
        number=WHOLE,
        logit=NUMBER,
        temperature=NUMBER,
        strangeness=NUMBER,
        probability=NUMBER,
        legend=TEXT,
        limit=NUMBER,
        size=many(WHOLE, 2),
        urls=by_name(TEXT),
    ),
    "Description": {"type": "object", "required": ["openapi", "info", "paths"]},
}
"""What the interface answers with, by name."""
