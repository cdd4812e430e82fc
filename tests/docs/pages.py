"""The blocks of a page, and the shell script that runs them as a reader would: in order, in one new shell.

A comment before a block changes how it is run:

- ``<!-- not run: REASON -->``: it is not run (a download, another machine, files that only the reader has)
- ``<!-- needs: PACKAGE -->``: it is run only if that Python package is installed
- ``<!-- serves -->``: each line starts a server that runs until Ctrl-C; the last server runs during the following blocks

``godeeper visualise`` takes seconds per filter, so the script runs it with fewer steps than the page, except for README.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = ("sh", "python")
README, STEPS = PAGES[0], "godeeper visualise --steps 8 "
BLOCK = re.compile(r"(?:^<!-- ([^\n]*?) -->\n)?^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^(\.venv/bin/)?(godeeper|python|pip|curl|make|ssh) ", re.MULTILINE)
PRELUDE = r"""
server=
stop() { if [ -n "$server" ]; then kill -INT $server; wait $server || true; server=; fi; }
serve() {
    stop; : > served
    "$@" > served 2>&1 & server=$!
    for _ in $(seq 600); do
        if grep -q http:// served; then return; fi
        kill -0 $server || { cat served; exit 1; }
        sleep 0.1
    done
    exit 1
}
trap stop EXIT
"""


@dataclass(frozen=True)
class Block:
    """``language`` and ``text`` as on the page; ``mark`` is the comment before the block."""

    language: str
    text: str
    mark: str

    @property
    def reason(self) -> str:
        """The reason why the block is not run; empty if it is run."""
        kind, _, said = self.mark.partition(": ")
        return said if kind == "not run" else ""

    @property
    def runs(self) -> bool:
        """Whether the block is part of the script."""
        kind, _, package = self.mark.partition(": ")
        return self.language in RUN and not self.reason and not (kind == "needs" and find_spec(package) is None)


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [Block(language, text, mark) for mark, language, text in BLOCK.findall(page.read_text("utf-8"))]


def script(page: Path, port: int) -> str:
    """Return the page as a bash script, in which the server listens on ``port`` instead of 8299."""
    parts = [shell(block, number, port) for number, block in enumerate(blocks(page)) if block.runs]
    commands = "\n".join(parts).replace("8299", str(port))
    if page != README:
        commands = commands.replace("godeeper visualise ", STEPS)
    return "set -eo pipefail\nset -m\n" + PRELUDE + commands


def shell(block: Block, number: int, port: int) -> str:
    """Return one block as shell commands."""
    if block.language == "python":
        return f"cat > block{number}.py <<'END OF BLOCK'\n{block.text}END OF BLOCK\npython block{number}.py\n"
    if block.mark == "serves":
        return "".join(f"serve {served(line, port)}\n" for line in block.text.splitlines())
    return block.text


def served(line: str, port: int) -> str:
    """Return ``line``, which starts a server, with ``--port`` added unless the line has it."""
    command = line.partition("#")[0].strip()
    return command if "--port" in command else f"{command} --port {port}"
