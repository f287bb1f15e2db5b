"""How many requests may write at once."""

import asyncio
import threading

import pytest

from heksher.server import write_turns as module
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.write_turns import MAX_WRITERS, WriteTurns
from tests.support.fake_service import DEADLINE_S


def test_a_few_writes_run_at_once():
    """Fewer than there are threads for all routes; the others follow in the order of their coming."""
    begun: list[int] = []
    all_begun, go_on = threading.Semaphore(0), threading.Event()

    def write(number: int) -> int:
        begun.append(number)
        all_begun.release()
        assert go_on.wait(DEADLINE_S)
        return number

    async def play() -> list[int]:
        turns = WriteTurns()
        tasks = [asyncio.create_task(turns.run(lambda n=number: write(n))) for number in range(MAX_WRITERS + 5)]
        for _ in range(MAX_WRITERS):
            assert await asyncio.to_thread(all_begun.acquire, timeout=DEADLINE_S)
        assert set(range(MAX_WRITERS)) == set(begun)
        go_on.set()
        return await asyncio.gather(*tasks)

    assert list(range(MAX_WRITERS + 5)) == asyncio.run(play())


def test_a_write_that_waits_for_too_long_is_refused(monkeypatch: pytest.MonkeyPatch):
    """It was not begun; the next one is, as soon as there is a place."""
    monkeypatch.setattr(module, "MAX_WRITERS", 1)
    monkeypatch.setattr(module, "QUEUE_TIMEOUT_S", 0.05)
    go_on = threading.Event()

    async def play() -> None:
        turns = WriteTurns()
        first = asyncio.create_task(turns.run(lambda: go_on.wait(DEADLINE_S)))
        await asyncio.sleep(0)
        with pytest.raises(StorageUnavailableError, match="a write was not begun") as caught:
            await turns.run(lambda: pytest.fail("it was begun"))
        assert "busy" == caught.value.reason
        go_on.set()
        assert await first
        assert 7 == await turns.run(lambda: 7)

    asyncio.run(play())


def test_a_write_that_fails_gives_its_turn_back(monkeypatch: pytest.MonkeyPatch):
    """Its error is its caller's."""
    monkeypatch.setattr(module, "MAX_WRITERS", 1)

    async def play() -> None:
        turns = WriteTurns()
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await turns.run(lambda: 1 // 0)

    asyncio.run(play())
