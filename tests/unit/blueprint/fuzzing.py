"""Addresses made by a grammar: names, wildcards, slices and what does not belong there.

Used by the unit tests and by ``bench/fuzz/addresses.py``.
"""

from __future__ import annotations

import contextlib
import difflib
import sys
from collections.abc import Iterator
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

from godeeper.blueprint.address import meanings, pattern_names, resolve
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.errors import AddressError

if TYPE_CHECKING:
    from types import FrameType

    from godeeper.blueprint.ops import Blueprint

LONGEST_MESSAGE = 1200  # characters: the input at most 80, of which an escape may take ten, and five names
LINES_A_CHARACTER = 10  # of code, for each character of the network's names
LINES_BESIDES = 60_000  # for reading the address, and listing what it means

WILDCARDS = ["*", "**", "***", "?", "*?", "**/", "/**", "*.", "**?*"]
ODD = [
    "\x00",
    "\x1b[31m",
    "\n",
    "\t",
    "\u202e",
    "\ud800",
    "é",
    "鳥",
    "٣",
    "²",
    "ﬁ",
    "\U0001f408",
    " ",
    "  ",
    "\\",
    "%2F",
    "..",
    "'",
    '"',
]
MARKS = [
    ":",
    ":0",
    ":1",
    ":00",
    "::",
    "[",
    "]",
    "[]",
    "/",
    ".",
    "_",
    "-",
    "(",
    ")",
    "keras:",
    "keras2.2:",
    "slim:",
    "tf2015:",
    "Keras:",
]
NUMBERS = [
    "0",
    "1",
    "7",
    "31",
    "32",
    "2047",
    "2048",
    "-1",
    "+1",
    "1e3",
    "0x1",
    "1_0",
    "007",
    "9" * 9,
    "9" * 10,
    "9" * 4301,
    "999999999999999",
]


def cases(count: int, seed: int = 0) -> Iterator[tuple[Blueprint, str]]:
    """``count`` networks and addresses, always the same for one ``seed``."""
    draw = Random(seed)
    networks = [*BLUEPRINTS.values(), BLUEPRINTS["inception_v3"]]
    for _ in range(count):
        network = draw.choice(networks)
        yield network, address(draw, network)


def address(draw: Random, blueprint: Blueprint) -> str:
    """One address; most are nearly right."""
    text = draw.choice(known(blueprint))
    if draw.random() < 0.2:
        text = draw.choice(["keras:", "keras2.2:", "slim:", "bvlc:", "timm:", "odd:"]) + text
    for _ in range(draw.randrange(4)):
        text = damaged(draw, text)
    if draw.random() < 0.5:
        text += f"[{channels(draw)}]"
    return text + draw.choice(["", "", "", ":0", ":1", ":0:0", " "])


def damaged(draw: Random, text: str) -> str:
    """``text`` with something put in, taken out, repeated or changed."""
    start = draw.randrange(len(text) + 1)
    end = min(len(text), start + draw.randrange(6))
    piece = draw.choice(draw.choice([WILDCARDS[:4], ODD, MARKS, ODD, MARKS]))
    match draw.randrange(6):
        case 0:
            return text[:start] + piece + text[start:]
        case 1:
            return text[:start] + text[end:]
        case 2:
            return text[:start] + piece + text[end:]
        case 3:
            return text[:start] + text[start:end] * draw.choice([2, 3, 50, 2000]) + text[end:]
        case 4:
            return text.swapcase() if draw.random() < 0.5 else ""
    return text[:start] + draw.choice(WILDCARDS) * draw.choice([1, 1, 2, 22, 100]) + text[end:]


def channels(draw: Random) -> str:
    """What stands in brackets."""
    parts = [draw.choice(NUMBERS) if draw.random() < 0.7 else str(draw.randrange(40)) for _ in range(draw.randrange(4))]
    text = draw.choice([",", ":", ", ", ",,", "::"]).join(parts)
    return draw.choice([text, text, text, f"{text}:", f":{text}", text * draw.choice([1, 3000]), draw.choice(ODD)])


@lru_cache(maxsize=8)
def known(blueprint: Blueprint) -> tuple[str, ...]:
    """All names of a network."""
    return tuple(meanings(blueprint))


def check(blueprint: Blueprint, text: str) -> bool:
    """Resolve ``text``; raises where anything but tensors or one short line comes of it.  Returns whether it has a meaning."""
    try:
        tensors = resolve(blueprint, text)
    except AddressError as error:
        message = str(error)
        assert len(message) <= LONGEST_MESSAGE, (text[:200], len(message))
        assert message.isprintable(), text[:200]
        return False
    assert tensors, text
    assert all(0 < tensor.shape[0] <= tensor.site.shape[0] for tensor in tensors), text
    assert all(resolve(blueprint, tensor.address) == (tensor,) for tensor in tensors[:1]), text
    return True


@contextlib.contextmanager
def without_suggestions() -> Iterator[None]:
    """Unknown names are not compared with all that there are, which takes most of the time."""
    with mock.patch.object(difflib, "get_close_matches", return_value=[]):
        yield


def count_lines(blueprint: Blueprint, text: str) -> int:
    """How many lines of godeeper's code run while ``text`` is resolved."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if "godeeper" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(AddressError):
            resolve(blueprint, text)
    finally:
        sys.settrace(before)
    return count


def most_lines(blueprint: Blueprint) -> int:
    """How many lines of code an address may take, whatever it is."""
    for convention in (None, "keras", "slim"):
        with contextlib.suppress(KeyError):
            pattern_names(blueprint, convention)  # tables are made once
    characters = sum(len(name) for name in known(blueprint))
    return LINES_A_CHARACTER * characters + LINES_BESIDES
