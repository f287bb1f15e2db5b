"""One start at a time on event loops. The conformance suite has what that means for clients."""

import asyncio

import pytest

from heksher.clients.shared_async_start import SharedAsyncStart
from heksher.exceptions import ClientStateError


def test_calls_meanwhile_share_the_outcome() -> None:
    """Whoever asks for a start during one gets its outcome, a failure too; after it each call makes its own."""

    async def run() -> None:
        shared = SharedAsyncStart()
        starts: list[bool] = []

        async def start() -> None:
            await asyncio.sleep(0)
            starts.append(shared.is_under_way)
            if len(starts) == 1:
                raise ZeroDivisionError

        outcomes = await asyncio.gather(*(shared.run(start) for _ in range(3)), return_exceptions=True)
        assert [ZeroDivisionError] * 3 == [type(outcome) for outcome in outcomes]
        await asyncio.gather(*(shared.run(start) for _ in range(3)))
        assert ([True] * 2, False) == (starts, shared.is_under_way)

    asyncio.run(run())


def test_a_start_within_itself() -> None:
    """A task that asks for a start in the midst of its own gets an error at once."""

    async def run() -> None:
        shared = SharedAsyncStart()

        async def start_again() -> None:
            await shared.run(lambda: asyncio.sleep(0))

        with pytest.raises(ClientStateError, match="within a start"):
            await shared.run(start_again)

    asyncio.run(run())


def test_a_start_whose_loop_is_closed() -> None:
    """A start that is abandoned together with its loop keeps nobody from starting."""
    shared = SharedAsyncStart()
    loop = asyncio.new_event_loop()
    abandoned = shared.run(lambda: asyncio.sleep(3600))

    async def begin() -> None:
        task = asyncio.create_task(abandoned)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # that it is destroyed is what this is about
        await asyncio.sleep(0)

    loop.run_until_complete(begin())
    loop.close()
    abandoned.close()
    asyncio.run(shared.run(lambda: asyncio.sleep(0)))
    assert not shared.is_under_way
