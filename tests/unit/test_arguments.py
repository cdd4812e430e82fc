"""Arguments of the wrong type give one line with the argument and the value, before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import godeeper
from godeeper.errors import GodeeperError, OptionError
from godeeper.network import Network

LOAD: Callable[..., Any] = godeeper.load
RETRAIN: Callable[..., Any] = partial(godeeper.retrain, "photos")
WRONG: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    *((RETRAIN, {"seed": value}, "seed") for value in (1.5, "0", None, -1, True, float("nan"), [1])),
    *((RETRAIN, {"features": value}, "features") for value in ([], (), "", None, 3, [3], ["mixed/join", ""], {"mixed/join"})),
    *((RETRAIN, {name: value}, name) for name in ("engine", "precision", "weights") for value in (None, 3, ["auto"])),
    *((LOAD, {name: value}, name) for name in ("engine", "precision", "weights") for value in (None, 3, ["auto"], {"auto": 1})),
    (LOAD, {"architecture": 3}, "architecture"),
    (LOAD, {"architecture": ["inception_v3"]}, "architecture"),
    (LOAD, {"weights": ""}, "weights"),
    (LOAD, {"precision": "int8", "calibration": 3}, "calibration"),
    *((LOAD, {name: value}, name) for name in ("fit", "filter") for value in (3, ["crop"])),
]  # fmt: skip


@pytest.mark.parametrize(("call", "arguments", "name"), WRONG)
def test_one_line(call: Callable[..., Any], arguments: dict[str, Any], name: str) -> None:
    """An argument of the wrong type gives one line with the argument, the value and what was expected."""
    with pytest.raises(OptionError) as error:
        call(**arguments)
    assert name in str(error.value)
    assert "expected" in str(error.value) or "address" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("folder", [None, 3, "", ["photos"]])
def test_invalid_folders(folder: Any) -> None:
    """A folder that is not a path is refused."""
    with pytest.raises(OptionError, match="folder "):
        godeeper.retrain(folder)


def test_integers_of_numpy(tmp_path: Path) -> None:
    """A NumPy integer is accepted as a seed; here the only error is about the empty folder."""
    with pytest.raises(GodeeperError, match=r"no such folder|usable photo|no photo"):
        godeeper.retrain(tmp_path, seed=np.int64(3))  # type: ignore[arg-type]  # the test passes a wrong type on purpose


def test_peeks_in_a_notebook(net: Network, chelsea: Path) -> None:
    """In a notebook, a list of peeks shows its pictures; printed, it has one line for each peek."""
    peeks = net.peeks(chelsea)
    assert isinstance(peeks, list)
    assert peeks._repr_html_().count("<img") == 3
    assert repr(peeks[0]) == "<peek at mixed/tower_2/conv, (1, 32, 35, 35), photo 'chelsea.jpg', weights 'bundled'>"
    assert repr(peeks) == f"[{', '.join(map(repr, peeks))}]"


def test_many_peeks_in_a_notebook(net: Network, chelsea: Path) -> None:
    """A notebook shows the first few of many peeks, and the number of the remaining ones."""
    shown = net.peeks(chelsea, [f"mixed/tower_2/conv[{number}]" for number in range(14)])._repr_html_()
    assert shown.count("<img") == 12
    assert shown.endswith("and 2 more")
