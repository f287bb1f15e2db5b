"""What webhooks cost those who write: ``make bench-webhooks``.

A service with ``--no-webhooks``, one without any webhook, one with 100 of which each is told of a setting of its own,
and one with 100 that are told of everything: each under the same load, of 1,000 writes a second if it can take them.
Ends with 1 if writes take more of the processor where there could be webhooks, and are none.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.figures import Line, pick
from benchmarks.http_connection import HttpConnection
from benchmarks.load.servers import RunningServer, running_service
from benchmarks.report import render_terminal_updates
from benchmarks.webhook_sink import WebhookSink
from tests.support.storages import SqlPlace, make_place

KINDS: Final = ("sqlite", "postgres")
WEBHOOKS: Final = 100
WRITES_PER_S: Final = 1_000
WRITERS: Final = 8
# How much more processor time a write may take where there could be webhooks, but are none.
MAX_RATIO: Final = 1.1


class Situation(NamedTuple):
    """A service, and who is told of changes.

    Attributes:
        prefix: what the names of settings begin with that webhook number ``{}`` is told of; empty for everything.
    """

    title: str
    options: tuple[str, ...] = ()
    webhooks: int = 0
    prefix: str = ""


SITUATIONS: Final = (
    Situation("--no-webhooks", ("--no-webhooks",)),
    Situation("no webhook"),
    Situation("100 webhooks, each of its own setting", (), WEBHOOKS, "s{}."),
    Situation("100 webhooks of everything", (), WEBHOOKS),
)


class Outcome(NamedTuple):
    """What happened.

    Attributes:
        durations_s: of the writes, sorted.
        processor_ms: what the service has taken of its processor for one write, until the last one was answered.
        told: how many messages had come by then.
        resident_mib: the memory of the service in the end.
    """

    durations_s: list[float]
    wall_s: float
    processor_ms: float
    told: int
    resident_mib: float


async def prepare(server: RunningServer, situation: Situation, sink: WebhookSink) -> list[int]:
    """Make settings with a rule each, and the webhooks; return the ids of the rules."""
    async with HttpConnection(server.url) as connection:
        await connection.request("POST", "/api/v1/context_features", {"context_feature": "user"})
        rules = []
        for number in range(WEBHOOKS):
            name = f"s{number}.ttl"
            declaration = {"name": name, "configurable_features": ["user"], "type": "int", "default_value": 0}
            await connection.request("POST", "/api/v1/settings/declare", declaration)
            await connection.request(
                "POST", "/api/v1/rules", {"setting": name, "feature_values": {"user": "x"}, "value": 0}
            )
            rules.append(number + 1)
        for number in range(situation.webhooks):
            prefixes = [situation.prefix.format(number)] if situation.prefix else []
            body = {"name": f"w{number}", "url": f"{sink.url}/{number}", "prefixes": prefixes}
            await connection.request("POST", "/api/v1/webhooks", body)
    return rules


async def write(server: RunningServer, rules: Sequence[int], seconds: float) -> list[float]:
    """Write as often as is wanted, or as the service can; return how long each write took."""
    durations_s: list[float] = []
    turns = itertools.count()
    began_s = time.perf_counter()

    async def go_on() -> None:
        async with HttpConnection(server.url) as connection:
            while (due_s := began_s + (turn := next(turns)) / WRITES_PER_S) < began_s + seconds:
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                if time.perf_counter() >= began_s + seconds:
                    return
                sent_s = time.perf_counter()
                path = f"/api/v1/rules/{rules[turn % len(rules)]}/value"
                answer = await connection.request("PUT", path, {"value": turn + 1})
                if answer.status >= 300:  # noqa: PLR2004 - HTTP's own
                    raise RuntimeError(f"a write was answered {answer.status}: {answer.body!r}")
                durations_s.append(time.perf_counter() - sent_s)

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(go_on())
    return sorted(durations_s)


async def play(place: SqlPlace, situation: Situation, seconds: float) -> Outcome:
    """Have a service of a situation written to."""
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(WebhookSink())
        options = ("--webhook-networks", "127.0.0.1", *situation.options)
        server = stack.enter_context(running_service(place.url, *options))
        rules = await prepare(server, situation, sink)
        await write(server, rules, 1.0)
        told, processor_s, began_s = sink.count, server.processor_s(), time.perf_counter()
        durations_s = await write(server, rules, seconds)
        wall_s = time.perf_counter() - began_s
        processor_ms = (server.processor_s() - processor_s) * 1000 / len(durations_s)
        return Outcome(durations_s, wall_s, processor_ms, sink.count - told, server.resident_kib() / 1024)


def describe(kind: str, title: str, outcome: Outcome, least_ms: float) -> Iterator[Line]:
    """Put what happened in lines."""
    count = len(outcome.durations_s)
    times = " / ".join(f"{pick(outcome.durations_s, share) * 1000:.1f}" for share in (0.5, 0.99))
    yield Line(
        f"{kind}, {title}",
        f"{count / outcome.wall_s:,.0f} writes/s, {times} ms, {outcome.processor_ms:.2f} ms of processor each,"
        f" {outcome.told / outcome.wall_s:,.0f} messages/s, {outcome.resident_mib:.0f} MiB",
        outcome.processor_ms <= least_ms * MAX_RATIO if title == "no webhook" else None,
    )


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if webhooks cost those who have none."""
    parser = argparse.ArgumentParser(prog="make bench-webhooks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long is written in each situation")
    parser.add_argument("--only", choices=KINDS, help="the kind of database")
    options = parser.parse_args(arguments)
    lines: list[Line] = []
    for kind in [options.only] if options.only else KINDS:
        least_ms = 0.0
        for situation in SITUATIONS:
            with tempfile.TemporaryDirectory() as directory, make_place(kind, Path(directory)) as place:
                outcome = asyncio.run(play(place, situation, options.seconds))
            least_ms = least_ms or outcome.processor_ms
            lines += describe(kind, situation.title, outcome, least_ms)
            print(lines[-1], flush=True)
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
