"""Damaged classifier files: each seed always gives the same file, with one or more faults.

There are four kinds: changed, cut or moved bytes; zips with other members; JSON with other values; arrays with other types,
shapes and values.  All kinds but the first are valid zips with correct checksums, so they reach the code that reads the
content.
"""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
from tests.unit.classifier.handmade import classifier, ood_model

from godeeper.classifier.classifier import Classifier
from godeeper.classifier.file import DESCRIPTION, HEAD, REPORT, packed
from godeeper.errors import ClassifierError, GodeeperError

ADDRESS = ("mixed/tower_2/conv",)
RECORD: dict[str, Any] = {
    "classes": ["a", "b"],
    "test": {"accuracy": 0.9, "interval": [0.7, 0.97], "n": 20, "by": "a test set"},
    "test_photos": ["a/1.jpg"],
    "notes": ["few photos"],
}
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 3, 10**5, 10**400, 0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), "", " ", "a", "NaN",
    "\x00", "\ud800", "\x1b[2J", "../../etc/passwd", "/dev/zero", "x" * 5000, "**", "mixed*/join[0]", "bundled", [], [[]], {},
    ["a"], ["a", "a"], [1, 2, 3], {"a": 1}, [None] * 9, "0" * 64,
]  # fmt: skip
NUMBERS = [0, 1, -1, np.nan, np.inf, -np.inf, 1e38, 1e-45]


def tiny() -> Classifier:
    """Return a complete classifier, whose file is about 6 kB."""
    made = classifier(ADDRESS, ("a", "b"), 0.4, ood_model=ood_model(ADDRESS))
    made.report_record = RECORD
    return made


def mangled(payload: bytes, seed: int) -> bytes:
    """Return ``payload``, a classifier file, with the faults that ``seed`` selects."""
    dice = random.Random(seed)
    return dice.choice(KINDS)(payload, dice)


def bytes_changed(payload: bytes, dice: random.Random) -> bytes:
    """Return ``payload`` with some bytes overwritten, deleted or duplicated."""
    found = bytearray(payload)
    for _ in range(dice.choice([1, 1, 2, 8])):
        tail = dice.random() < 0.5  # the directory of a zip is at its end
        start = dice.randrange(max(0, len(found) - 400) if tail else 0, len(found))
        length = dice.choice([1, 2, 4, 40, 400])
        piece = bytes(found[start : start + length])
        other = dice.choice([b"", piece * 2, dice.randbytes(len(piece)), b"\xff" * len(piece), b"\x00" * len(piece)])
        found[start : start + length] = other
        if not found:
            break
    return bytes(found)


def members_changed(payload: bytes, dice: random.Random) -> bytes:
    """Return the zip with a member removed, duplicated, renamed, truncated, overwritten or added; sometimes compress all."""
    found = list(members(payload).items())
    place = dice.randrange(len(found))
    name, content = found[place]
    changes: list[Callable[[], Any]] = [
        lambda: found.pop(place),
        lambda: found.insert(place, (name, content)),
        lambda: found.__setitem__(place, (name, dice.choice(found)[1])),
        lambda: found.__setitem__(place, (name, content[: dice.randrange(len(content))])),
        lambda: found.__setitem__(place, (name, dice.choice([b"[", b'{"a":', b"["]) * dice.randrange(90_000))),
        lambda: found.append((dice.choice(["../x", "/x", "x.pkl", "", "a" * 9000, f"{name}/"]), content)),
        lambda: found.__setitem__(place, (dice.choice([name.upper(), f"./{name}", f"{name}\x00x"]), content)),
    ]
    dice.choice(changes)()
    return zipped(found, dice.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))


def json_changed(payload: bytes, dice: random.Random) -> bytes:
    """Return the zip with changed or deleted values anywhere in the description or the report."""
    found = members(payload)
    name = dice.choice([DESCRIPTION, DESCRIPTION, REPORT])
    document = json.loads(found[name])
    for _ in range(dice.choice([1, 1, 1, 3])):
        document = changed(document, dice)
    text = json.dumps(document).encode("utf-8", "surrogatepass")
    return zipped(list((found | {name: text}).items()))


