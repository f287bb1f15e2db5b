"""Attacks with many connections that take their time. Each comes back as soon as it is ended."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from tests.hostile.stranger import Stranger, visiting
from tests.hostile.victim import Victim

_CONNECTIONS: Final = 1000
# Longer than what a head may take.
_SECONDS: Final = 15.0
_PAUSE_S: Final = 1.0

Begin = Callable[[Stranger], Awaitable[object]]


async def send_nothing(_stranger: Stranger) -> None:
    """Only connect."""


async def send_head_slowly(stranger: Stranger) -> None:
    """Begin a head that goes on byte by byte."""
    await stranger.send(b"GET /api/v1/query HTTP/1.1\r\nx: ")


async def send_body_slowly(stranger: Stranger) -> None:
    """Begin a body that goes on byte by byte."""
    await stranger.send(b"POST /api/v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n{")


async def read_nothing(stranger: Stranger) -> None:
    """Ask for much, again and again, and read nothing."""
    await stranger.send(b"GET /api/v1/query?settings=large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100)


async def stay_idle(stranger: Stranger) -> None:
    """Ask once, and stay."""
    await stranger.send(b"GET /healthz/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")


KINDS: Final[tuple[Begin, ...]] = (send_nothing, send_head_slowly, send_body_slowly, read_nothing, stay_idle)


def crowd(*kinds: Begin) -> Callable[[Victim], Awaitable[str]]:
    """Return the attack of a thousand connections of each kind at once."""

    async def attack(victim: Victim) -> str:
        visits = [0]
        seconds = _SECONDS * max(victim.scale, 0.2)
        visitors = [_come_back(victim, kind, visits) for kind in kinds for _ in range(victim.size(_CONNECTIONS))]
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*visitors), seconds)
        return f"{len(visitors)} at once, {visits[0]} connections in {seconds:.0f} s"

    return attack


async def _come_back(victim: Victim, begin: Begin, visits: list[int]) -> None:
    is_trickling = begin in {send_head_slowly, send_body_slowly}
    while True:
        with suppress(OSError, TimeoutError):
            async with visiting(victim.port) as stranger:
                visits[0] += 1
                await begin(stranger)
                while not stranger.is_ended():
                    await asyncio.sleep(_PAUSE_S)
                    if is_trickling:
                        await stranger.send(b"a")
        await asyncio.sleep(_PAUSE_S / 10)
