"""Progress bars: their text, and when they are drawn and erased."""

from __future__ import annotations

import errno
import io

import pytest

from godeeper.cli.progress import Rate, count_line, counter, duration


def test_a_bar_is_drawn_and_wiped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal the bar is redrawn on one line, and erased in the end."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with counter("photos") as report:
        report(0, 10)
        report(10, 10)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\n" not in err
    assert "10 of 10 photos" in err
    assert err.endswith("\r\x1b[K")


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file contains no progress bar."""
    with counter("photos") as report:
        report(5, 10)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("closed", [None, "closed"])
def test_no_bar_where_standard_error_is_closed(monkeypatch: pytest.MonkeyPatch, closed: str | None) -> None:
    """The work continues if standard error is closed, from the start or during the run."""
    stream = None if closed is None else io.StringIO()
    if stream:
        stream.close()
    monkeypatch.setattr("sys.stderr", stream)
    with counter("photos") as report:
        report(5, 10)


def test_a_terminal_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A progress bar that cannot be drawn does not end the work."""

    class Gone(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, _: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("sys.stderr", Gone())
    with counter("photos") as report:
        report(5, 10)


def test_photos_done_before_do_not_count_for_the_rate() -> None:
    """A run that resumes after 90 photos and processes 10 in 5 seconds has a rate of 2 per second."""
    times = iter([100.0, 100.0, 105.0])
    pace = Rate(lambda: next(times))
    assert pace.of(90) == 0
    assert pace.of(100) == 2


def test_the_line_of_photos() -> None:
    """Rate and remaining time are shown once they are known; zero photos cause no division by zero."""
    assert count_line(0, 8, "photos", 0).endswith("0 of 8 photos")
    assert count_line(4, 8, "photos", 0.5).endswith("50 %  4 of 8 photos, 0.5 per second, 8 s left")
    assert count_line(0, 0, "files", 0).endswith("0 of 0 files")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (59.9, "1 min 0 s"), (3600, "1 h 0 min"), (90061, "25 h 1 min")]
)
def test_durations(seconds: float, text: str) -> None:
    """Durations are shown in seconds, minutes or hours."""
    assert duration(seconds) == text