def changed(document: Any, dice: random.Random) -> Any:
    """Return ``document`` with one value changed, at any depth."""
    inside = list(document.items() if isinstance(document, dict) else enumerate(document)) if nested(document) else []
    if not inside or dice.random() < 0.1:
        return deepcopy(dice.choice(VALUES))
    key, value = dice.choice(inside)
    if isinstance(document, dict) and dice.random() < 0.1:
        del document[key]
    else:
        document[key] = changed(value, dice)
    return document


def nested(value: Any) -> bool:
    """Return whether a JSON value contains others."""
    return isinstance(value, (dict, list))


def arrays_changed(payload: bytes, dice: random.Random) -> bytes:
    """Return the zip with another shape, type or values of an array, or with another safetensors header."""
    from safetensors.numpy import load, save

    found = members(payload)
    if dice.random() < 0.4:
        return zipped(list((found | {HEAD: header_changed(found[HEAD], dice)}).items()))
    arrays = load(found[HEAD])
    name = dice.choice(list(arrays))
    array = arrays[name]
    choices: list[Callable[[], Any]] = [
        lambda: array.astype(dice.choice([np.float16, np.float64, np.int8, np.bool_])),
        lambda: array[..., : dice.randrange(array.shape[-1])],
        lambda: array[None],
        lambda: array.reshape(-1)[:0],
        lambda: np.where(np.arange(array.size).reshape(array.shape) == dice.randrange(array.size), dice.choice(NUMBERS), array),
        lambda: (array * dice.choice(NUMBERS)).astype(np.float32),
    ]  # fmt: skip
    with np.errstate(all="ignore"):
        arrays[name] = np.ascontiguousarray(dice.choice(choices)())
    if dice.random() < 0.1:
        del arrays[name]
    return zipped(list((found | {HEAD: save(arrays)}).items()))


def header_changed(payload: bytes, dice: random.Random) -> bytes:
    """Return a safetensors file whose header has other values or another length."""
    (length,) = struct.unpack("<Q", payload[:8])
    header = json.dumps(changed(json.loads(payload[8 : 8 + length]), dice)).encode()
    said = dice.choice([len(header), len(header), len(header), 0, 1 << 40, (1 << 64) - 1])
    return struct.pack("<Q", said) + header + payload[8 + length :]


KINDS = (bytes_changed, members_changed, json_changed, json_changed, arrays_changed)


def members(payload: bytes) -> dict[str, bytes]:
    """Return name -> content of a zip's members."""
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of these members in their order; a name may occur twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def outcome(made: Callable[[], Classifier]) -> str | None:
    """Call ``made``; return None if it raises a one-line error or returns a working classifier, and otherwise the fault."""
    try:
        found = made()
    except ClassifierError as error:
        message = str(error)
        return None if "\n" not in message and len(message) < 700 else f"a message of {len(message)} characters"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return fault(found)


def fault(classifier: Classifier) -> str | None:
    """Return the fault in a loaded classifier's results for a photo's features, or None."""
    width = classifier.head.mean.size
    features = {classifier.head.addresses[0]: np.random.default_rng(0).uniform(0, 1, (3, width)).astype(np.float32)}
    try:
        with np.errstate(all="ignore"):
            likely = classifier.likelihoods(features)
        [classifier.verdict_of(row) for row in likely]
        text = f"{classifier!r} {classifier.report!r}"
    except GodeeperError:
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    sound = np.isfinite(likely).all() and np.allclose(likely.sum(1), 1) and "\n" not in text and "\x1b" not in text
    return None if sound else f"probabilities {likely}, {text!r}"


def whole() -> bytes:
    """Return the intact file that ``mangled`` starts from."""
    return packed(tiny())
