"""What it costs that the service checks who asks: requests per second with access on and many tokens, and with it off.

Both services run all the time, and are asked in turns; ratios are taken between neighbours. Each request to the one has
another token than the one before it. The other is asked in two ways: with the same requests, whose tokens it does not
look at, and with such as have none, so that the reading of one more header field counts as well.
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
        against: how the service with access off was asked.
        off_per_s: requests per second with access off: the median.
        on_per_s: with access on, likewise.
        shares: how much of the one the other was, in each pair, the smallest first.
        off_us: processor time of the service for each request with access off, in microseconds: the median.
        on_us: with access on, likewise. These depend less on what else the machine does.
        failed: requests that were not answered, or with an error.
    """

    status: int
    against: str
    off_per_s: float
    on_per_s: float
    shares: Sequence[float]
    off_us: float
    on_us: float
    failed: int


class _Sample(NamedTuple):
    throughput: Throughput
    each_us: float


class _Side(NamedTuple):
    """A service, the tag by which it knows the answer, and the file with the tokens of requests; ``None`` for none."""

    name: str
    server: RunningServer
    tag: str
    tokens: Path | None

    def measure(self, seconds: float, *, is_known: bool) -> _Sample:
        headers = [f"If-None-Match: {self.tag}"] if is_known else []
        script = [_SCRIPT] if self.tokens is None else [_SCRIPT, str(self.tokens)]
        before_s = self.server.processor_s()
        seen = measure(self.server.url + PAGE_PATH, seconds, headers, script)
        return _Sample(seen, (self.server.processor_s() - before_s) / (seen.requests_per_s * seconds) * 1e6)


def compare_access(directory: Path, rounds: int, seconds: float) -> Iterator[Pairs]:
    """Measure requests that are answered 304, and such that are answered 200.

    Args:
        directory: for databases.
        rounds: how often each service is measured.
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
        others = [_Side("off, the same requests", off, tag, file), _Side("off, no tokens", off, tag, None)]
        checking = _Side("on", on, guarded_tag, file)
        # Each token once, so that the first use of each is noted and stored.
        checking.measure(seconds, is_known=True)
        for status in (304, 200):
            yield from _compare(status, others, checking, rounds, seconds)


def _compare(status: int, others: Sequence[_Side], checking: _Side, rounds: int, seconds: float) -> Iterator[Pairs]:
    samples: dict[_Side, list[_Sample]] = {side: [] for side in (*others, checking)}
    for number in range(rounds):
        # Now the one first, now the other, so that what grows or shrinks all the time is in favour of neither.
        for side in list(samples)[:: -1 if number % 2 else 1]:
            samples[side].append(side.measure(seconds, is_known=status == 304))  # noqa: PLR2004 - what the tag is for
    ours = samples[checking]
    for other in others:
        theirs = samples[other]
        yield Pairs(
            status,
            other.name,
            _take_median(theirs),
            _take_median(ours),
            sorted(
                on.throughput.requests_per_s / off.throughput.requests_per_s
                for off, on in zip(theirs, ours, strict=True)
            ),
            statistics.median(sample.each_us for sample in theirs),
            statistics.median(sample.each_us for sample in ours),
            sum(sample.throughput.failed for sample in (*theirs, *ours)),
        )


def _take_median(samples: Sequence[_Sample]) -> float:
    return statistics.median(sample.throughput.requests_per_s for sample in samples)
