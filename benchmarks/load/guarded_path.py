"""What it costs that the service checks who asks: requests per second with access on and many tokens, and with it off.

Both services run all the time, and are asked in turns; a ratio is taken between neighbours. Each request to the one has
another token than the one before it, and those to the other have none: so what is compared is all that access costs,
the reading of one more header field included.
"""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.data import PAGE_PATH, PAGE_SETTINGS, fill, give_tokens
from benchmarks.load.servers import RunningServer, running_service
from benchmarks.load.throughput import ask
from benchmarks.load.wrk import Throughput, measure

TOKENS: Final = 10_000

_SCRIPT: Final = str(Path(__file__).with_name("tokens.lua"))


class Pairs(NamedTuple):
    """What both services reached, with one kind of request.

    Attributes:
        status: what they answered with.
        off_per_s: requests per second with access off: the median.
        on_per_s: with access on, likewise.
        shares: how much of the one the other was, in each pair, the smallest first.
        failed: requests that were not answered, or with an error.
    """

    status: int
    off_per_s: float
    on_per_s: float
    shares: Sequence[float]
    failed: int


class _Side(NamedTuple):
    """A service, the header fields that each request to it has, and the file of tokens, if they have tokens."""

    server: RunningServer
    headers: Sequence[str]
    tokens: Path | None

    def measure(self, seconds: float) -> Throughput:
        script = [_SCRIPT] if self.tokens is None else [_SCRIPT, str(self.tokens)]
        return measure(self.server.url + PAGE_PATH, seconds, self.headers, script)


def compare_access(directory: Path, pairs: int, seconds: float) -> Iterator[Pairs]:
    """Measure requests that are answered 304, and such that are answered 200.

    Args:
        directory: for databases.
        pairs: how often both are measured.
        seconds: how long, each time.
    """
    database, guarded, file = directory / "open.db", directory / "guarded.db", directory / "tokens"
    for path in (database, guarded):
        fill(path, PAGE_SETTINGS)
    tokens = give_tokens(guarded, TOKENS)
    file.write_text("\n".join(tokens), encoding="ascii")
    with ExitStack() as stack:
        off = stack.enter_context(running_service(database))
        on = stack.enter_context(running_service(guarded, "--access"))
        tag = dict(ask(off, {}).headers)["etag"]
        guarded_tag = dict(ask(on, {"Authorization": f"Bearer {tokens[0]}"}).headers)["etag"]
        yield _compare(304, _Side(off, [_know(tag)], None), _Side(on, [_know(guarded_tag)], file), pairs, seconds)
        yield _compare(200, _Side(off, [], None), _Side(on, [], file), pairs, seconds)


def _know(tag: str) -> str:
    return f"If-None-Match: {tag}"


def _compare(status: int, off: _Side, on: _Side, pairs: int, seconds: float) -> Pairs:
    without: list[Throughput] = []
    having: list[Throughput] = []
    for number in range(pairs):
        # In turns, so that what grows or shrinks all the time is in favour of neither.
        for side, samples in ((off, without), (on, having))[:: -1 if number % 2 else 1]:
            samples.append(side.measure(seconds))
    shares = sorted(ours.requests_per_s / theirs.requests_per_s for theirs, ours in zip(without, having, strict=True))
    return Pairs(
        status,
        statistics.median(sample.requests_per_s for sample in without),
        statistics.median(sample.requests_per_s for sample in having),
        shares,
        sum(sample.failed for sample in (*without, *having)),
    )
