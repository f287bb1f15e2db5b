"""A program that forks again and again, at random moments, while it is as busy with settings as a program can be.

Threads read a setting without pause and see that its values never go back; the client is told to reload without pause,
besides its own updates. The values are moments: the microseconds of the system's monotonic clock, which all processes
share, at which they were written. So a child knows that it is current when it reads a moment after its own beginning.

Arguments: the client (``thread`` or ``async``), how to fork (a key of ``WAYS``), how often.
"""

import asyncio
import faulthandler
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkProcess
from typing import NoReturn

import heksher
from heksher.exceptions import ServiceError
from tests.process_models.apps.reporting import say

READERS = 2
MAX_CHILDREN = 4
MAX_PAUSE_S = 0.05
POLL_S = 0.001
# A child that takes longer is taken for one that hangs: it shows where, and counts as a deadlock.
HANGS_AFTER_S = 60.0
# Nor is this about the limits of the HTTP library: of five seconds, unless told otherwise, in which a busy machine may
# give the service no processor.
CLIENT_ARGS = {"timeout": HANGS_AFTER_S}

moment = heksher.Setting("moment", type=int, configurable_features=["user"], default_value=0)
FEATURES = ["environment", "user", "theme"]


def now_us() -> int:
    return time.monotonic_ns() // 1000


def read() -> int:
    return moment.get(user="guest")


def say_current(begun_us: int) -> None:
    say(f"child {os.getpid()} is current after {(now_us() - begun_us) / 1e6:.6f} s")


# ---- children


def follow(client: heksher.ThreadHeksherClient) -> None:
    """Be a child with a thread client, which runs by itself."""
    faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
    begun_us = now_us()
    while read() <= begun_us:
        time.sleep(POLL_S)
    say_current(begun_us)
    client.reload()
    client.close()
    faulthandler.cancel_dump_traceback_later()


async def follow_async(client: heksher.AsyncHeksherClient) -> None:
    """Be a child with an asynchronous client, which has to be started again."""
    begun_us = now_us()
    await client.set_as_main()
    while read() <= begun_us:  # noqa: ASYNC110 - reading again and again is what this is about
        await asyncio.sleep(POLL_S)
    say_current(begun_us)
    await client.reload()
    await client.aclose()


def run_follow_async(client: heksher.AsyncHeksherClient) -> None:
    faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
    asyncio.run(follow_async(client))
    faulthandler.cancel_dump_traceback_later()


# ---- ways to fork


class Child:
    """A forked child, with what ``multiprocessing.Process`` has, too.

    Args:
        work: what the child does before it ends.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _work_and_end(work)

    @property
    def exitcode(self) -> int | None:
        """The exit code, ``None`` as long as the child has not ended."""
        if self._code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if ended else None
        return self._code


def _work_and_end(work: Callable[[], None]) -> NoReturn:
    """Do a child's work, and leave the parent's program, in whose middle the child is, by no other way than its end."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - the exit code tells of it
        traceback.print_exc()
    finally:
        os._exit(code)


def fork_in_thread(work: Callable[[], None]) -> Child:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(Child, work).result()


def fork_by_multiprocessing(work: Callable[[], None]) -> ForkProcess:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


WAYS = {"os.fork": Child, "thread": fork_in_thread, "multiprocessing": fork_by_multiprocessing}


class Children:
    """The children that have not ended yet."""

    def __init__(self) -> None:
        # With the time at which each counts as one that hangs.
        self._deadlines_s: dict[Child | ForkProcess, float] = {}

    def __len__(self) -> int:
        return len(self._deadlines_s)

    def add(self, child: Child | ForkProcess) -> None:
        # It has the time that it gives itself, and some more, before it is made to end.
        self._deadlines_s[child] = time.monotonic() + HANGS_AFTER_S + 2

    def reap(self) -> None:
        """Say which children have ended, and end those that should have."""
        for child, deadline_s in list(self._deadlines_s.items()):
            code = child.exitcode
            if code is not None:
                say(f"child {child.pid} ended with {code}")
                del self._deadlines_s[child]
            elif time.monotonic() > deadline_s:
                # faulthandler prints where its threads are.
                os.kill(child.pid, signal.SIGABRT)


def fork_repeatedly(work: Callable[[], None], way: str, forks: int) -> Iterator[float]:
    """Fork so many children, few at a time; between any two steps, wait for the seconds that are given."""
    children = Children()
    for _ in range(forks):
        yield random.uniform(0, MAX_PAUSE_S)  # noqa: S311 - guards nothing
        children.add(WAYS[way](work))
        children.reap()
        while len(children) >= MAX_CHILDREN:
            yield POLL_S
            children.reap()
    while children:
        yield POLL_S
        children.reap()


# ---- load


def read_without_pause() -> None:
    before = read()
    while True:
        value = read()
        if value < before:
            say(f"the value went back from {before} to {value}")
        before = value


def reload_without_pause(client: heksher.ThreadHeksherClient) -> None:
    while True:
        try:
            client.reload()
        except ServiceError as error:
            say(f"reload failed: {error}")


async def reload_without_pause_async(client: heksher.AsyncHeksherClient) -> None:
    while True:
        try:
            await client.reload()
        except ServiceError as error:
            say(f"reload failed: {error}")


def start_readers() -> None:
    for _ in range(READERS):
        threading.Thread(target=read_without_pause, daemon=True).start()


def stress(url: str, interval_s: float, way: str, forks: int) -> None:
    client = heksher.ThreadHeksherClient(
        url, interval_s, FEATURES, http_client_args=CLIENT_ARGS, on_start_failure="raise", start_timeout=HANGS_AFTER_S
    )
    client.set_as_main()
    start_readers()
    threading.Thread(target=reload_without_pause, args=(client,), daemon=True).start()
    for pause_s in fork_repeatedly(lambda: follow(client), way, forks):
        time.sleep(pause_s)


async def stress_async(url: str, interval_s: float, way: str, forks: int) -> None:
    client = heksher.AsyncHeksherClient(
        url, interval_s, FEATURES, http_client_args=CLIENT_ARGS, start_timeout=HANGS_AFTER_S
    )
    await client.set_as_main()
    start_readers()
    reloading = asyncio.create_task(reload_without_pause_async(client))
    for pause_s in fork_repeatedly(lambda: run_follow_async(client), way, forks):
        await asyncio.sleep(pause_s)
    reloading.cancel()
    await client.aclose()


if __name__ == "__main__":
    kind, way, forks = sys.argv[1], sys.argv[2], int(sys.argv[3])
    url, interval_s = os.environ["HEKSHER_URL"], float(os.environ["UPDATE_INTERVAL_S"])
    if kind == "async":
        asyncio.run(stress_async(url, interval_s, way, forks))
    else:
        stress(url, interval_s, way, forks)
    say("the parent has ended well")
