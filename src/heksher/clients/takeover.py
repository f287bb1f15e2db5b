"""Becoming the main client after another one, which may be just about to declare settings.

When a notebook's cell that makes settings and a client is run again, the new settings go to the client of the run
before. That declares them in a moment, for which the new client waits, instead of refusing to start.
"""

import asyncio
import time
from collections.abc import Iterator

from heksher import main_client

# How long the client waits. Declarations that take longer are in trouble, which the error then tells of.
MAX_WAIT_S = 3.0

# How often it looks.
_STEP_S = 0.01


def take_over(client: main_client.MainClient) -> main_client.MainClient | None:
    """Do what ``main_client.make_main`` does, but wait for pending declarations first."""
    for step_s in _make_steps(client):
        time.sleep(step_s)
    return main_client.make_main(client)


async def take_over_in_task(client: main_client.MainClient) -> main_client.MainClient | None:
    """Do the same without keeping the event loop, in which the other client may be about to declare."""
    for step_s in _make_steps(client):
        await asyncio.sleep(step_s)
    return main_client.make_main(client)


def _make_steps(client: main_client.MainClient) -> Iterator[float]:
    """Yield how long to sleep until it is worth looking again, as long as there is something to wait for."""
    until_s = time.monotonic() + MAX_WAIT_S
    while main_client.must_wait(client) and time.monotonic() < until_s:
        yield _STEP_S
