"""The report: consistent numbers, one page without scripts or outside addresses, every name escaped."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from godeeper.report.report import Report
from godeeper.training.metrics import wilson

from ..training.examples import NAMES, make_report, make_thumbnails

VOID = {"meta", "br", "image", "use", "path", "circle"}


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report()


class Page(HTMLParser):
    """A parsed page: its texts, links and ids, and the elements that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_page_is_whole(report: Report) -> None:
    """Every element is closed, every link within the page has a target, and no id is used twice."""
    page = Page(report.html(make_thumbnails))
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    inner = {link[1:] for link in page.links if link.startswith("#")}
    assert inner
    assert inner <= set(page.ids)


def test_page_needs_nothing_else(report: Report) -> None:
    """The page has no script and no outside address: every link leads to a place or a picture in the page."""
    page = Page(report.html(make_thumbnails))
    assert not page.tags & {"script", "link", "iframe", "img"}
    assert all(link.startswith(("#", "data:image/jpeg;base64,")) for link in page.links)


def test_names_are_escaped(report: Report) -> None:
    """Class and file names with < & and quotes are text, never markup."""
    text = report.html(make_thumbnails)
    page = Page(text)
    assert "a<b>" not in text
    assert {*NAMES} <= set(page.texts)
    assert not page.tags & {"others", "photos"}


def test_pictures_are_in_the_page_once(report: Report) -> None:
    """A photo that is shown twice is stored once."""
    text = report.html(make_thumbnails)
    stored = re.findall(r'href="(data:[^"]+)"', text)
    assert len(stored) == len(re.findall(r"<image ", text)) < len(re.findall(r"<use ", text)) + 1


def test_page_without_pictures(report: Report) -> None:
    """A page without thumbnails still shows the names of the photos."""
    text = report.html()
    assert "<image" not in text
    assert "photo 1 " in text


def test_few_photos_give_a_warning() -> None:
    """A wide interval has a warning that explains the number of photos n; a narrow interval has no warning."""
    few = make_report(24)
    assert few.caution is not None
    assert few.caution.startswith("n = 24 photos: too few to measure")
    assert few.caution in " ".join(Page(few.html()).texts)
    assert make_report(400, 5.0).caution is None


def test_suspects_come_with_a_caution(report: Report) -> None:
    """If many photos are misclassified, the page says that suspects may be correctly labelled."""
    assert report.suspects
    assert "may just be hard to classify" in report.html()


def test_record(report: Report, tmp_path: Path) -> None:
    """The report's JSON has the documented fields, and the numbers in it are consistent."""
    record = json.loads(report.save_json(tmp_path / "report.json").read_text())
    assert {"classifier", "classes", "photos", "test", "features", "seconds"} <= set(record)
    assert record["photos"] == {"used": 159, "repaired": 1, "quarantined": 1}
    assert record["test"]["n"] == np.sum(record["confusion"]) == 160
    np.testing.assert_allclose(record["test"]["accuracy"], 1 - len(record["misclassified"]) / 160)
    low, high = record["test"]["interval"]
    assert low < record["test"]["accuracy"] < high


def test_a_report_without_results(report: Report, tmp_path: Path) -> None:
    """A report without a tested photo, score or threshold is still a page and valid JSON."""
    unknown = dict.fromkeys(report.selection.scores, (float("nan"), float("nan")))
    bare = replace(
        report,
        paths=(),
        truth=np.zeros(0, np.int64),
        logits=np.zeros((0, 4)),
        calibrated=None,
        selection=replace(report.selection, scores=unknown),
        threshold=None,
        unknown=None,
        curve=(),
        forecast=None,
        suspects=(),
        verdicts=(),
    )
    assert json.loads(bare.save_json(tmp_path / "bare.json").read_text())["test"]["accuracy"] is None
    assert "too few photos to hold any out" in bare.html()


def test_save_writes_the_page(report: Report, tmp_path: Path) -> None:
    """``save`` writes the page to the file in UTF-8."""
    path = report.save(tmp_path / "report.html", make_thumbnails)
    assert path.read_text("utf-8") == report.html(make_thumbnails)


