"""What it costs that the service checks who asks: requests per second with access on and many tokens, and with it off.

Each request to the one service has another token than the one before it. The other is asked in two ways: with the same
requests, whose tokens it does not look at, and with such as have none, so that the reading of one more header field
counts as well.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.load.data import PAGE_SETTINGS, fill, give_tokens
from benchmarks.load.pairs import Pairs, Side, compare_sides
from benchmarks.load.servers import running_service
from benchmarks.load.throughput import ask

TOKENS: Final = 10_000


def compare_access(directory: Path, rounds: int, seconds: float) -> Iterator[Pairs]:
    """Measure a service with access on against one with access off.

    Args:
        directory: for databases.
        rounds: how often each service is measured.
        seconds: how long, each time.
    """
    database, guarded, file = directory / "open.db", directory / "guarded.db", directory / "tokens"
    for path in (database, guarded):
        fill(path, PAGE_SETTINGS)
    tokens = give_tokens(guarded, TOKENS)
    file.write_text("\n".join(f"Authorization: Bearer {token}" for token in tokens), encoding="ascii")
    with ExitStack() as stack:
        off = stack.enter_context(running_service(database))
        on = stack.enter_context(running_service(guarded, "--access"))
        tag = dict(ask(off, {}).headers)["etag"]
        guarded_tag = dict(ask(on, {"Authorization": f"Bearer {tokens[0]}"}).headers)["etag"]
        others = [Side("off, the same requests", off, tag, file), Side("off, no tokens", off, tag, None)]
        checking = Side("on", on, guarded_tag, file)
        # Each token once, so that the first use of each is noted and stored.
        checking.measure(seconds, is_known=True)
        yield from compare_sides(others, checking, rounds, seconds)
