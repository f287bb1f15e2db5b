"""Requests per second and their durations, by wrk: a load from another process that costs little itself."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final, NamedTuple

from benchmarks.environments import UnavailableError

CONNECTIONS: Final = 64
_UNITS_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Throughput(NamedTuple):
    """What wrk saw.

    Attributes:
        p99_ms: how long all but one in a hundred requests took at most.
        failed: requests that were not answered, or with another status than 2xx or 3xx.
    """

    requests_per_s: float
    p99_ms: float
    failed: int


def measure(url: str, seconds: float, headers: Sequence[str] = (), script: Sequence[str] = ()) -> Throughput:
    """Send requests as quickly as they are answered, on 64 connections.

    Args:
        url: what is asked for.
        seconds: for how long.
        headers: header fields of each request.
        script: a file in Lua that makes the requests, and its arguments; empty for requests that are all alike.

    Raises:
        UnavailableError: wrk is not installed, or failed.
    """
    program = shutil.which("wrk")
    if program is None:
        raise UnavailableError("the load comes from wrk, which is not installed: apt-get install wrk")
    fields = [part for header in headers for part in ("-H", header)]
    scripted = ["-s", *script[:1]] if script else []
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--latency", *fields, *scripted]
    command = [program, *options, url, "--", *script[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnavailableError(f"wrk failed: {done.stderr or done.stdout}")
    return _read(done.stdout)


def _read(text: str) -> Throughput:
    amount, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr] # it always says so
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed = sum(int(number) for found in (errors, sockets) if found for number in found.groups())
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)[1]  # type: ignore[index] # as above
    return Throughput(float(rate), float(amount) * _UNITS_MS[unit], failed)
