"""Where what takes long is done."""

import asyncio
import threading

import pytest

from heksher.server.queries.workshop import MAX_BYTES_ON_EVENT_LOOP, Workshop


def run(make) -> object:
    """Run a coroutine that is made for a workshop."""

    async def work() -> object:
        workshop = Workshop()
        try:
            return await make(workshop)
        finally:
            workshop.close()

    return asyncio.run(work())


def test_work_is_done_in_another_thread():
    """Its result, or its error, comes back."""

    async def work(workshop: Workshop) -> None:
        assert threading.get_ident() != await workshop.run(threading.get_ident)
        with pytest.raises(ZeroDivisionError):
            await workshop.run(lambda: 1 // 0)

    run(work)


@pytest.mark.parametrize(
    ("size_bytes", "is_read", "together"),
    [
        (MAX_BYTES_ON_EVENT_LOOP, True, 5),
        (MAX_BYTES_ON_EVENT_LOOP, False, 5),
        (MAX_BYTES_ON_EVENT_LOOP + 1, True, 1),
        (MAX_BYTES_ON_EVENT_LOOP + 1, False, 2),
    ],
)
def test_few_large_bodies_are_answered_at_once(size_bytes: int, is_read: bool, together: int):
    """So parsed ones take little memory together; small ones do not wait."""

    async def work(workshop: Workshop) -> int:
        present = most = 0

        async def answer() -> None:
            nonlocal present, most
            async with workshop.taking_turns(size_bytes, is_read=is_read):
                present += 1
                most = max(most, present)
                await asyncio.sleep(0)
                present -= 1

        await asyncio.gather(*(answer() for _ in range(5)))
        return most

    assert together == run(work)


def test_large_queries_do_not_wait_for_large_writes():
    """Those may wait for the database."""

    async def work(workshop: Workshop) -> str:
        async with (
            workshop.taking_turns(10**6, is_read=False),
            workshop.taking_turns(10**6, is_read=False),
            workshop.taking_turns(10**6, is_read=True),
        ):
            return "answered"

    assert "answered" == run(work)


def test_few_lists_are_made_at_once():
    """Whoever asks for all settings again and again waits for a turn."""

    async def work(workshop: Workshop) -> list[bool]:
        for _ in range(4):
            await workshop.listing.acquire()
        return [workshop.listing.locked()]

    assert [True] == run(work)
