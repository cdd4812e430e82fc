"""Threads that work ahead of their consumer."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest

from godeeper.prefetch import AHEAD, NICENESS, ordered_map, pipelined


def test_results_are_in_the_order_of_the_items() -> None:
    """Results are returned in the order of the items, even if a later result is ready first."""
    gate = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            gate.wait(10)
        else:
            gate.set()
        return item * item

    assert list(ordered_map(work, range(2), alone=True)) == [0, 1]
    assert list(ordered_map(work, range(100))) == [item * item for item in range(100)]


def test_an_error_is_raised_at_its_place() -> None:
    """The results before a failed item are returned, and then its error is raised."""

    def work(item: int) -> int:
        if item == 3:
            raise ValueError(item)
        return item

    results = ordered_map(work, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="3"):
        next(results)


def test_only_so_many_items_are_taken_ahead() -> None:
    """An endless iterable is consumed only as fast as the results."""
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = ordered_map(lambda item: item, endless())
    for asked in range(1, 4):
        next(results)
        assert taken == asked + AHEAD - 1
    results.close()


def test_one_item_is_computed_while_a_result_is_used() -> None:
    """Exactly one item is computed ahead, and results are in order."""
    begun: list[int] = []
    second = threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            second.set()
        return -item

    results = pipelined(work, range(4))
    assert next(results) == 0
    assert second.wait(10)
    assert begun == [0, 1]
    assert list(results) == [-1, -2, -3]
    assert list(pipelined(work, [])) == []


def test_a_failure_one_ahead_is_raised_at_its_place() -> None:
    """The results before a failure are returned first, whether the work or the iterable fails."""

    def source() -> Iterator[int]:
        yield from (4, 2)
        raise ValueError("no more")

    results = pipelined(lambda item: 8 // item, source())
    assert [next(results), next(results)] == [2, 4]
    with pytest.raises(ValueError, match="no more"):
        next(results)
    results = pipelined(lambda item: 8 // item, [4, 0, 2])
    assert next(results) == 2
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have their own priority on Linux only")
@pytest.mark.parametrize("alone", [False, True])
def test_decoding_threads_have_a_lower_priority(alone: bool) -> None:  # noqa: FBT001 (pytest's)
    """Only threads that decode while a network computes have a lower priority."""

    def niceness(_: int = 0) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert set(ordered_map(niceness, range(8), alone=alone)) == {before if alone else max(before, NICENESS)}
    assert niceness() == before


@pytest.mark.skipif(sys.platform != "linux", reason="threads have their own priority on Linux only")
def test_a_system_that_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """If priorities cannot be changed, decoding works with the usual priority."""

    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    assert list(ordered_map(str, [1, 2])) == ["1", "2"]
