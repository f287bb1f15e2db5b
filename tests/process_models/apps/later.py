"""A program that forks while its client runs, with an HTTP library in which a private part has another name.

Arguments: the client (``thread`` or ``async``), the part, and whose the connections are: the client's (``own``), or
those of a transport that the program gives it (``shared``). Each process says what it reads, until it is to end or its
client does not call itself current any more, which it says, too.
"""

import asyncio
import logging
import os
import sys
import time

from tests.process_models.apps.reporting import POLL_S, Reporter, say
from tests.support.later_library import rename_parts

kind, part, whose = sys.argv[1:]
rename_parts(part)

import httpx2  # noqa: E402 - see above

import heksher  # noqa: E402

INTERVAL_S = float(os.environ["UPDATE_INTERVAL_S"])
FEATURES = ["environment", "user", "theme"]

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)


def make_client(make):
    transport = httpx2.HTTPTransport() if kind == "thread" else httpx2.AsyncHTTPTransport()
    args = {"transport": transport} if whose == "shared" else {}
    return make(os.environ["HEKSHER_URL"], INTERVAL_S, FEATURES, http_client_args=args, on_start_failure="continue")


def is_over(client, reporter):
    status = client.status
    if status.state != "current":
        say(f"process {os.getpid()} is {status.state}: {status.last_error}")
        return True
    return reporter.is_over()


def make_reporter():
    return Reporter(lambda: cache_ttl.get(user="guest"))


def report(client):
    reporter = make_reporter()
    while not is_over(client, reporter):
        time.sleep(POLL_S)


def fork(work):
    """Have a forked child do something and end; return its process id."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return child


def wait_for(child):
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        sys.exit(f"the child ended with {code}")


def run():
    client = make_client(heksher.ThreadHeksherClient)

    def work():
        report(client)
        client.close()

    client.set_as_main()
    child = fork(work)
    work()
    wait_for(child)


async def start_and_report(client):
    async with client:
        reporter = make_reporter()
        while not is_over(client, reporter):  # noqa: ASYNC110 - reading again and again is what this is about
            await asyncio.sleep(POLL_S)


async def run_async():
    client = make_client(heksher.AsyncHeksherClient)
    await client.set_as_main()
    child = fork(lambda: asyncio.run(start_and_report(client)))
    await start_and_report(client)
    wait_for(child)


if __name__ == "__main__":
    logging.basicConfig()
    if kind == "thread":
        run()
    else:
        asyncio.run(run_async())
