"""Services that differ in one thing, asked in turns: what that costs, in requests per second and in processor time.

All of them run all the time; ratios are taken between neighbours.
"""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.figures import Line
from benchmarks.load.data import PAGE_PATH
from benchmarks.load.servers import RunningServer
from benchmarks.load.wrk import Throughput, measure

_SCRIPT: Final = str(Path(__file__).with_name("fields.lua"))


class Pairs(NamedTuple):
    """What two services reached, with one kind of request: the one that is tested, and another one.

    Attributes:
        status: what they answered with.
        against: how the other one was asked.
        other_per_s: its requests per second: the median.
        tested_per_s: those of the one that is tested, likewise.
        shares: how much of the one the other was, in each pair, the smallest first.
        other_us: processor time of the other service for each request, in microseconds: the median.
        tested_us: that of the one that is tested, likewise. These depend less on what else the machine does.
        failed: requests that were not answered, or with an error.
    """

    status: int
    against: str
    other_per_s: float
    tested_per_s: float
    shares: Sequence[float]
    other_us: float
    tested_us: float
    failed: int


class _Sample(NamedTuple):
    throughput: Throughput
    each_us: float


class Side(NamedTuple):
    """A service, and how it is asked.

    Attributes:
        name: what it is called in the figures.
        tag: by which it knows the answer.
        fields: a file with a header field on each line, of which each request has the next; ``None`` for none.
    """

    name: str
    server: RunningServer
    tag: str
    fields: Path | None

    def measure(self, seconds: float, *, is_known: bool) -> _Sample:
        """Ask for so long; ``is_known`` says whether the client has the answer already."""
        headers = [f"If-None-Match: {self.tag}"] if is_known else []
        script = [_SCRIPT] if self.fields is None else [_SCRIPT, str(self.fields)]
        before_s = self.server.processor_s()
        seen = measure(self.server.url + PAGE_PATH, seconds, headers, script)
        return _Sample(seen, (self.server.processor_s() - before_s) / (seen.requests_per_s * seconds) * 1e6)


def compare_sides(others: Sequence[Side], tested: Side, rounds: int, seconds: float) -> Iterator[Pairs]:
    """Measure requests that are answered 304, and such that are answered 200.

    Args:
        others: what is compared with.
        tested: what is tested.
        rounds: how often each is measured.
        seconds: how long, each time.
    """
    for status in (304, 200):
        yield from _compare(status, others, tested, rounds, seconds)


def describe_pairs(figures: Pairs, tested: str, least_share: float) -> Iterator[Line]:
    """Describe two services.

    Args:
        figures: what they reached.
        tested: what the one is that is tested.
        least_share: the least share of the other's requests per second that it is to reach.
    """
    share = statistics.median(figures.shares)
    span = f"{figures.shares[0]:.0%} to {figures.shares[-1]:.0%} in {len(figures.shares)} pairs"
    failed = f", {figures.failed} failed" if figures.failed else ""
    speeds = f"{figures.tested_per_s:,.0f}/s, off: {figures.other_per_s:,.0f}/s"
    yield Line(
        f"{figures.status}: {tested}; {figures.against}",
        f"{speeds}; {share:.1%} ({span}){failed}",
        share >= least_share and not figures.failed,
    )
    yield Line(
        f"{figures.status}: the service's processor time for each; {figures.against}",
        f"{figures.tested_us:.1f} µs, off: {figures.other_us:.1f} µs; {figures.other_us / figures.tested_us:.1%}",
    )


def _compare(status: int, others: Sequence[Side], tested: Side, rounds: int, seconds: float) -> Iterator[Pairs]:
    samples: dict[Side, list[_Sample]] = {side: [] for side in (*others, tested)}
    for number in range(rounds):
        # Now the one first, now the other, so that what grows or shrinks all the time is in favour of neither.
        for side in list(samples)[:: -1 if number % 2 else 1]:
            samples[side].append(side.measure(seconds, is_known=status == 304))  # noqa: PLR2004 - what the tag is for
    ours = samples[tested]
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
