"""Threads that work ahead of who asks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest

from godeeper.prefetch import AHEAD, NICENESS, ordered_map, pipelined


def test_answers_come_in_the_order_of_the_items() -> None:
    """Whoever is done first waits."""
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
    """What comes before it is answered."""

    def work(item: int) -> int:
        if item == 3:
            raise ValueError(item)
        return item

    answers = ordered_map(work, range(10))
    assert [next(answers) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="3"):
        next(answers)


def test_only_so_many_items_are_taken_ahead() -> None:
    """An endless supply is no trouble."""
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    answers = ordered_map(lambda item: item, endless())
    for asked in range(1, 4):
        next(answers)
        assert taken == asked + AHEAD - 1
    answers.close()


def test_one_item_is_under_way_while_an_answer_is_used() -> None:
    """One, not more; the answers are in order."""
    begun: list[int] = []
    second = threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            second.set()
        return -item

    answers = pipelined(work, range(4))
    assert next(answers) == 0
    assert second.wait(10)
    assert begun == [0, 1]
    assert list(answers) == [-1, -2, -3]
    assert list(pipelined(work, [])) == []


def test_what_fails_one_ahead_fails_at_its_place() -> None:
    """What comes before it is answered, whether the work fails or the supply of items."""

    def supply() -> Iterator[int]:
        yield from (4, 2)
        raise ValueError("no more")

    answers = pipelined(lambda item: 8 // item, supply())
    assert [next(answers), next(answers)] == [2, 4]
    with pytest.raises(ValueError, match="no more"):
        next(answers)
    answers = pipelined(lambda item: 8 // item, [4, 0, 2])
    assert next(answers) == 2
    with pytest.raises(ZeroDivisionError):
        next(answers)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only whole processes have a priority")
@pytest.mark.parametrize("alone", [False, True])
def test_threads_give_way_to_others(alone: bool) -> None:  # noqa: FBT001 (pytest's)
    """Those that decode beside a network, and nobody else."""

    def niceness(_: int = 0) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert set(ordered_map(niceness, range(8), alone=alone)) == {before if alone else max(before, NICENESS)}
    assert niceness() == before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only whole processes have a priority")
def test_a_system_that_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they do not give way."""

    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    assert list(ordered_map(str, [1, 2])) == ["1", "2"]
