"""Reading that is put off for the sake of others."""

import asyncio
import time

from heksher.server.http.deferred import Deferred


def test_what_takes_long_takes_turns_with_what_else_there_is():
    """Each goes on in its turn, and everything else that the loop has to do is done in between."""
    read, turns = asyncio.run(read_in_turns())
    assert read == [*range(5)] * 3
    assert turns >= 7  # two at most in each


async def read_in_turns() -> tuple[list[int], int]:
    """Have five read three times each, 3 ms at a time; return in which order they did, and how many turns passed."""
    loop = asyncio.get_running_loop()
    deferred, read, turns = Deferred(), [], 0

    def make(number: int, rounds: int):
        def read_on() -> None:
            time.sleep(0.003)
            read.append(number)
            if rounds > 1:
                deferred.add(make(number, rounds - 1), loop)

        return read_on

    for number in range(5):
        deferred.add(make(number, 3), loop)
    while len(read) < 15:
        turns += 1
        await asyncio.sleep(0)
    return read, turns
