"""The verdict "none of these" states its reason, and is distinguished from a class of that name."""

from __future__ import annotations

import pytest

from godeeper.classifier.judgement import Judgement
from godeeper.classifier.refusal import NOTHING, why_refused, written


@pytest.mark.parametrize("name", [NOTHING, "None of these ", " NONE  of\tthese", "none\u00a0of these"])
def test_a_class_of_that_name_is_not_a_refusal(name: str) -> None:
    """A class named "none of these", in any case or spacing, is quoted, marked as a class, and recorded as a class."""
    assert written(None) == NOTHING
    assert written(name) == f"class {name!r}"
    record = Judgement("a.jpg", name, {name: 0.9, "b": 0.1}, threshold=0.5).record()
    assert (record["none_of_these"], record["reason"], record["verdict"]) == (False, None, name)


def test_other_names_are_written_as_they_are() -> None:
    """Other class names are printed unchanged."""
    assert written("none of those") == "none of those"


def test_the_reason_has_the_numbers() -> None:
    """The reason states the likeliest class, its probability, the threshold, and how unfamiliar the photo is."""
    reason = why_refused({"cat": 0.41, "dog": 0.3}, 0.632, 3.14159)
    assert reason is not None
    for part in ("'cat'", "41.0%", "63.2%", "by 3.14"):
        assert part in reason
    usual = why_refused({"cat": 0.41}, 0.632, 1.0)
    assert usual is not None
    assert "not unusual" in usual


@pytest.mark.parametrize(("probabilities", "threshold"), [({}, 0.5), ({"a": 0.6}, None), ({"a": 0.6}, 0.6)])
def test_no_reason_without_a_refusal(probabilities: dict[str, float], threshold: float | None) -> None:
    """An unreadable photo, a classifier without a threshold, and a photo above the threshold have no reason."""
    assert why_refused(probabilities, threshold, 2.0) is None


def test_an_unreadable_photo_is_not_refused() -> None:
    """An unreadable photo has no verdict, and is not "none of these"."""
    judged = Judgement("a.jpg", None, {}, "the file is empty")
    assert not judged.is_refused
    assert judged.record()["none_of_these"] is False
