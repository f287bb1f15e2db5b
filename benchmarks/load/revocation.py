"""How soon a token that one replica has revoked is refused by the other, and how soon its stream there ends."""

import asyncio
import random
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

from benchmarks.http_connection import HttpConnection
from benchmarks.load.data import FEATURES, PAGE, PAGE_SETTINGS, fill, give_tokens, name_token
from benchmarks.load.guarded_path import TOKENS
from tests.support.postgres import add_parameters, make_postgres_schema
from tests.support.replicas import Replicas

_PATH: Final = f"/api/v1/query?settings={PAGE[0]}"
_STREAM_PATH: Final = f"/api/v1/stream?settings={PAGE[0]}"
_POLL_S: Final = 0.001
_DEADLINE_S: Final = 10.0
# Of a replica that looks for changes by itself, at any moment between two looks.
_MAX_PAUSE_S: Final = 1.0


class Revocations(NamedTuple):
    """What was measured, in seconds from the moment at which the revocation was acknowledged.

    Attributes:
        refused_s: until the other replica refused the token, each time, the shortest first.
        ended_s: until the stream that was open there with the token had ended, likewise.
    """

    refused_s: Sequence[float]
    ended_s: Sequence[float]


def measure_revocations(count: int, *, is_listening: bool) -> Revocations:
    """Revoke tokens, one by one, of many that there are.

    Args:
        count: how many are revoked.
        is_listening: whether the replicas hear of changes from PostgreSQL; else they look each second.
    """
    with make_postgres_schema() as database:
        fill(database, PAGE_SETTINGS)
        tokens = give_tokens(database, TOKENS)
        [admin] = give_tokens(database, 1, "admin")
        url = database if is_listening else add_parameters(database, heksher_listen="off")
        with Replicas([url] * 2, "--access", f"--context-features={','.join(FEATURES)}") as replicas:
            pairs = asyncio.run(_revoke(replicas.urls, admin, tokens[:count], 0.0 if is_listening else _MAX_PAUSE_S))
    refused_s, ended_s = zip(*pairs, strict=True)
    return Revocations(sorted(refused_s), sorted(ended_s))


async def _revoke(
    urls: Sequence[str], admin: str, tokens: Sequence[str], max_pause_s: float
) -> list[tuple[float, float]]:
    pairs = []
    async with HttpConnection(urls[0]) as one, HttpConnection(urls[1]) as other:
        for number, token in enumerate(tokens):
            stream = await _open_stream(urls[1], token)
            # So that it is not for the other to find out by which token this is.
            await _ask(other, token, 200)
            await asyncio.sleep(random.uniform(0, max_pause_s))  # noqa: S311 - a measurement
            answer = await one.request("DELETE", f"/api/v1/tokens/{name_token(number)}", headers=_bear(admin))
            acknowledged_s = time.perf_counter()
            if answer.status != HTTPStatus.NO_CONTENT:
                raise AssertionError(f"a token was not revoked: {answer.status}, {answer.body!r}")
            ending = asyncio.create_task(_await_end(stream))
            await _ask(one, token, 401)
            refused_s = await _await_refusal(other, token) - acknowledged_s
            pairs.append((refused_s, await ending - acknowledged_s))
    return pairs


def _bear(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _ask(connection: HttpConnection, token: str, status: int) -> None:
    """Send a query, and insist on the status of its answer."""
    answer = await connection.request("GET", _PATH, headers=_bear(token))
    if answer.status != status:
        raise AssertionError(f"{answer.status} instead of {status}")


async def _await_refusal(connection: HttpConnection, token: str) -> float:
    """Send queries until one is refused; return that moment."""
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            answer = await connection.request("GET", _PATH, headers=_bear(token))
            if answer.status == HTTPStatus.UNAUTHORIZED:
                return time.perf_counter()
            await asyncio.sleep(_POLL_S)


async def _open_stream(url: str, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"GET {_STREAM_PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    if not answer.startswith(b"HTTP/1.1 200"):
        raise AssertionError(f"a stream was answered with {answer!r}")
    return reader, writer


async def _await_end(stream: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> float:
    """Read a stream until it says that it ends; return that moment."""
    reader, writer = stream
    async with asyncio.timeout(_DEADLINE_S):
        await reader.readuntil(b"event: end\n")
    writer.close()
    return time.perf_counter()
