"""Measure the web server under load, with many clients on loopback: errors, latency by route, throughput, memory.

    python -m bench.speed.serve                              # 32 clients, 60 s
    python -m bench.speed.serve --clients 4 --seconds 5

Starts ``godeeper serve`` on a free port. First a single client opens three mosaics, of 2,048 small filters, 64 large
filters and 32 filters. Then each of many clients behaves like a user who never pauses: it uploads a photo (one in four
was uploaded before), follows the progress, fetches thumbnails of the map, opens tensors (page, record, levels, values)
and a filter, and starts over. Prints Markdown. Exit code 1 if a request failed, or if the server's memory kept growing.
"""

from __future__ import annotations

import argparse
import http.client
import io
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from bench.common.tables import processor, table
from PIL import Image

WARM_UP = 10.0  # seconds at the start that the memory comparison leaves out; at most a quarter of the run
GROWTH = 1.15  # limit of late memory divided by early memory; above 1, because the work in progress varies
SLACK = 64  # MiB, for short runs
ROUNDS = 15  # rounds of one client alone
LARGE = ("mixed_10/join", "conv_2", "mixed/tower_2/conv")
THUMBNAILS = 12
ADDRESSES = (
    "conv", "conv_2", "pool", "mixed/tower_2/conv", "mixed/join", "mixed_3/join", "mixed_4/tower_1/conv_4",
    "mixed_7/join", "mixed_10/join", "mixed_4/tower_1/conv_4/Conv2D",
)  # fmt: skip
BOUNDARY = "bench"


@dataclass
class Tally:
    """The results of all clients: seconds of each request by route, failures, and bytes received."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    octets: int = 0


@dataclass
class Walker:
    """One client; ``until``: the value of ``time.monotonic`` at which the client stops."""

    port: int
    number: int
    until: float
    tally: Tally

    def walk(self) -> None:
        """Open photos until the time is up."""
        chance = random.Random(self.number)
        while time.monotonic() < self.until:
            photo = self.send(chance)
            if photo is None:
                return
            for route, path in steps(photo, chance):
                if time.monotonic() >= self.until:
                    return
                self.ask(route, "GET", path)

    def send(self, chance: random.Random) -> str | None:
        """Upload a photo and return its id."""
        known = chance.random() < 0.25
        body = form(noise(0 if known else chance.randrange(1, 10**9)))
        answer = self.ask("upload", "POST", "/api/photos", body)
        found = re.search(rb'"photo":"(\w+)"', answer)
        return found[1].decode() if found else None

    def ask(self, route: str, method: str, path: str, body: bytes | None = None) -> bytes:
        """Send a request, return the body, and record the time until its last byte."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} if body else {}
        start = time.monotonic()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.tally.errors.append(f"{route} {path}: {type(error).__name__} {error}")
            return b""
        finally:
            connection.close()
        self.tally.seconds[route].append(time.monotonic() - start)
        self.tally.octets += len(answer)
        if response.status >= 400 or (route == "progress" and b"event: done" not in answer):
            self.tally.errors.append(f"{route} {path}: {response.status} {answer[:200]!r}")
        return answer


