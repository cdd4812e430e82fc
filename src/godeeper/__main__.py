"""The program: ``godeeper``, or ``python -m godeeper``."""

import signal
from typing import NoReturn


def run() -> NoReturn:
    """Run the command line.  During its import, Ctrl-C ends the process at once; there is nothing to clean up yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # keep the handler if the parent ignores SIGINT
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli.main import run as run_program

    run_program()


if __name__ == "__main__":
    run()
