"""Ctrl-C, tested from inside the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from godeeper.cli.interruption import interruptible

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="signals are POSIX"), pytest.mark.usefixtures("ctrl_c")]


def test_an_import_is_not_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If Ctrl-C comes while a module is imported, the import is completed, and then KeyboardInterrupt is raised."""
    text = """
        import signal, time
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.05)
        whole = True
    """
    (tmp_path / "interrupted_in_its_start.py").write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), interruptible():  # noqa: PT012 -- when it is raised is the point
        import interrupted_in_its_start  # type: ignore[import-not-found]

        time.sleep(10)
    assert interrupted_in_its_start.whole


def test_handlers_are_put_back() -> None:
    """A caller that runs the program as a function keeps its signal handlers."""
    numbers = (signal.SIGINT, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    with interruptible():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before


def test_ignored_stays_ignored() -> None:
    """A program that nohup started is not ended by Ctrl-C."""
    script = """
        import signal, sys
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from godeeper import version
        from godeeper.cli import main
        ask = main.make_parser
        def ask_and_interrupt(*given):
            signal.raise_signal(signal.SIGINT)
            return ask(*given)
        main.make_parser = ask_and_interrupt
        sys.argv[1:] = ["tensors"]
        from godeeper.__main__ import run
        run()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
