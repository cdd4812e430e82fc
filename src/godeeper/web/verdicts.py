"""The verdict on a stored photo, and the evidence for it, as JSON records."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from ..blueprint.address import resolve_one
from ..errors import UnknownName
from ..explain.evidence import Evidence, from_activations
from ..explain.picture import Question, colour_limit, legend
from ..photos.decode import Photo
from .http.errors import not_found
from .http.root import at
from .pictures import overlay_size
from .state import AppState, classifier_of, state_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from .compute.photo_store import StoredPhoto
    from .record_types import ClassRecord, EvidenceRecord, VerdictRecord


async def evidence_of(request: Request, photo: StoredPhoto) -> Evidence:
    """The evidence for all classes, from the photo's forward pass."""
    state = state_of(request)
    classifier, backend = classifier_of(state), state.backend
    blueprint = backend.network.blueprint
    values = {
        address: await backend.values(photo, resolve_one(blueprint, address)) for address in classifier.head.addresses
    }
    shown = Photo(photo.name, photo.sha256, photo.display_image, photo.notes)
    return await backend.render(lambda: from_activations(classifier, shown, values))


def class_of(found: Evidence, text: str) -> int:
    """The number of a class given by name or number; raises ``UnknownName``."""
    if text in found.classes:
        return found.classes.index(text)
    if text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < len(found.classes):
        return int(text)
    raise UnknownName("class", text[:80], found.classes)


def module_in_query(request: Request, found: Evidence) -> str | None:
    """The module in the query, whose evidence is shown alone; None shows all.  Raises ``UnknownName``."""
    module = request.query_params.get("module")
    addresses = [part.address for part in found.parts]
    if module is not None and module not in addresses:
        raise UnknownName("module", module[:80], addresses)
    return module


def numbered(found: Evidence, number: int) -> int:
    """``number``, if there is a class of that number; raises ``RequestError`` otherwise."""
    if number >= len(found.classes):
        raise not_found(f"no class {number}: there are {len(found.classes)}, from 0 to {len(found.classes) - 1}")
    return number


def verdict_record(state: AppState, photo: StoredPhoto, found: Evidence) -> VerdictRecord:
    """The record of ``classify --json``, with the evidence of each class and the classifier's settings."""
    classifier = classifier_of(state)
    head = classifier.head
    judgement = classifier.judgement(photo.name, np.asarray(found.probabilities), found.strangeness)
    besides = {
        "photo_notes": list(found.photo.notes),
        "classifier": state.site.classifier,
        "threshold": head.threshold,
        "false_accept_rate": head.false_accept_rate,
        "temperature": head.temperature,
        "strangeness": found.strangeness,
        "likeliest": found.likeliest,
        "classes": [class_record(photo, found, number) for number in range(len(found.classes))],
    }
    return cast("VerdictRecord", judgement.record() | besides)


def class_record(photo: StoredPhoto, found: Evidence, number: int) -> ClassRecord:
    """One class of a verdict."""
    return {
        "number": number,
        "class": found.classes[number],
        "probability": float(found.probabilities[number]),
        "logit": float(found.logits[number]),
        "constant": float(found.constant[number]),
        "modules": found.by_module(number),
        "urls": evidence_urls(photo, number),
    }


def evidence_record(photo: StoredPhoto, found: Evidence, number: int, against: int | None) -> EvidenceRecord:
    """The evidence for one class: its grids and constant, their sum (the logit), and the legend of the picture."""
    question, size = Question(number, against), overlay_size(found)
    limit = colour_limit(found, question, size)
    logit = float(found.logits[number]) - (0.0 if against is None else float(found.logits[against]))
    besides = {
        "number": number,
        "logit": logit,
        "temperature": found.temperature,
        "strangeness": found.strangeness,
        "probability": float(found.probabilities[number]),
        "legend": legend(found, question, limit),
        "limit": limit,
        "size": list(size),
        "urls": evidence_urls(photo, number, against),
    }
    return cast("EvidenceRecord", found.record(number, against) | besides)


def evidence_urls(photo: StoredPhoto, number: int, against: int | None = None) -> dict[str, str]:
    """The URLs of the evidence for a class."""
    query = "" if against is None else f"?over={against}"
    return {
        "page": at(f"/photo/{photo.id}/verdict?class={number}"),
        "picture": at(f"/photo/{photo.id}/evidence/{number}.png{query}"),
        "record": at(f"/api/photos/{photo.id}/evidence/{number}{query}"),
    }
