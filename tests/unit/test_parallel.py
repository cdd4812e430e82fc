"""Parallel arithmetic: results in order, one thread for each call, limits restored."""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from tests.unit.classifier.handmade import classifier
from threadpoolctl import threadpool_info

from godeeper.parallel import on_one_thread, parallel_map
from godeeper.training.head import Head


def threads() -> set[int]:
    """Return the number of threads of each matrix library of this process."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_pieces_are_in_order_and_on_one_thread() -> None:
    """Results are in order, each call runs on one thread, and the limits are restored."""
    before = threads()
    assert parallel_map(lambda number: (number, threads()), range(5)) == [(number, {1}) for number in range(5)]
    assert threads() == before


@pytest.mark.skipif(os.cpu_count() == 1, reason="there is only one thread")
def test_one_thread_while_it_is_open() -> None:
    """The limits are restored on leaving the context."""
    before = threads()
    assert before != {1}
    with on_one_thread():
        assert threads() == {1}
    assert threads() == before


def test_a_classifier_judges_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier's head uses one thread, because the network computes at the same time."""
    seen: list[set[int]] = []
    usual = Head.probabilities

    def watched(head: Head, features: Mapping[str, Any]) -> Any:
        seen.append(threads())
        return usual(head, features)

    monkeypatch.setattr(Head, "probabilities", watched)
    photos = [np.full((40, 40, 3), level, np.uint8) for level in range(10)]
    assert len(list(classifier().judge(photos))) == len(photos)
    assert seen == [{1}, {1}]


def test_libraries_that_are_loaded_later() -> None:
    """A library that is loaded after the first call is limited, too."""
    code = """
import numpy
from threadpoolctl import threadpool_info
from godeeper.parallel import on_one_thread
with on_one_thread():
    before = len(threadpool_info())
import scipy.linalg
with on_one_thread():
    found = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
print(len(found) > before, set(found))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1)[1] == "{1}\n"
