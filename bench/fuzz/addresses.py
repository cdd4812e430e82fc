"""Fuzz the address parser: each address must resolve to tensors, or raise an error with a message of one line.

    python -m bench.fuzz.addresses [--cases 1000000] [--seed 0] [--traced 1000]

Generates addresses with the grammar of the unit tests (``tests/unit/blueprint/fuzzing.py``) and resolves each one.  An error message
must be one short line without control characters.  For one of every ``--traced`` addresses, the executed lines of code are counted and
compared with a limit that depends on the length of the network's names.  Prints how many addresses resolve to tensors and the highest
line count, also after Ctrl-C.  Exit code 1 if an address fails or a count reaches its limit.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress

from bench.fuzz.progress import Progress
from tests.unit.blueprint.fuzzing import cases, check, count_lines, most_lines, without_suggestions

EVERY = 20_000  # cases between two lines of progress


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cases", type=int, default=1_000_000, metavar="N", help="number of addresses (default: a million)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    parser.add_argument(
        "--traced",
        type=int,
        default=1000,
        metavar="N",
        help="count the executed lines of code for one of every N addresses (default: 1000)",
    )
    options = parser.parse_args()
    meant, worst, share = 0, "", 0.0
    progress = Progress(lambda: f"{meant} resolve to tensors, the others are refused in one line each", EVERY)
    with suppress(KeyboardInterrupt), without_suggestions():
        for network, text in progress.count(cases(options.cases, options.seed)):
            try:
                meant += check(network, text)
            except Exception as error:  # any exception is a finding
                print(f"seed {options.seed}, case {progress.done}: {text[:200]!r}: {type(error).__name__}: {error}")
                return 1
            if progress.done % options.traced == 0:
                share, worst = max((share, worst), (count_lines(network, text) / most_lines(network), text))
    print(f"{progress.done} addresses, seed {options.seed}, in {progress.seconds:.0f} s: {progress.summary()}")
    print(f"highest count of executed lines: {share:.0%} of the limit, for {worst[:80]!r}")
    return int(share >= 1)


if __name__ == "__main__":
    sys.exit(main())
