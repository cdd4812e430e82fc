"""Speed of a peek, compared in one interleaved run with the scripts that a user would write instead.

    python -m bench.speed.peek [--rounds 7]

Prints tables, and then each target: whether it was met, and by what margin.  Exit code 1 if a target is
missed.  The first run installs the peers (see ``environment.py``) and writes their weights.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.common import arguments, environment, processes, tables
from bench.common.places import (
    ADDRESS,
    GRAPH,
    HERE,
    KERAS_WEIGHTS,
    PHOTO,
    PICTURES,
    RESULTS,
    SAMPLES,
    TORCHVISION_WEIGHTS,
)
from bench.common.targets import OURS, RIVALS, STARTS, Costs, all_targets

Commands = dict[str, list[str | Path]]

PEERS = {"torchvision": TORCHVISION_WEIGHTS, "keras": KERAS_WEIGHTS, "onnxruntime": GRAPH}  # onnxruntime: a lower bound
ORDER = ("torchvision", OURS, "onnxruntime", "keras", OURS, "onnxruntime")
SHORT_TURNS = 4  # rounds of short commands per round of long commands


def main() -> int:
    rounds: int = arguments.parse(__doc__, 7).rounds
    peers = environment.python()
    PICTURES.mkdir(parents=True, exist_ok=True)
    processes.measure([sys.executable, HERE / "common" / "prepare.py", peers])
    print(tables.heading(peers, rounds))
    commands = picture_commands(peers)
    pictures = processes.interleave(commands, ORDER, rounds)
    starts = processes.interleave(start_commands(), STARTS, rounds * SHORT_TURNS)
    inside = measure_inside(commands, rounds * SHORT_TURNS)
    SAMPLES.write_text(json.dumps(samples(pictures, starts, inside), indent=1))
    targets = all_targets(pictures, starts, inside)
    for lines in (
        tables.picture_table(pictures),
        tables.agreement_table(inside),
        tables.compute_table(inside),
        tables.short_table(starts, inside),
        tables.target_table(targets),
    ):
        print("", *lines, sep="\n")
    return 0 if all(target.is_met for target in targets) else 1


def picture_commands(peers: Path) -> Commands:
    """Return the command of each program, from JPEG to PNG."""
    commands: Commands = {OURS: [sys.executable, "-m", "godeeper", "peek", PHOTO, ADDRESS, "--out", PICTURES]}
    for peer, weights in PEERS.items():
        python = peers if peer in RIVALS else sys.executable
        commands[peer] = [python, HERE / "peers" / f"{peer}_script.py", PHOTO, weights, PICTURES / f"{peer}.png"]
    return commands


def start_commands() -> Commands:
    """Return the short commands: the interpreter alone, importing godeeper, and godeeper's help."""
    commands: list[list[str | Path]] = [["-c", "pass"], ["-c", "import godeeper"], ["-m", "godeeper", "--help"]]
    return {name: [sys.executable, *command] for name, command in zip(STARTS, commands, strict=True)}


def measure_inside(commands: Commands, rounds: int) -> dict[str, Any]:
    """Run each peer once more to write its values, then run ``inside.py`` on those files in a separate process."""
    files = {peer: RESULTS / f"{peer}.npy" for peer in PEERS}
    for peer, path in files.items():
        processes.measure([*commands[peer], path])
    command: list[str | Path] = [
        sys.executable,
        HERE / "speed" / "inside.py",
        str(rounds),
        *(f"{peer}={path}" for peer, path in files.items()),
    ]
    child = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=processes.environment())
    answer: dict[str, Any] = json.loads(child.stdout)
    return answer


def samples(pictures: Costs, starts: Costs, inside: dict[str, Any]) -> dict[str, Any]:
    """Return every measurement."""
    costs = {name: [cost.as_dict for cost in taken] for name, taken in (pictures | starts).items()}
    return {"processes": costs, "inside": inside}


if __name__ == "__main__":
    sys.exit(main())
