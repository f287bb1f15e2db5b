"""Load on several replicas, from a process of its own: 16 connections that query without pause, and some that do else.

A connection asks the same replica all the time. Most queries are the same, as those of clients that poll; each
hundredth is one that nobody asked before. Writers pause between two writes.
"""

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Callable, Coroutine, Sequence
from multiprocessing.connection import Connection
from typing import Any, Literal, NamedTuple, Self

from benchmarks.http_connection import HttpConnection

READERS = 16
WRITE_PAUSE_S = 0.02
NEW_QUERY_EACH = 100
SETTING = "s"
_END_TIMEOUT_S = 60.0

Kind = Literal["query", "write", "other read"]


class Sample(NamedTuple):
    """One request.

    Attributes:
        replica: the number of the replica that it went to.
        start_s: when it was sent, by ``time.monotonic()``, which all processes of a machine share.
        status: of the answer; 0 if there was none.
        user: of the rule that a write adds, else empty.
        has_retry_after: whether the answer says when to come again.
    """

    kind: Kind
    replica: int
    start_s: float
    duration_s: float
    status: int
    user: str
    has_retry_after: bool


class LoadProcess:
    """The process. A context manager, which ends it.

    Args:
        urls: of the replicas.
        name: of this load; the users of its rules begin with it.
    """

    def __init__(self, urls: Sequence[str], name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_run, args=(list(urls), name, end), daemon=True)

    def finish(self) -> list[Sample]:
        """End the load; return all that was sent, in the order in which it was answered."""
        self._pipe.send(None)
        samples: list[Sample] = self._pipe.recv()
        return samples

    def __enter__(self) -> Self:
        self._process.start()
        self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _run(urls: list[str], name: str, pipe: Connection) -> None:
    pipe.send(asyncio.run(_Load(urls, name).run(pipe)))


class _Load:
    def __init__(self, urls: list[str], name: str) -> None:
        self._urls = urls
        self._name = name
        self._samples: list[Sample] = []
        self._is_ending = False

    async def run(self, pipe: Connection) -> list[Sample]:
        tasks: list[Coroutine[Any, Any, None]] = []
        for replica in range(len(self._urls)):
            tasks += [self._query(replica, number) for number in range(READERS // len(self._urls))]
            tasks += [self._write(replica), self._read_others(replica)]
        running = asyncio.gather(*tasks)
        pipe.send(None)
        await asyncio.to_thread(pipe.recv)
        self._is_ending = True
        # What is under way is waited for: a request without an answer is what this is about.
        await asyncio.wait_for(running, _END_TIMEOUT_S)
        return self._samples

    async def _query(self, replica: int, number: int) -> None:
        def path(turn: int) -> str:
            filters = f"&context_filters=user:(n{number}_{turn})" if turn % NEW_QUERY_EACH == 0 else ""
            return f"/api/v1/query?settings={SETTING}{filters}"

        await self._repeat("query", replica, 0, lambda turn: ("GET", path(turn), None))

    async def _write(self, replica: int) -> None:
        def rule(turn: int) -> dict[str, object]:
            return {"setting": SETTING, "feature_values": {"user": f"{self._name}_{replica}_{turn}"}, "value": turn}

        await self._repeat("write", replica, WRITE_PAUSE_S, lambda turn: ("POST", "/api/v1/rules", rule(turn)))

    async def _read_others(self, replica: int) -> None:
        path = f"/api/v1/settings/{SETTING}"
        await self._repeat("other read", replica, WRITE_PAUSE_S, lambda _: ("GET", path, None))

    async def _repeat(
        self, kind: Kind, replica: int, pause_s: float, make: Callable[[int], tuple[str, str, Any]]
    ) -> None:
        async with HttpConnection(self._urls[replica]) as connection:
            for turn in itertools.count():
                method, path, body = make(turn)
                start_s = time.monotonic()
                status, has_retry_after = 0, False
                try:
                    answer = await connection.request(method, path, body)
                    status, has_retry_after = answer.status, "retry-after" in answer.headers
                except OSError:
                    pass
                duration_s = time.monotonic() - start_s
                user = "" if body is None else body["feature_values"]["user"]
                self._samples.append(Sample(kind, replica, start_s, duration_s, status, user, has_retry_after))
                if self._is_ending:
                    return
                await asyncio.sleep(pause_s)
