"""Attacks with much: heads, fields after bodies, and requests without end."""

import asyncio
from contextlib import suppress
from typing import Final

from tests.hostile.stranger import visiting
from tests.hostile.victim import Victim

_LINE: Final = b"GET /api/v1/query?settings= HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_FULL_BYTES: Final = 120_000_000
_PIPELINED_BYTES: Final = 8_000_000
_CHUNKS: Final = 150_000
_REDIRECTS: Final = 600
# A hundred such bodies take their time.
_LONG_S: Final = 60.0
_PIECE: Final = b"a" * 50_000
_FIELDS: Final = b"a:b\r\n" * 10_000


async def flood_fields(victim: Victim) -> str:
    """Header fields, as small as they can be: each is an object or three."""
    return await _flood(victim, _LINE, _FIELDS)


async def flood_one_field(victim: Victim) -> str:
    """One header field without end, a sixth of the size: it is copied for each piece of it."""
    return await _flood(victim, _LINE + b"x: ", _PIECE, _FULL_BYTES // 6)


async def flood_target(victim: Victim) -> str:
    """A URL without end, likewise."""
    return await _flood(victim, b"GET /", _PIECE, _FULL_BYTES // 6)


async def flood_trailers(victim: Victim) -> str:
    """Fields after a body in parts."""
    head = b"POST /api/v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"
    return await _flood(victim, head, _FIELDS)


async def flood_encodings(victim: Victim) -> str:
    """Sixty-four values of Accept-Encoding, of 2 MB each, and of 60 kB each."""
    statuses = []
    for size in (victim.size(2_000_000), 60_000):
        for number in range(64):
            async with visiting(victim.port) as stranger:
                await stranger.send(_LINE + b"Accept-Encoding: x%d" % number + b", a" * (size // 3) + b"\r\n\r\n")
                statuses.append(await stranger.read_status())
    return f"{statuses.count('200')} of {len(statuses)} answered, {statuses.count('431')} refused"


async def flood_chunks(victim: Victim) -> str:
    """A hundred bodies at once, each of 900 kB in chunks of one byte, which take long to follow."""
    head = b"POST /api/v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def send() -> str:
        async with visiting(victim.port) as stranger:
            await stranger.send(head + b"1\r\nx\r\n" * victim.size(_CHUNKS) + b"0\r\n\r\n", _LONG_S)
            return await stranger.read_status(_LONG_S)

    statuses = await asyncio.gather(*(send() for _ in range(100)))
    return f"{statuses.count('422')} of {len(statuses)} refused for what they say"


async def flood_bodies(victim: Victim) -> str:
    """A hundred large bodies at once, again and again, which are no JSON."""
    body = b"x" * victim.size(900_000)
    head = b"POST /api/v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def send() -> str:
        async with visiting(victim.port) as stranger:
            await stranger.send(head + body, _LONG_S)
            return await stranger.read_status(_LONG_S)

    statuses = [status for _ in range(5) for status in await asyncio.gather(*(send() for _ in range(100)))]
    return (
        f"{statuses.count('422')} of {len(statuses)} refused for what they say, {statuses.count('503')} for their size"
    )


async def flood_redirects(victim: Victim) -> str:
    """Six hundred queries that are repeated in the answer, longer than they came."""
    query = b'"' * 60_000
    async with visiting(victim.port) as stranger:
        redirects = victim.size(_REDIRECTS)
        for number in range(redirects):
            head = b"GET /api/v1/settings/?%d%b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % (number, query)
            await stranger.send(head)
            await stranger.read_head()
    return f"{redirects} answers"


async def pipeline_unread(victim: Victim) -> str:
    """Queries one after another, without reading."""
    async with visiting(victim.port) as stranger:
        taken = await stranger.flood((_LINE + b"\r\n") * 1000, victim.size(_PIPELINED_BYTES))
    return f"{taken / 1e6:.1f} MB of queries taken"


async def pipeline_read(victim: Victim) -> str:
    """The same, and all answers are read."""
    async with visiting(victim.port) as stranger:
        reading = asyncio.create_task(stranger.drain())
        taken = await stranger.flood((_LINE + b"\r\n") * 1000, victim.size(_PIPELINED_BYTES))
        size = await reading
    return f"{taken / 1e6:.1f} MB of queries taken, {size / 1e6:.1f} MB of answers"


async def _flood(victim: Victim, head: bytes, piece: bytes, full_bytes: int = _FULL_BYTES) -> str:
    async with visiting(victim.port) as stranger:
        await stranger.send(head)
        taken = await stranger.flood(piece, victim.size(full_bytes))
        with suppress(OSError):
            await stranger.send(b"\r\n\r\n")
        status = await stranger.read_status()
    return f"{status} after {taken / 1e6:.1f} MB"