def steps(photo: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Yield the requests of a user after the upload: (route, path)."""
    pages, data = f"/photo/{photo}", f"/api/photos/{photo}"
    yield "map page", pages
    yield "progress", f"{data}/progress?tab={photo}"
    for address in chance.choices(ADDRESSES[:9], k=THUMBNAILS):
        yield "thumbnail", f"{pages}/thumbnail/{address}.png?rows=2&columns=4"
    for address in chance.sample(ADDRESSES, 3):
        scale = chance.choice(("shared", "filter", "percentile", "signed"))
        yield "tensor page", f"{pages}/tensor/{address}?scale={scale}"
        yield "record", f"{data}/tensors/{address}?scale={scale}"
        yield "levels", f"{pages}/levels/{address}.png?scale={scale}"
        yield "values", f"{data}/values/{address}"
        yield "filter page", f"{pages}/tensor/{address}/filter/{chance.randrange(32)}"


def noise(seed: int) -> bytes:
    """Return a photo of enlarged noise as a JPEG."""
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((800, 600), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def form(photo: bytes) -> bytes:
    """Return the body of a multipart form with the photo."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="noise.jpg"\r\n\r\n'
    return head.encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def mebibytes(process: int) -> float:
    """Return the resident memory of a process, or 0 if there is no /proc."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def start_server() -> tuple[subprocess.Popen[str], int]:
    """Start the server, and return the process and its port."""
    command = [sys.executable, "-m", "godeeper", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r":(\d+)/", process.stdout.readline())
    if not found:
        raise SystemExit("the server did not start")
    return process, int(found[1])


def measured_alone(port: int) -> Tally:
    """Measure the requests for each mosaic after the first forward pass: page, record, picture and values."""
    tally = Tally()
    walker = Walker(port, 0, 0, tally)
    walker.ask("progress", "GET", "/api/photos/demo/progress")
    for _ in range(ROUNDS):
        for address in LARGE:
            for route, path in (
                ("page", f"/photo/demo/tensor/{address}"),
                ("record", f"/api/photos/demo/tensors/{address}"),
                ("levels", f"/photo/demo/levels/{address}.png"),
                ("values", f"/api/photos/demo/values/{address}"),
            ):
                walker.ask(f"{address} {route}", "GET", path)
    return tally


def alone_table(alone: Tally) -> list[str]:
    """Return the table of milliseconds for each mosaic; the total leaves out the record, because the page contains it."""
    rows = []
    for address in LARGE:
        parts = [alone.seconds[f"{address} {route}"] for route in ("page", "record", "levels", "values")]
        painted = [sum(each) for each in zip(parts[0], *parts[2:], strict=True)]
        rows.append([address, *(f"{1000 * statistics.median(part):.0f}" for part in [*parts, painted])])
    return table(["median ms", "page", "record", "levels", "values", "page, levels and values"], rows)


def watch(process: int, seconds: float, now: Callable[[], float]) -> list[tuple[float, float]]:
    """Return at least a hundred readings: (seconds since the start, MiB)."""
    start, readings = now(), []
    while (passed := now() - start) < seconds:
        readings.append((passed, mebibytes(process)))
        time.sleep(min(0.5, seconds / 100))
    return readings


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=32, metavar="N", help="number of clients (default: 32)")
    parser.add_argument("--seconds", type=float, default=60, metavar="S", help="duration of the load (default: 60)")
    parser.add_argument("--debug", action="store_true", help="also print readings of the server's memory")
    options = parser.parse_args(arguments)
    process, port = start_server()
    try:
        alone = measured_alone(port)
        tally, until = Tally(), time.monotonic() + options.seconds
        walkers = [Walker(port, number, until, tally) for number in range(options.clients)]
        threads = [threading.Thread(target=walker.walk) for walker in walkers]
        for thread in threads:
            thread.start()
        readings = watch(process.pid, options.seconds, time.monotonic)
        for thread in threads:
            thread.join()
        left = mebibytes(process.pid)
    finally:
        process.terminate()
        process.wait(20)
    early, late = memory(readings, options.seconds)
    if options.debug:
        print([round(held) for _, held in readings[:: max(1, len(readings) // 30)]], file=sys.stderr)
    print(report(options, tally, readings, (early, late, left)))
    print("\n".join(["", "## One client alone", "", *alone_table(alone)]))
    grown = late > early * GROWTH + SLACK
    return 1 if tally.errors or alone.errors or grown or not tally.seconds else 0


def memory(readings: Sequence[tuple[float, float]], seconds: float) -> tuple[float, float]:
    """Return the greatest MiB in the first and in the last third of the time after the warm-up."""
    warm = min(WARM_UP, seconds / 4)
    third = (seconds - warm) / 3
    early = [held for passed, held in readings if warm <= passed <= warm + third]
    late = [held for passed, held in readings if passed >= seconds - third]
    return max(early, default=0.0), max(late, default=0.0)


def report(
    options: argparse.Namespace,
    tally: Tally,
    readings: Sequence[tuple[float, float]],
    held: tuple[float, float, float],
) -> str:
    """Return the results as Markdown."""
    count = sum(map(len, tally.seconds.values()))
    rows = [
        [
            route,
            str(len(taken)),
            f"{1000 * statistics.median(taken):.0f}",
            f"{1000 * percentile(taken, 95):.0f}",
            f"{1000 * max(taken):.0f}",
        ]
        for route, taken in tally.seconds.items()
    ]
    early, late, left = held
    return "\n".join(
        [
            f"# {options.clients} clients for {options.seconds:g} s",
            "",
            (
                f"{processor()}. {count} requests, {count / options.seconds:.1f} per second, "
                f"{len(tally.seconds['progress']) / options.seconds:.2f} forward passes per second, "
                f"{tally.octets / options.seconds / 2**20:.1f} MiB per second, {len(tally.errors)} errors."
            ),
            "",
            *table(["route", "requests", "median, ms", "95th percentile, ms", "maximum, ms"], rows),
            "",
            (
                f"Memory: {readings[0][1]:.0f} MiB at the start; at most {early:.0f} MiB in the first third after the warm-up, "
                f"{late:.0f} MiB in the last third; {left:.0f} MiB at the end."
            ),
            *(["", "Errors:", *(f"- {error}" for error in tally.errors[:20])] if tally.errors else []),
        ]
    )


def percentile(values: Sequence[float], share: int) -> float:
    """Return the percentile ``share`` of the values."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, len(ranked) * share // 100)]


if __name__ == "__main__":
    sys.exit(main())