def unbalanced(report: Report, right: int) -> Report:
    """Return a report on 137 photos of one class, all correct, and three photos of another class, of which ``right`` are correct."""
    truth = np.array([0] * 137 + [1] * 3)
    predicted = np.array([0] * (140 - right) + [1] * right)
    return replace(
        report,
        classes=("common", "rare"),
        truth=truth,
        logits=4.0 * np.eye(2)[predicted],
        calibrated=None,
        paths=tuple(map(str, range(140))),
        majority=0,
        unknown=None,
        suspects=(),
        twins=(),
    )


def test_no_better_than_guessing_is_reported(report: Report) -> None:
    """If 137 and 3 photos are all predicted as the larger class, the baseline is 97.9 %, and the balanced accuracy one half."""
    lazy = unbalanced(report, 0)
    record = lazy.record()["test"]
    assert record["accuracy"] == pytest.approx(137 / 140)
    assert record["balanced_accuracy"] == 0.5
    assert "no better than always guessing the largest class, 'common' (97.9%)" in record["caution"]
    texts = " ".join(Page(lazy.html()).texts)
    assert record["caution"] in texts
    assert "50.0%" in texts


def test_hardly_better_than_guessing_is_reported(report: Report) -> None:
    """If the interval contains the baseline, a higher accuracy may be due to chance."""
    assert "not clearly better" in (unbalanced(report, 2).caution or "")


def test_near_duplicates_widen_the_interval(report: Report) -> None:
    """For the interval, forty groups of four near-duplicates count as forty photos."""
    grouped = replace(report, groups=np.arange(160) // 4)
    assert grouped.effective == 40
    assert grouped.accuracy.n == 160
    assert grouped.accuracy.value == report.accuracy.value
    assert grouped.accuracy.low < report.accuracy.low
    assert grouped.accuracy.high > report.accuracy.high


@pytest.mark.parametrize(
    ("by", "copies", "counted"),
    [
        ("a test set", 1, None),
        ("a test set", 4, "counts them as 40, since near-duplicates count once"),
        ("cross-validation", 1, "counts them as 80, since each cross-validated photo counts half"),
        ("cross-validation", 4, "counts them as 20, since near-duplicates count once and each cross-validated photo counts half"),
    ],
)  # fmt: skip
def test_what_the_interval_counts_is_said(report: Report, by: str, copies: int, counted: str | None) -> None:
    """Page and JSON state how many independent photos the interval assumes, and why these are fewer than the tested photos."""
    one = replace(report, tested_by=by, groups=np.arange(160) // copies)
    test = one.record()["test"]
    assert test["interval"] == pytest.approx(wilson(test["accuracy"] * test["interval_n"], test["interval_n"]))
    words = " ".join(Page(one.html()).texts)
    assert (counted in words) if counted else ("counts them as" not in words)


def test_unknown_classes_are_in_page_and_json(report: Report) -> None:
    """Page and JSON state rate, AUROC and the classes that were left out, or the reason why nothing was measured."""
    record = report.record()["none_of_these"]
    assert (record["false_accept_rate"], record["auroc"]) == (0.7, 0.8)
    assert record["classes"] == list(NAMES[:3])
    assert "AUROC 0.80" in " ".join(Page(report.html()).texts)
    two = replace(unbalanced(report, 0), threshold=0.6)
    assert two.record()["none_of_these"]["auroc"] is None
    assert "requires at least 3 classes, and there are 2" in two.record()["none_of_these"]["why_not_measured"]
    assert "requires at least 3 classes" in two.html()


def test_numbers_that_json_cannot_hold_are_null(report: Report, tmp_path: Path) -> None:
    """In the JSON, NaN and infinity become null everywhere."""
    odd = replace(report, temperature=float("inf"), threshold=float("nan"), seconds={"head": float("nan")})
    record = json.loads(odd.save_json(tmp_path / "odd.json").read_text(), parse_constant=pytest.fail)
    assert record["calibration"]["temperature"] is None
    assert record["none_of_these"]["threshold"] is None
    assert record["seconds"]["head"] is None


def test_classes_are_listed_as_people_count(report: Report) -> None:
    """The tables list the classes 1, 2, 10 in this order, for any order in the file."""
    counted = replace(report, classes=("1", "10", "2", "a"))
    rows = re.findall(r'<tr><td class="name">([^<]*)</td>', counted.html())
    assert rows[:4] == ["1", "2", "10", "a"]
    heads = re.findall(r'<th scope="col" title="([^"]*)"', counted.html())
    assert heads == ["1", "2", "10", "a"]
    assert counted.record()["classes"] == ["1", "10", "2", "a"]
