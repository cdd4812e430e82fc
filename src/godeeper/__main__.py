"""The program: ``godeeper``, or ``python -m godeeper``."""

import signal
from typing import NoReturn


def run() -> NoReturn:
    """While the program is being loaded nothing needs to be put right after Ctrl-C, so it just ends."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup has it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli.main import run as run_program

    run_program()


if __name__ == "__main__":
    run()
