"""Runs each attack against a service of its own, and prints what it took: ``make hostile``."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.hostile import crowds, floods
from tests.hostile.crowds import crowd
from tests.hostile.victim import Seen, Victim, running_victim
from tests.support.processes import ROOT

MAX_LIVE_S: Final = 0.5
# Half as much again as is documented: 64 MiB of requests that are not answered, and 60 MiB whatever is asked.
MAX_GROWTH_MIB: Final = 1.5 * (64 + 60)
# How much more than before a process may have afterwards.
MAX_REST_MIB: Final = 32.0
_FEW_DESCRIPTORS: Final = 256


class Attack(NamedTuple):
    """An attack.

    Attributes:
        run: does it; returns what the attacker got.
        descriptors: how many the service may have; ``None`` for as many as this process.
    """

    run: Callable[[Victim], Awaitable[str]]
    descriptors: int | None = None


ATTACKS: Final = {
    "header fields": Attack(floods.flood_fields),
    "one header field": Attack(floods.flood_one_field),
    "a URL": Attack(floods.flood_target),
    "fields after a body": Attack(floods.flood_trailers),
    "values of Accept-Encoding": Attack(floods.flood_encodings),
    "bodies in small chunks": Attack(floods.flood_chunks),
    "large bodies": Attack(floods.flood_bodies),
    "queries that are repeated": Attack(floods.flood_redirects),
    "pipelined, not read": Attack(floods.pipeline_unread),
    "pipelined, read": Attack(floods.pipeline_read),
    "silent connections": Attack(crowd(crowds.send_nothing), _FEW_DESCRIPTORS),
    "slow heads": Attack(crowd(crowds.send_head_slowly), _FEW_DESCRIPTORS),
    "slow bodies": Attack(crowd(crowds.send_body_slowly), _FEW_DESCRIPTORS),
    "readers that do not read": Attack(crowd(crowds.read_nothing), _FEW_DESCRIPTORS),
    "idle connections": Attack(crowd(crowds.stay_idle), _FEW_DESCRIPTORS),
    "all kinds of them at once": Attack(crowd(*crowds.KINDS), _FEW_DESCRIPTORS),
}


def suffer(attack: Attack, source: Path = ROOT, scale: float = 1.0, workers: int = 1) -> Seen:
    """Run an attack against a service; return what was seen of that.

    Args:
        attack: the attack.
        source: the source tree that the service is run from.
        scale: how much of the attack's full size is done, from 0 to 1.
        workers: how many processes answer.
    """
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "heksher.db"
        with running_victim(source, scale, attack.descriptors, workers, database) as (victim, watch):
            return watch.end(asyncio.run(attack.run(victim)))


def find_faults(seen: Seen, workers: int = 1, max_live_s: float = MAX_LIVE_S) -> list[str]:
    """Return what a service should not have suffered.

    Args:
        seen: what was seen of it.
        workers: how many processes answered.
        max_live_s: how long an answer of ``/healthz/live`` may take.
    """
    faults = []
    if seen.failures:
        faults.append(f"in the place of answers: {seen.failures}")
    if seen.live_s > max_live_s:
        faults.append(f"/healthz/live took {seen.live_s:.1f} s")
    if seen.peak_mib - seen.before_mib > MAX_GROWTH_MIB * workers:
        faults.append("memory")
    if seen.after_mib - seen.before_mib > MAX_REST_MIB * workers:
        faults.append("memory that stays")
    return faults


def main(arguments: Sequence[str]) -> int:
    """Run the attacks, and print the table; return 1 if the service suffered what it should not."""
    parser = argparse.ArgumentParser(prog="make hostile", description=__doc__)
    parser.add_argument("--source", type=Path, default=ROOT, help="the source tree that the service is run from")
    parser.add_argument("--scale", type=float, default=1.0, help="how much of each attack is done, from 0 to 1")
    parser.add_argument("--workers", type=int, default=1, help="how many processes answer")
    parser.add_argument("--only", metavar="WORD", default="", help="the attacks with this word in their names")
    options = parser.parse_args(arguments)
    print("| attack | MiB before, peak, after | longest live, 304 (ms) | answered | the attacker got | fault |")
    print("| --- | --- | --- | --- | --- | --- |")
    has_faults = False
    for name in (name for name in ATTACKS if options.only in name):
        seen = suffer(ATTACKS[name], options.source, options.scale, options.workers)
        faults = find_faults(seen, options.workers)
        has_faults |= bool(faults)
        print(
            f"| {name} | {seen.before_mib:.0f}, {seen.peak_mib:.0f}, {seen.after_mib:.0f} | {seen.live_s * 1000:.0f},"
            f" {seen.known_s * 1000:.0f} | {seen.asked - sum(seen.failures.values())} of {seen.asked} | {seen.got} |"
            f" {'; '.join(faults) or 'none'} |",
            flush=True,
        )
    return int(has_faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
