"""A program with an asynchronous client, on event loops as its argument says. Each way is a function of that name."""

import asyncio
import os
import sys
import threading

import anyio
import uvloop

import heksher
from heksher.exceptions import ClientStateError
from tests.process_models.apps.reporting import END, report_async, say

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)
client = heksher.AsyncHeksherClient(
    os.environ["HEKSHER_URL"],
    update_interval=float(os.environ["UPDATE_INTERVAL_S"]),
    context_features=["environment", "user", "theme"],
)


def read() -> int:
    return cache_ttl.get(user="guest")


async def follow() -> None:
    async with client:
        await report_async(read)


def on_asyncio() -> None:
    asyncio.run(follow())


def on_uvloop() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(follow())


def on_anyio() -> None:
    anyio.run(follow, backend="asyncio")


def in_two_threads() -> None:
    """Run the client in one loop, and use it from another one in another thread."""
    is_started = threading.Event()

    async def keep_current() -> None:
        async with client:
            is_started.set()
            while read() != END:  # noqa: ASYNC110 - the other loop is not to have a say in when this one ends
                await asyncio.sleep(0.01)

    async def use() -> None:
        late = heksher.Setting("late", type=int, configurable_features=["user"], default_value=7)
        await client.reload()
        say(f"late reads {late.get(user='guest')}")
        await report_async(read)

    thread = threading.Thread(target=lambda: asyncio.run(keep_current()), daemon=True)
    thread.start()
    is_started.wait()
    asyncio.run(use())
    thread.join()


def in_one_loop_after_the_other() -> None:
    """Run the client in a loop that ends without closing it, then in another one."""
    asyncio.run(client.set_as_main())
    say(f"between the loops it is {read()}")
    on_asyncio()


def closed_in_another_loop() -> None:
    """Close the client when the loop that it ran in is gone."""
    asyncio.run(client.set_as_main())
    asyncio.run(client.aclose())
    say(f"after the end it is {read()}")


async def start_anew() -> None:
    """Start a client that was started elsewhere: what has to be done in a forked process."""
    say(f"the child has {read()}")
    try:
        await client.reload()
    except ClientStateError as error:
        say(f"refused: {error}")
    await client.set_as_main()
    await report_async(read)
    await client.aclose()


def fork() -> int:
    child = os.fork()
    if child == 0:
        asyncio.run(start_anew())
        os._exit(0)
    return child


async def fork_and_follow(*, in_thread: bool) -> int:
    async with client:
        child = await asyncio.to_thread(fork) if in_thread else fork()
        await report_async(read)
    return child


def wait_for(child: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        sys.exit(f"the child ended with {code}")


def in_a_forked_child() -> None:
    wait_for(asyncio.run(fork_and_follow(in_thread=False)))


def in_a_child_of_a_thread() -> None:
    wait_for(asyncio.run(fork_and_follow(in_thread=True)))


def in_a_child_on_uvloop() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        wait_for(runner.run(fork_and_follow(in_thread=False)))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
