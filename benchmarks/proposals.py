"""Whether proposals are applied at their time, each exactly once, while replicas are killed: ``make proposals-drill``.

Two replicas on PostgreSQL have a thousand proposals with times within a short span: most alone, some in chains of three
(5, 25, 100), and of some the rule is changed by somebody else before their time. Meanwhile one of the replicas is
killed at random, and started again, and again. Each proposal must be applied exactly once, or be stale with a reason
where its rule was changed, and at most 2 s after its time, or after what comes before it. Ends with 1 if one was not.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import httpx2

from benchmarks.figures import Line, pick
from benchmarks.report import render_terminal_updates
from tests.support.postgres import make_postgres_schema
from tests.support.replicas import Replicas
from tests.support.waiting import wait_until

SETTING: Final = "planned"
STEPS: Final = (5, 25, 100)
FOREIGN: Final = 7
CHAINED_SHARE: Final = 0.3
CHANGED_SHARE: Final = 0.1
MAX_DELAY_S: Final = 2.0
# So long after the last time nothing is waited for any more.
PATIENCE_S: Final = 60.0
# How often proposals are made in the time that the first few have taken.
_SLACK: Final = 1.5
_LEAD_S: Final = 10.0
_SAMPLE: Final = 20
_PAGE: Final = 1000


class Planned(NamedTuple):
    """What is planned for one rule: a value, or three, one after the other.

    Attributes:
        rule_id: of the rule.
        shares: when each is due, as a share of the span.
        is_changed: whether somebody else changes the rule before that.
    """

    rule_id: int
    shares: tuple[float, ...]
    is_changed: bool


class Outcome(NamedTuple):
    """What has become of all.

    Attributes:
        proposals: as the service tells them, by id.
        applied: the ids of proposals in the change log, with the time of their entries.
        values: of the rules, by id.
        kills: how often a replica was killed.
    """

    proposals: Mapping[int, Mapping[str, Any]]
    applied: Sequence[tuple[int, datetime]]
    values: Mapping[int, object]
    kills: int


def plan(rule_ids: Iterable[int], count: int, chance: random.Random) -> list[Planned]:
    """Plan so many proposals."""
    planned = []
    for rule_id in rule_ids:
        if count <= 0:
            break
        length = min(len(STEPS) if chance.random() < CHAINED_SHARE / 2 else 1, count)
        shares = tuple(sorted(chance.random() for _ in range(length)))
        planned.append(Planned(rule_id, shares, chance.random() < CHANGED_SHARE))
        count -= length
    return planned


def propose(http: httpx2.Client, planned: Planned, begin: datetime, span_s: float) -> list[int]:
    """Propose what is planned for a rule; return the ids of the proposals."""
    ids: list[int] = []
    for share, value in zip(planned.shares, STEPS, strict=False):
        operation = {"method": "PUT", "path": f"/api/v1/rules/{planned.rule_id}/value", "body": {"value": value}}
        at = begin + timedelta(seconds=share * span_s)
        body = {"operations": [operation], "at": at.isoformat(), "after": ids[-1] if ids else None}
        ids.append(http.post("/api/v1/proposals", json=body).raise_for_status().json()["id"])
    return ids


def prepare(replicas: Replicas, count: int) -> list[int]:
    """Add as many rules as there may be plans; return their ids."""
    replicas.add_features("user")
    replicas.declare(SETTING)
    operations = [
        {
            "method": "POST",
            "path": "/api/v1/rules",
            "body": {"setting": SETTING, "feature_values": {"user": f"u{number}"}, "value": 0},
        }
        for number in range(count)
    ]
    answer = replicas.http.post("/api/v1/bulk", json={"operations": operations}).raise_for_status().json()
    return [result["body"]["rule_id"] for result in answer["results"]]


def make_all(replicas: Replicas, planned: Sequence[Planned], span_s: float) -> datetime:
    """Propose all that is planned, and change the rules that somebody else changes; return when the span begins.

    How long that takes is measured on plans that are withdrawn again.
    """
    began_s = time.monotonic()
    far = datetime.now(UTC) + timedelta(days=1)
    for each in planned[:_SAMPLE]:
        # The last one first: those that come after one that is withdrawn are stale.
        for proposal_id in reversed(propose(replicas.http, each, far, span_s)):
            replicas.http.post(f"/api/v1/proposals/{proposal_id}/withdraw", json={}).raise_for_status()
    each_s = (time.monotonic() - began_s) / len(planned[:_SAMPLE])
    begin = datetime.now(UTC) + timedelta(seconds=_LEAD_S + _SLACK * each_s * len(planned))
    for each in planned:
        propose(replicas.http, each, begin, span_s)
        if each.is_changed:
            path = f"/api/v1/rules/{each.rule_id}/value"
            replicas.http.put(path, json={"value": FOREIGN}).raise_for_status()
    if datetime.now(UTC) >= begin:
        raise RuntimeError("making the proposals has taken longer than was foreseen: try again with a longer span")
    return begin


def kill_until(replicas: Replicas, end: datetime, chance: random.Random) -> int:
    """Kill one of the replicas at a time, and start it again, until some time; return how often."""
    kills = 0
    while (left_s := (end - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(min(chance.uniform(1.0, 10.0), left_s))
        number = chance.randrange(len(replicas.services))
        replicas.services[number].kill()
        time.sleep(chance.uniform(0.0, 3.0))
        replicas.bring_back(number)
        kills += 1
    return kills


def read_outcome(http: httpx2.Client, kills: int) -> Outcome:
    """Read what has become of all."""
    proposals = {each["id"]: each for each in _read_pages(http, "proposals", {})}
    entries = list(_read_pages(http, "changes", {"kind": "proposal"}))
    applied = [
        (int(part["key"]), datetime.fromisoformat(entry["at"]))
        for entry in entries
        for part in entry["parts"]
        if part["kind"] == "proposal"
    ]
    rules = http.get(f"/api/v1/query?settings={SETTING}").raise_for_status().json()["settings"][SETTING]["rules"]
    return Outcome(proposals, applied, {rule["rule_id"]: rule["value"] for rule in rules}, kills)


def _read_pages(http: httpx2.Client, what: str, parameters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        wanted = {**parameters, "limit": str(_PAGE), **({} if cursor is None else {"cursor": cursor})}
        page = http.get(f"/api/v1/{what}", params=wanted).raise_for_status().json()
        yield from page[what]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def has_open(http: httpx2.Client) -> bool:
    """Return whether a proposal is open."""
    try:
        return bool(http.get("/api/v1/proposals?state=open&limit=1").raise_for_status().json()["proposals"])
    except httpx2.HTTPError:
        return True


def describe(outcome: Outcome, planned: Sequence[Planned], max_delay_s: float) -> list[Line]:
    """Put what has happened in lines."""
    kept = {number: each for number, each in outcome.proposals.items() if each["state"] != "withdrawn"}
    states = Counter(each["state"] for each in kept.values())
    entries = Counter(number for number, _ in outcome.applied)
    applied = {number for number, each in kept.items() if each["state"] == "applied"}
    repeated = [number for number, times in entries.items() if times > 1 or number not in applied]
    missing = applied - entries.keys()
    unexplained = [number for number, each in kept.items() if each["state"] == "stale" and not each["end"]["reason"]]
    expected = {each.rule_id: FOREIGN if each.is_changed else STEPS[len(each.shares) - 1] for each in planned}
    wrong = [rule_id for rule_id, value in expected.items() if outcome.values[rule_id] != value]
    stale = sum(len(each.shares) for each in planned if each.is_changed)
    delays_s = sorted(_list_delays(kept, dict(outcome.applied)))
    return [
        Line("proposals", f"{len(kept):,}", len(kept) == sum(len(each.shares) for each in planned)),
        Line("kills", f"{outcome.kills}", outcome.kills > 0),
        Line("applied", f"{states['applied']:,}", states["applied"] == len(kept) - stale),
        Line("stale, as somebody else had changed the rule", f"{states['stale']:,}", states["stale"] == stale),
        Line("still open", f"{states['open']:,}", not states["open"]),
        Line("in the change log twice, or though not applied", f"{len(repeated)}", not repeated),
        Line("applied, but not in the change log", f"{len(missing)}", not missing),
        Line("stale without a reason", f"{len(unexplained)}", not unexplained),
        Line("rules with another value than planned", f"{len(wrong)}", not wrong),
        Line(
            "seconds after its time, p50 / p99 / longest",
            " / ".join(f"{delay_s:.2f}" for delay_s in (pick(delays_s, 0.5), pick(delays_s, 0.99), delays_s[-1])),
            delays_s[-1] <= max_delay_s,
        ),
    ]


def _list_delays(proposals: Mapping[int, Mapping[str, Any]], applied: Mapping[int, datetime]) -> Iterator[float]:
    """Yield how long after its time each proposal was applied, or found to be stale, in seconds."""
    ends = {
        number: applied.get(number, datetime.fromisoformat(each["end"]["at"]))
        for number, each in proposals.items()
        if each["end"] is not None
    }
    for number, end in ends.items():
        due = datetime.fromisoformat(proposals[number]["at"])
        after = proposals[number]["after"]
        yield (end - max(due, ends.get(after, due))).total_seconds()


def drill(count: int, span_s: float, seed: int, max_delay_s: float) -> list[Line]:
    """Play it, and say what has happened."""
    chance = random.Random(seed)  # noqa: S311 - repeatable
    with make_postgres_schema() as url, Replicas([url] * 2) as replicas:
        planned = plan(prepare(replicas, count), count, chance)
        begin = make_all(replicas, planned, span_s)
        time.sleep((begin - datetime.now(UTC)).total_seconds())
        kills = kill_until(replicas, begin + timedelta(seconds=span_s), chance)
        wait_until(lambda: not has_open(replicas.http), PATIENCE_S, 0.5)
        return describe(read_outcome(replicas.http, kills), planned, max_delay_s)


def main(arguments: Sequence[str]) -> int:
    """Play and print; return 1 if something was not as it has to be."""
    parser = argparse.ArgumentParser(prog="make proposals-drill", description=__doc__)
    parser.add_argument("--proposals", type=int, default=1000, help="how many there are")
    parser.add_argument("--seconds", type=float, default=120.0, help="the span that their times are in")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6, help="what chance begins with")
    parser.add_argument("--max-delay", type=float, default=MAX_DELAY_S, help="the longest delay, in seconds")
    options = parser.parse_args(arguments)
    lines = drill(options.proposals, options.seconds, options.seed, options.max_delay)
    print(f"seed {options.seed}")
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
