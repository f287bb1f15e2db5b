"""Instructions that the service executes for one answer 304, which do not depend on what else the machine does.

The service runs under valgrind's callgrind, which counts those of some requests, once all that they need is in memory.
Counted is the thread that answers: what others do depends on how long all of it takes. For the same reason there is one
client: what is done for each client once a minute would be done for each request, as callgrind takes minutes for them.
"""

import re
import shutil
import statistics
import subprocess
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.environments import UnavailableError
from benchmarks.load.data import PAGE_PATH, PAGE_SETTINGS, fill
from benchmarks.load.servers import RunningServer, running_service
from heksher.wire import CLIENT_HEADER

# The median of several batches counts: what happens seldom, such as a full garbage collection, is in one of them.
_BATCHES: Final = 11
_ROUNDS: Final = 100
# Requests with which all gets into memory, and others with which callgrind translates the code, before it counts.
_FIRST_ROUNDS: Final = 100
_CONTROL: Final = "callgrind_control"


def count_instructions(directory: Path, usage: str) -> float:
    """Return the instructions of one answer.

    Args:
        directory: for the database.
        usage: whether use is counted, as the service's option has it.

    Raises:
        UnavailableError: there is no valgrind.
    """
    database, out = directory / f"counted_{usage}.db", directory / f"callgrind_{usage}.out"
    fill(database, PAGE_SETTINGS)
    # The order of a dictionary with few keys, and so the count, depends on the hash seed.
    tool = ("env", "PYTHONHASHSEED=0", "valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes")
    if shutil.which("valgrind") is None:
        raise UnavailableError("instructions are counted by valgrind, which is not installed: apt-get install valgrind")
    with running_service(database, "--usage", usage, tool=(*tool, f"--callgrind-out-file={out}")) as server:
        _count_requests(server)
    # The first thread is the one that answers.
    return statistics.median(_read_total(Path(f"{out}.{batch}-01")) for batch in range(1, _BATCHES + 1)) / _ROUNDS


def _read_total(dump: Path) -> int:
    found = re.search(r"^totals: (\d+)$", dump.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise UnavailableError("callgrind has counted nothing")
    return int(found[1])


def _count_requests(server: RunningServer) -> None:
    ask = _open_requests(server)
    for _ in range(_FIRST_ROUNDS):
        ask()
    _control(server, "-i", "on")
    for _ in range(_FIRST_ROUNDS):
        ask()
    _control(server, "-z")
    for _ in range(_BATCHES):
        for _ in range(_ROUNDS):
            ask()
        _control(server, "-d")
    _control(server, "-i", "off")


def _open_requests(server: RunningServer) -> Callable[[], None]:
    """Return what asks once, over one connection, for what is known already."""
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    fields = {
        "Accept-Encoding": "gzip",
        "User-Agent": "checkout/2.3 heksher/1.0.0",
        CLIENT_HEADER: "name=checkout; instance=web-1",
    }

    def ask(tag: str | None) -> str:
        connection.request("GET", PAGE_PATH, headers=fields if tag is None else {**fields, "If-None-Match": tag})
        answer = connection.getresponse()
        answer.read()
        if answer.status != (200 if tag is None else 304):
            raise UnavailableError(f"the service answered {answer.status}")
        return answer.headers["ETag"]

    tag = ask(None)

    def ask_again() -> None:
        try:
            ask(tag)
        except ConnectionError:
            # A dump can take longer than the service keeps a connection on which nobody asks.
            connection.close()
            ask(tag)

    return ask_again


def _control(server: RunningServer, *order: str) -> None:
    command = [_CONTROL, *order, str(server.process.pid)]
    subprocess.run(command, check=True, capture_output=True)
