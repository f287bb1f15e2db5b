"""How many requests one process of the service answers in a second, against what the bare server reaches.

All that stands in one row is measured in turns, in one run: the bare server, the service, the bare server, the service.
A ratio is taken between neighbours. The bare server sends the very answer that the service sends, with its header
fields: an answer 304 consists of nothing else.
"""

import statistics
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.data import PAGE_PATH, RULES_PER_SETTING, fill
from benchmarks.load.servers import RunningServer, Sample, running_constant, running_service, running_without_catalog
from benchmarks.load.wrk import Throughput, measure

ROUNDS: Final = 3
# Header fields that the server adds by itself.
_SERVERS_OWN: Final = frozenset({"date", "connection"})


class Row(NamedTuple):
    """One server, with one kind of request.

    Attributes:
        server: what was asked.
        status: what it answered with.
        rules: how many it held; ``None`` for the bare server.
        requests_per_s: the median of all rounds.
        p99_ms: likewise.
        share: how much of the bare server's requests per second that is; ``None`` for the bare server.
        resident_kib: its memory afterwards.
        failed: requests that were not answered, or with an error.
    """

    server: str
    status: int
    rules: int | None
    requests_per_s: float
    p99_ms: float
    share: float | None
    resident_kib: int
    failed: int


def compare(directory: Path, rule_counts: Sequence[int], seconds: float) -> Iterator[Row]:
    """Measure the bare server, the service, and the service without its catalog, with each number of rules."""
    for rules in rule_counts:
        database = directory / f"{rules}.db"
        fill(database, rules // RULES_PER_SETTING)
        with ExitStack() as stack:
            service = stack.enter_context(running_service(database))
            baseline = stack.enter_context(running_without_catalog(database))
            found = ask(service, {})
            known = {"If-None-Match": dict(found.headers)["etag"]}
            for answer, headers in ((found, {}), (ask(service, known), known)):
                with running_constant(answer) as bare:
                    lines = [f"{name}: {value}" for name, value in headers.items()]
                    yield from _measure_row(service, baseline, bare, answer.status, lines, rules, seconds)


def _measure_row(
    service: RunningServer,
    baseline: RunningServer,
    bare: RunningServer,
    status: int,
    headers: Sequence[str],
    rules: int,
    seconds: float,
) -> Iterator[Row]:
    pairs = [(measure(bare.url + PAGE_PATH, seconds, headers), measure(service.url + PAGE_PATH, seconds, headers))
             for _ in range(ROUNDS)]  # fmt: skip
    share = statistics.median(ours.requests_per_s / floor.requests_per_s for floor, ours in pairs)
    yield _make_row("bare server", status, None, [floor for floor, _ in pairs], None, bare)
    yield _make_row("heksher", status, rules, [ours for _, ours in pairs], share, service)
    without = [measure(baseline.url + PAGE_PATH, seconds, headers)]
    floor = statistics.median(floor.requests_per_s for floor, _ in pairs)
    yield _make_row("without catalog", status, rules, without, without[0].requests_per_s / floor, baseline)


def _make_row(
    server: str, status: int, rules: int | None, samples: Sequence[Throughput], share: float | None, of: RunningServer
) -> Row:
    failed = sum(sample.failed for sample in samples)
    rate = statistics.median(sample.requests_per_s for sample in samples)
    p99_ms = statistics.median(sample.p99_ms for sample in samples)
    return Row(server, status, rules, rate, p99_ms, share, of.resident_kib(), failed)


def ask(service: RunningServer, headers: Mapping[str, str]) -> Sample:
    """Ask the service for the page once."""
    request = urllib.request.Request(service.url + PAGE_PATH, headers=dict(headers))  # noqa: S310 - ours
    try:
        answer = urllib.request.urlopen(request, timeout=60)  # noqa: S310 - ours
    except urllib.error.HTTPError as not_modified:
        answer = not_modified
    with answer:
        fields = [(name.lower(), value) for name, value in answer.headers.items() if name.lower() not in _SERVERS_OWN]
        return Sample(answer.status, fields, answer.read())
