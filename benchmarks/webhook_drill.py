"""Webhooks whose receivers are bad in each way that receivers can be: ``make webhook-drill``.

Two replicas on PostgreSQL tell them of changes, with the service's own times. Meanwhile the replica that tells is
killed, and PostgreSQL is stopped for a while. Each receiver has to get all revisions, in order, and verifies each
message with the library of the standard. Ends with 1 if one was lost, came out of order, or could not be verified.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Final, NamedTuple

import httpx2

from benchmarks.figures import Line, pick
from benchmarks.report import render_terminal_updates
from heksher.wire import REVISION_HEADER
from tests.hostile.query_memory import read_resident_mib
from tests.support.postgres import PostgresServer, private_postgres
from tests.support.replicas import Replicas
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import (
    BREAK,
    DRIP,
    ENDLESS_BODY,
    ENDLESS_HEAD,
    ENDLESS_HINTS,
    HANG,
    RESET,
    SLOW,
    Behaviour,
    WebhookReceiver,
)

OPTIONS: Final = ("--context-features", "user", "--webhook-networks", "127.0.0.1")
# What receivers do instead of answering at once.
BAD: Final[Sequence[Behaviour]] = (
    *(400, 429, 500, 503, 301, 302, 307, 308),
    *(HANG, DRIP, BREAK, RESET, SLOW, ENDLESS_HEAD, ENDLESS_BODY, ENDLESS_HINTS),
)
BEHAVIOURS: Final = 100_000
OUTAGE_S: Final = 5.0
MAX_GROWTH_MIB: Final = 64.0
_WRITE_TIMEOUT_S: Final = 30.0


class Effort(NamedTuple):
    """How much is tried.

    Attributes:
        bad_share: how many of the answers are bad.
        pause_s: between two writes.
        deadline_s: how long after the last write all has to be told.
    """

    revisions: int = 400
    webhooks: int = 10
    bad_share: float = 0.1
    pause_s: float = 0.1
    seed: int = 1
    deadline_s: float = 900.0
    has_accidents: bool = True


class Outcome(NamedTuple):
    """What happened.

    Attributes:
        expected: the revisions that each webhook was to be told of.
        receivers: of the webhooks.
        written_s: when each write was answered, by ``time.monotonic``, as far as it was.
        growth_mib: by how much the memory of the replicas has grown at most.
    """

    expected: list[int]
    receivers: list[WebhookReceiver]
    written_s: dict[int, float]
    growth_mib: float


@contextmanager
def receiving(effort: Effort) -> Iterator[list[WebhookReceiver]]:
    """Run receivers, each of which is bad now and then."""
    chance = random.Random(effort.seed)  # noqa: S311 - spreads cases
    with ExitStack() as stack:
        receivers = [stack.enter_context(WebhookReceiver()) for _ in range(effort.webhooks)]
        for receiver in receivers:
            receiver.drip_pause_s, receiver.slow_s = 1.0, 5.0
            receiver.behaviours = [
                chance.choice(BAD) if chance.random() < effort.bad_share else 200 for _ in range(BEHAVIOURS)
            ]
        yield receivers


class Writing:
    """Writes to whichever replica there is, until one has stored it.

    Attributes:
        written_s: see ``Outcome``.
    """

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas
        self._rule = 0
        self.written_s: dict[int, float] = {}

    def begin(self) -> int:
        """Make what is changed then; return the revision."""
        self._replicas.declare("ttl")
        self._rule = self._replicas.add_rule("ttl", {"user": "x"}, 0)
        return self.write(-1)

    def write(self, value: int) -> int:
        """Give the rule a value; return the revision."""
        deadline_s = time.monotonic() + _WRITE_TIMEOUT_S
        for turn in range(sys.maxsize):
            url = self._replicas.urls[turn % len(self._replicas.urls)]
            try:
                path = f"{url}/api/v1/rules/{self._rule}/value"
                answer = httpx2.put(path, json={"value": value}, timeout=_WRITE_TIMEOUT_S).raise_for_status()
            except httpx2.HTTPError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.1)
                continue
            revision = int(answer.headers[REVISION_HEADER])
            self.written_s.setdefault(revision, time.monotonic())
            return revision
        raise AssertionError("unreachable")


def play(server: PostgresServer, effort: Effort) -> Outcome:
    """Have receivers told of changes, and replicas and the database go away meanwhile."""
    with Replicas([server.url] * 2, *OPTIONS) as replicas, receiving(effort) as receivers:
        for number, receiver in enumerate(receivers):
            body = {"name": f"w{number}", "url": receiver.url}
            created = replicas.http.post("/api/v1/webhooks", json=body).raise_for_status()
            receiver.secret = created.json()["secret"]
        begin = int(created.headers[REVISION_HEADER])
        writing = Writing(replicas)
        newest = writing.begin()
        before_mib = _read_most_mib(replicas)
        for number in range(effort.revisions):
            newest = writing.write(number)
            if effort.has_accidents and number == effort.revisions // 3:
                _kill_teller(replicas)
            if effort.has_accidents and number == 2 * effort.revisions // 3:
                _stop(server)
            time.sleep(effort.pause_s)
        wait_until(lambda: _have_all(receivers, newest), effort.deadline_s, 0.1)
        growth_mib = _read_most_mib(replicas) - before_mib
    return Outcome(list(range(begin + 1, newest + 1)), receivers, writing.written_s, growth_mib)


def _kill_teller(replicas: Replicas) -> None:
    """Kill the replica that has told more of the webhooks, and start it again."""
    told = [_count_told(url) for url in replicas.urls]
    number = told.index(max(told))
    replicas.services[number].kill()
    replicas.bring_back(number)


def _count_told(url: str) -> float:
    lines = httpx2.get(f"{url}/metrics").raise_for_status().text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("heksher_webhook_messages_total{"))


def _stop(server: PostgresServer) -> None:
    server.stop()
    time.sleep(OUTAGE_S)
    server.start()


def _read_most_mib(replicas: Replicas) -> float:
    return max(read_resident_mib(service.process.pid, "VmHWM") for service in replicas.services)


def _have_all(receivers: Sequence[WebhookReceiver], newest: int) -> bool:
    return all(
        any(request.is_accepted and request.content["data"]["revision"] == newest for request in receiver.requests[-5:])
        for receiver in receivers
    )


def describe(outcome: Outcome) -> list[Line]:
    """Put what happened in lines."""
    told = [_list_told(receiver) for receiver in outcome.receivers]
    firsts = [list(dict.fromkeys(revisions)) for revisions in told]
    lost = sum(len(set(outcome.expected) - set(first)) for first in firsts)
    swapped = sum(later < earlier for first in firsts for earlier, later in pairwise(first))
    requests = sum(len(receiver.requests) for receiver in outcome.receivers)
    repeated = sum(len(revisions) - len(first) for revisions, first in zip(told, firsts, strict=True))
    forged = sum(len(receiver.forged) for receiver in outcome.receivers)
    delays_s = sorted(delay_s for receiver in outcome.receivers for delay_s in _list_delays(receiver, outcome))
    return [
        Line("webhooks / revisions each", f"{len(told)} / {len(outcome.expected):,}"),
        Line("messages sent / received", f"{requests:,} / {sum(map(len, told)):,}"),
        Line("received more than once", f"{repeated:,}"),
        Line("lost", f"{lost:,}", lost == 0),
        Line("out of order", f"{swapped:,}", swapped == 0),
        Line("not verified", f"{forged:,}", forged == 0),
        Line(
            "delay, p50 / p99 / longest", " / ".join(f"{pick(delays_s, share):.1f}" for share in (0.5, 0.99, 1)) + " s"
        ),
        Line(
            "memory of a replica has grown by at most",
            f"{outcome.growth_mib:.0f} MiB",
            outcome.growth_mib <= MAX_GROWTH_MIB,
        ),
    ]


def _list_told(receiver: WebhookReceiver) -> list[int]:
    return [request.content["data"]["revision"] for request in receiver.requests if request.is_accepted]


def _list_delays(receiver: WebhookReceiver, outcome: Outcome) -> Iterator[float]:
    """Yield how long each revision took from the answer of its write to the message that was received first."""
    for request in receiver.list_accepted():
        if (written_s := outcome.written_s.get(request.content["data"]["revision"])) is not None:
            yield max(0.0, request.at_s - written_s)


def main(arguments: Sequence[str]) -> int:
    """Play and print; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make webhook-drill", description=__doc__)
    known = Effort()
    parser.add_argument("--revisions", type=int, default=known.revisions, help="how many changes are made")
    parser.add_argument("--webhooks", type=int, default=known.webhooks, help="how many are told of each")
    parser.add_argument("--bad-share", type=float, default=known.bad_share, help="how many of the answers are bad")
    parser.add_argument("--pause", type=float, default=known.pause_s, help="seconds between two changes")
    parser.add_argument("--seed", type=int, default=known.seed, help="of what the receivers do")
    options = parser.parse_args(arguments)
    effort = Effort(options.revisions, options.webhooks, options.bad_share, options.pause, options.seed)
    with private_postgres() as server:
        lines = describe(play(server, effort))
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
