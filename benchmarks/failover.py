"""What becomes of acknowledged writes and of clients when a standby of PostgreSQL takes over: ``make bench-failover``.

Two real servers; the primary is killed, and the standby promoted. A synchronous standby must not lose anything that was
acknowledged. An asynchronous one is kept from getting the last writes; then fewer, as many or more are made once it has
taken over than were lost. Everybody must be on the new truth soon: clients that stream a moment after the first look of
their replica, clients that poll, this project's and the existing one, an interval later. Nobody who demands a revision
may get anything older. Ends with 1 if one of these was broken.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.environments import ROOT, UnavailableError, build_from
from benchmarks.failovers.bouncer import find_program
from benchmarks.failovers.clients import INTERVAL_S, KINDS, Kind, find_own_python
from benchmarks.failovers.drill import Outcome, Scenario, play
from benchmarks.failovers.stage import Setup, set_up
from benchmarks.figures import Line
from benchmarks.report import render_terminal_updates

# What clients may take from the moment on in which their replica can know the truth.
MAX_STREAMING_S: Final = 3.0
MAX_POLLING_S: Final = INTERVAL_S + 3.0
_PUBLISHED: Final = ROOT / "tests" / "compatibility" / "published.txt"
_LOST: Final = 2
# How many writes are made after the failover, in words and in the drills in turn.
_LATER: Final[Mapping[str, Sequence[int]]] = {
    "fewer writes after than were lost": (0, 1),
    "as many writes after as were lost": (2,),
    "more writes after than were lost": (3, 4),
}
_NAMES: Final[Mapping[Kind, str]] = {"stream": "streaming", "poll": "polling", "existing": "existing"}


def list_scenarios() -> Iterator[Scenario]:
    """Return what is played."""
    for replicas in (1, 2):
        words = "1 replica" if replicas == 1 else f"{replicas} replicas"
        yield Scenario(f"synchronous, {words}", Setup(replicas, is_synchronous=True), 0, (1,))
        for amount, later in _LATER.items():
            yield Scenario(f"asynchronous, {words}, {amount}", Setup(replicas), _LOST, later)
    yield Scenario("asynchronous, 2 replicas behind PgBouncer", Setup(2, is_pooled=True), _LOST, (_LOST,))


def find_pythons() -> dict[Kind, Path]:
    """Return the interpreters for each kind of clients; the existing one is left out where it cannot be installed."""
    pythons: dict[Kind, Path] = {"stream": find_own_python(), "poll": find_own_python()}
    try:
        pythons["existing"] = build_from(_PUBLISHED, ROOT / ".published", sys.executable)
    except UnavailableError as error:
        print(f"the existing client is left out: {error}", file=sys.stderr)
    return pythons


def describe(scenario: Scenario, outcomes: Sequence[Outcome], demands: int, broken: int) -> list[Line]:
    """Put the drills of a scenario in lines."""
    lost = sum(len(outcome.lost) for outcome in outcomes)
    wanted = scenario.lost * len(outcomes)
    until_s = sorted(each.until_writes_s for each in outcomes if each.until_writes_s is not None)
    promoted_s = sorted(each.until_promoted_s for each in outcomes)
    went_back = sum(outcome.went_back for outcome in outcomes)
    return [
        Line(f"{scenario.name}: {len(outcomes)} drills", ""),
        Line("  acknowledged writes lost", f"{lost} (made to be lost: {wanted})", lost == wanted),
        Line("  seconds until the standby has taken over, p50 / worst", show_s(promoted_s)),
        Line("  seconds until a write is acknowledged, p50 / worst", show_s(until_s)),
        Line("  demands that were answered with something older", f"{broken} of {demands}", broken == 0),
        *(line for kind in KINDS for line in describe_clients(kind, outcomes)),
        Line("  clients that read a lost value after a later one", f"{went_back}", went_back == 0),
    ]


def describe_clients(kind: Kind, outcomes: Sequence[Outcome]) -> Iterator[Line]:
    """Say when the clients of a kind were on the new truth."""
    delays_s = sorted(delay_s for outcome in outcomes for of_kind, delay_s in outcome.delays_s if of_kind == kind)
    if delays_s:
        aim_s = MAX_STREAMING_S if kind == "stream" else MAX_POLLING_S
        name = f"  {_NAMES[kind]} clients, {len(delays_s)} times: seconds to the truth, p50 / worst"
        yield Line(name, f"{show_s(delays_s)} (aim: {aim_s:g})", delays_s[-1] <= aim_s)


def show_s(sorted_s: Sequence[float]) -> str:
    """Write the median and the longest of some times."""
    return f"{statistics.median(sorted_s):.2f} / {sorted_s[-1]:.2f}" if sorted_s else "none"


def run(scenario: Scenario, pythons: dict[Kind, Path], drills: int) -> list[Line]:
    """Play a scenario as often as is asked for."""
    print(f"{scenario.name} ...", file=sys.stderr, flush=True)
    if scenario.setup.is_pooled and find_program() is None:
        return [Line(f"{scenario.name}: PgBouncer is not installed", "not measured")]
    with set_up(scenario.setup, pythons) as stage:
        outcomes = [play(stage, scenario, number) for number in range(drills)]
        return describe(scenario, outcomes, stage.demands, stage.broken)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make bench-failover", description=__doc__)
    parser.add_argument("--drills", type=int, default=20, help="how often each scenario is played")
    parser.add_argument("--only", default="", help="play the scenarios only whose names begin so")
    options = parser.parse_args(arguments)
    pythons = find_pythons()
    chosen = [scenario for scenario in list_scenarios() if scenario.name.startswith(options.only)]
    lines = [line for scenario in chosen for line in run(scenario, pythons, options.drills)]
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
