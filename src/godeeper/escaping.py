r"""Escape names for output, so that a terminal, a browser or a spreadsheet does not interpret them.

Class names and file names come from users' folders.  A control character can colour a terminal.  A bidirectional
override makes ``gpj.exe`` look like ``exe.jpg``.  A line break starts a new line.  A spreadsheet evaluates a cell that
starts with ``=``.  All text that godeeper prints or writes for people passes through this module.

================  ====================================================================
terminal, PNG     ``escaped``: ``\x1b``, ``\n``, ``\u202e``
HTML, SVG         ``escaped_html``: the same, and ``<``, ``>``, ``&``, quotes
JSON              ``json_text``: JSON's own escapes, so that a program reads the exact name
CSV               ``csv_cell``: escaped, and an apostrophe before a formula
================  ====================================================================
"""

from __future__ import annotations

import html
import json
import re
from contextlib import suppress
from typing import Any

SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""Spaces that occur in file names and are shown unchanged, although ``str.isprintable`` rejects them."""

BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")
FORMULA = ("=", "+", "-", "@")
LOW_SURROGATE = range(0xDC80, 0xDD00)
"""Python's surrogates for bytes that are not UTF-8: 0xDC00 plus the byte."""


def escaped(text: object) -> str:
    r"""``text`` with invisible characters as Python escapes.

    These are control, format and bidirectional characters, line breaks, and bytes that are not UTF-8.

    >>> escaped("photo\x1b[2J\n.jpg")
    'photo\\x1b[2J\\n.jpg'
    """
    whole = str(text)
    if whole.isprintable():
        return whole
    return "".join(each if is_visible(each) else escape_of(each) for each in whole)


def is_visible(character: str) -> bool:
    """Whether a character is shown and has no other effect."""
    return character.isprintable() or character in SPACES


def escape_of(character: str) -> str:
    r"""One character as ``\n``, ``\x1b``, ``\u202e`` or ``\U000e0001``."""
    if ord(character) in LOW_SURROGATE:
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def escaped_html(text: object) -> str:
    r"""``text`` for HTML and SVG, in an element or an attribute.

    >>> escaped_html("<b>\u202egpj.exe")
    '&lt;b&gt;\\u202egpj.exe'
    """
    return html.escape(escaped(text))


def csv_cell(text: object) -> str:
    r"""``text`` escaped for a CSV cell.  An apostrophe precedes text that a spreadsheet would evaluate as a formula.

    >>> [csv_cell(each) for each in ("cat", "=1+1", "-", "a\r\nb")]
    ['cat', "'=1+1", '-', 'a\\r\\nb']
    """
    cell = escaped(text)
    return f"'{cell}" if cell.startswith(FORMULA) and len(cell) > 1 else cell


def json_text(document: Any, *, indent: int | None = None, encoding: str = "utf-8", allow_nan: bool = True) -> str:
    r"""JSON that is safe to print: ``\u`` escapes replace invisible characters and those that ``encoding`` cannot encode.

    The text is one line without spaces unless ``indent`` is given.

    >>> json_text({"class": "caf\u00e9 \u202e"})
    '{"class":"café \\u202e"}'
    """
    text = json.dumps(
        document,
        indent=indent,
        separators=None if indent else (",", ":"),
        ensure_ascii=False,
        allow_nan=allow_nan,
    )
    if text.isascii() and "\x7f" not in text:
        return text
    return BEYOND_ASCII.sub(lambda match: json_character(match[0], encoding), text)


def json_character(character: str, encoding: str) -> str:
    """One character in a JSON string: unchanged if it can be shown, else escaped."""
    if is_visible(character):
        with suppress(UnicodeEncodeError):
            character.encode(encoding)
            return character
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]
