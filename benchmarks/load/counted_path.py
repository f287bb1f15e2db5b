"""What it costs that the service counts which clients ask for which settings: requests per second with and without it.

The requests come from one client, and then from ten thousand in turns, as nothing is more to be noted than another
client with each request.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.data import PAGE_SETTINGS, fill
from benchmarks.load.pairs import Pairs, Side, compare_sides
from benchmarks.load.servers import running_service
from benchmarks.load.throughput import ask


class Clients(NamedTuple):
    """Who asks.

    Attributes:
        words: who that is.
        count: how many they are.
    """

    words: str
    count: int


CROWDS: Final = (Clients("one client", 1), Clients("10,000 clients in turns", 10_000))


def compare_counting(directory: Path, clients: Clients, rounds: int, seconds: float) -> Iterator[Pairs]:
    """Measure a service that counts against one that does not.

    Args:
        directory: for databases.
        clients: who asks.
        rounds: how often each service is measured.
        seconds: how long, each time.
    """
    file = directory / "clients"
    lines = (f"Heksher-Client: name=checkout; instance=web-{number}" for number in range(clients.count))
    file.write_text("\n".join(lines), encoding="ascii")
    with ExitStack() as stack:
        sides = []
        for usage in ("off", "on"):
            database = directory / f"served_{usage}.db"
            fill(database, PAGE_SETTINGS)
            server = stack.enter_context(running_service(database, "--usage", usage))
            sides.append(Side("the same requests", server, dict(ask(server, {}).headers)["etag"], file))
        without, counting = sides
        yield from compare_sides([without], counting, rounds, seconds)
