"""Fixtures for all tests: redirected user folders, the demonstration photo, a loaded network."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from godeeper.network import Network

ROOT = Path(__file__).parents[1]

os.environ.setdefault(
    "OMP_WAIT_POLICY", "PASSIVE"
)  # set before PyTorch is imported; otherwise its idle threads busy-wait and slow down other test processes


NEEDS_PROGRAMS = ("tests/browser/", "tests/unit/web/test_nginx.py")
"""These tests are skipped if Chromium or nginx is missing."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """If ``GODEEPER_REQUIRE_BROWSER`` is set, a skipped test of the page counts as failed."""
    report = yield
    if report.skipped and item.nodeid.startswith(NEEDS_PROGRAMS) and os.environ.get("GODEEPER_REQUIRE_BROWSER"):
        report.outcome = "failed"
        report.longrepr = f"skipped, though GODEEPER_REQUIRE_BROWSER is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every test, and every process it starts, has its cache in a temporary folder and sends no telemetry."""
    patch = pytest.MonkeyPatch()
    patch.setenv("ORT_DISABLE_TELEMETRY", "1")  # some tests import onnxruntime directly
    patch.setenv("GODEEPER_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def chelsea() -> Path:
    """The demonstration photo."""
    return ROOT / "examples" / "chelsea.jpg"


@pytest.fixture(scope="session")
def net() -> Network:
    """Inception v3 with the bundled weights."""
    import godeeper

    return godeeper.load("inception_v3")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Enable Ctrl-C here and in child processes, even if a shell runs the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a fake Ghostscript, first on PATH, writes when it is started."""
    folder = tmp_path / "programs"
    folder.mkdir()
    left = tmp_path / "was called"
    program = folder / "gs"
    program.write_text(
        f'#!/bin/sh\n: > "{left}"\n' + (ROOT / "tests" / "data" / "photos" / "stand-in-ghostscript" / "gs").read_text()
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return left
