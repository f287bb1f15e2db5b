"""``kill -9`` of processes that write a file of last known values: whoever reads it meanwhile gets all of some write.

``HEKSHER_LAST_KNOWN_KILLS=500`` kills more often than a run of all tests has the time for.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from heksher.clients.offline.last_known_file import LastKnownFile
from tests.support.processes import ROOT
from tests.support.saved_states import SERVICE, is_of_one_write, make_large_state

LANES = 4
KILLS = int(os.environ.get("HEKSHER_LAST_KNOWN_KILLS", "20"))

# A write takes some milliseconds, so a process has written a few times, or is at its second write.
MAX_LIFE_S = 0.05
MANY = 1_000_000


def write_and_kill(path: Path, lane: int) -> int:
    """Start a writer and kill it at a random moment, again and again; return the number of kills."""
    kills = range(lane, KILLS, LANES)
    for kill in kills:
        arguments = [sys.executable, "-W", "error", "-m", "tests.support.last_known_writer", path, str(kill * MANY)]
        with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert "writing\n" == process.stdout.readline()
                process.wait(random.uniform(0, MAX_LIFE_S))  # noqa: S311 - of no use to an attacker
            except subprocess.TimeoutExpired:
                pass
            finally:
                process.kill()
        assert -9 == process.returncode
    return len(kills)


def read_until_all_are_done(path: Path, lanes: list[Future[int]]) -> tuple[int, int]:
    """Read without pause; return how often, and how often that did not give all of one write."""
    reads = unreadable = 0
    while not all(lane.done() for lane in lanes):
        state = LastKnownFile(path).read(SERVICE, "*")
        reads += 1
        unreadable += state is None or not is_of_one_write(state)
    return reads, unreadable


def list_leftovers(path: Path) -> list[Path]:
    """List what is in the directory of a file of last known values beside it."""
    return [other for other in path.parent.iterdir() if other != path]


def test_file_is_always_readable(tmp_path: Path, record_property: Callable[[str, object], None]):
    """Four processes write, and are killed and started again; each read meanwhile gives all of one write.

    What the killed ones have left behind goes away with a write that comes an hour later.
    """
    path = tmp_path / "settings.last-known"
    LastKnownFile(path).write(make_large_state(0))
    begin = time.monotonic()
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(write_and_kill, path, lane) for lane in range(LANES)]
        reads, unreadable = read_until_all_are_done(path, lanes)
    assert KILLS == sum(lane.result() for lane in lanes)
    record_property("kills", KILLS)
    record_property("kills_amid_a_write", len(list_leftovers(path)))
    record_property("reads", reads)
    record_property("unreadable", unreadable)
    record_property("seconds", round(time.monotonic() - begin, 1))
    assert 0 == unreadable
    assert reads > KILLS
    for leftover in list_leftovers(path):
        os.utime(leftover, (time.time() - 3700,) * 2)
    LastKnownFile(path).write(make_large_state(1))
    assert [] == list_leftovers(path)
