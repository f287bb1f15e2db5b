"""Tests of how many messages are sent in a second."""

import asyncio
import time

from heksher.server.webhooks.pace import Pace


def test_messages_have_a_distance() -> None:
    """The first one has none, nor has one after a while; what was not sent is not made up for."""
    now_s = 1000.0
    pace = Pace(4, lambda: now_s)
    assert [0, 0.25, 0.5] == [pace.take() for _ in range(3)]
    now_s = 1000.5
    assert [0.25, 0.5] == [pace.take() for _ in range(2)]
    now_s = 1010.0
    assert [0, 0.25] == [pace.take() for _ in range(2)]


def test_who_asks_too_early_waits() -> None:
    """In the order of asking."""
    pace, sent = Pace(50), list[int]()

    async def send(number: int) -> None:
        await pace()
        sent.append(number)

    async def send_all() -> float:
        began_s = time.monotonic()
        await asyncio.gather(*map(send, range(4)))
        return time.monotonic() - began_s

    # Less the resolution of the clocks.
    assert asyncio.run(send_all()) >= 0.055
    assert [0, 1, 2, 3] == sent
