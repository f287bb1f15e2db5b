"""A program of one process, with a client of the kind that its argument says: ``thread`` or ``async``."""

import asyncio
import os
import sys

import heksher
from tests.process_models.apps.reporting import report, report_async

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)
URL = os.environ["HEKSHER_URL"]
INTERVAL_S = float(os.environ["UPDATE_INTERVAL_S"])
FEATURES = ["environment", "user", "theme"]


def read() -> int:
    return cache_ttl.get(user="guest")


async def follow() -> None:
    async with heksher.AsyncHeksherClient(URL, INTERVAL_S, FEATURES):
        await report_async(read)


if __name__ == "__main__":
    if sys.argv[1] == "async":
        asyncio.run(follow())
    else:
        with heksher.ThreadHeksherClient(URL, INTERVAL_S, FEATURES):
            report(read)
