"""Check arguments of the Python API, where callers can pass any type; each error is one line."""

from __future__ import annotations

import operator
import os
from typing import Any

from .errors import OptionError, quoted

LARGEST_SEED = 2**32 - 1  # the largest that scikit-learn accepts


def text(name: str, value: Any, example: str) -> str:
    """Return ``value`` if it is a string, else raise ``OptionError``."""
    if not isinstance(value, str):
        raise OptionError(f"{name} {quoted(value)}: expected text, such as {example!r}")
    return value


def place(name: str, value: Any) -> Any:
    """Return ``value`` if it can be a path, else raise ``OptionError``."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise OptionError(f"{name} {quoted(value)}: expected a path or a name")
    return value


def seed(value: Any) -> int:
    """Return ``value`` as an int if it can be a seed, else raise ``OptionError``."""
    try:
        number = operator.index(value)  # accepts NumPy's integers too
    except TypeError:
        number = -1
    if not 0 <= number <= LARGEST_SEED or isinstance(value, bool):
        raise OptionError(f"seed {quoted(value)}: expected a whole number from 0 to {LARGEST_SEED}")
    return number


def addresses(name: str, value: Any) -> list[str]:
    """Return the addresses in a list or a comma-separated string; raise ``OptionError`` for anything else."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not names:
        raise OptionError(f"{name} {quoted(value)}: expected an address, or a list of addresses")
    for each in names:
        if not isinstance(each, str) or not each.strip():
            raise OptionError(f"{name} {quoted(value)}: {quoted(each)} is not an address; see: godeeper tensors")
    return list(names)
