"""What it takes to say why a setting has its value, and what a change would do: ``make bench-evaluate``.

Evaluation through HTTP, of one setting with 5,000 rules and of 10,000 settings; rules without effect among 100,000, in
many settings and in one; the consequences of deleting a rule. Each figure is processor time of this process, which is
the service and its client, and what passed meanwhile, with other processes. Ends with 1 if an aim is missed.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from benchmarks.figures import Line, pick
from benchmarks.report import render_terminal_updates
from heksher.consequences import Behaviour, find_consequences
from heksher.rule_set import Rule
from heksher.server.operations.loading import Contents, load
from heksher.server.storage.base import NOBODY, RuleRecord, SettingRecord
from heksher.server.storage.memory import MemoryStorage
from heksher.wire import EVALUATE_PATH, LINT_PATH
from tests.support.service import RunningService

ORDER: Final = ("environment", "region", "tenant", "user", "theme")
# How many values each feature has: of settings with few rules, and of those with many.
FEW: Final = {"environment": 3, "region": 5, "tenant": 10, "user": 20, "theme": 3}
MANY: Final = {"environment": 5, "region": 20, "tenant": 2_000, "user": 50_000, "theme": 10}
WHOLE: Final = {"environment": "1", "region": "2", "tenant": "3", "user": "4", "theme": "1"}
PART: Final = {feature: value for feature, value in WHOLE.items() if feature != "user"}
SETTINGS: Final = 10_000
RULES_EACH: Final = 10
RULES_OF_LARGE: Final = 5_000
# The aims, in seconds.
MAX_ONE_S: Final = 0.002
MAX_ALL_S: Final = 0.2
MAX_LINT_S: Final = 10.0


class Timed(NamedTuple):
    """What calls took in the middle: seconds of the processor, and seconds that passed."""

    processor_s: float
    wall_s: float


def draw_rules(count: int, sizes: Mapping[str, int], values: int, seed: int = 1) -> list[Rule[object]]:
    """Draw rules on one to three features each."""
    chance = random.Random(seed)  # noqa: S311 - the same rules in each run
    drawn: dict[tuple[tuple[str, str], ...], int] = {}
    while len(drawn) < count:
        features = set(chance.sample(ORDER, chance.choice((1, 1, 2, 2, 3))))
        conditions = [(feature, str(chance.randrange(sizes[feature]))) for feature in ORDER if feature in features]
        drawn[tuple(conditions)] = chance.randrange(values)
    return [Rule(number, conditions, value) for number, (conditions, value) in enumerate(drawn.items(), 1)]


def make_storage(settings: int, rules_each: int, sizes: Mapping[str, int], values: int) -> MemoryStorage:
    """Fill a storage with settings that are called ``s0``, ``s1`` ..."""
    records, rules = [], []
    for number in range(settings):
        name = f"s{number}"
        records.append(SettingRecord(name, "int", 0, frozenset(ORDER), "1.0"))
        for rule in draw_rules(rules_each, sizes, values, number):
            rules.append(RuleRecord(len(rules) + 1, name, dict(rule.conditions), rule.value))
    storage = MemoryStorage()
    storage.open()
    load(storage, Contents(ORDER, records, rules, len(rules) + 1), NOBODY)
    return storage


def clock(call: Callable[[], object], repeats: int) -> Timed:
    """Return what a call takes."""
    processor, wall = [], []
    for _ in range(repeats):
        began = time.process_time(), time.perf_counter()
        call()
        processor.append(time.process_time() - began[0])
        wall.append(time.perf_counter() - began[1])
    return Timed(pick(sorted(processor), 0.5), pick(sorted(wall), 0.5))


def tell(what: str, timed: Timed, most_s: float | None = None) -> Line:
    """Return a figure, and whether it meets its aim."""
    figure = f"{timed.processor_s * 1000:,.1f} ms of the processor, {timed.wall_s * 1000:,.1f} ms passed"
    return Line(what, figure, None if most_s is None else timed.processor_s <= most_s)


def evaluate(service: RunningService, **body: object) -> Callable[[], object]:
    """Return a call that evaluates, and fails if it is refused."""
    return lambda: service.http.post(EVALUATE_PATH, json=body).raise_for_status()


def measure_many(settings: int) -> Iterator[Line]:
    """Measure with many settings that have ten rules each."""
    with RunningService(make_storage(settings, RULES_EACH, FEW, 3)) as service:
        size = f"{settings:,} settings with {RULES_EACH} rules each"
        yield tell(f"evaluate {size}", clock(evaluate(service, context=WHOLE), 11), MAX_ALL_S)
        yield tell("  where one feature is open, with all that is possible", clock(evaluate(service, context=PART), 5))
        yield tell("  where nothing is known", clock(evaluate(service, context={}), 3))
        yield tell(f"lint {size}", clock(lambda: service.http.get(LINT_PATH).raise_for_status(), 1), MAX_LINT_S)


def measure_large(rules: int) -> Iterator[Line]:
    """Measure with one setting that has many rules."""
    with RunningService(make_storage(1, rules, MANY, 100)) as service:
        clock(evaluate(service, settings=["s0"], context=WHOLE), 20)
        timed = clock(evaluate(service, settings=["s0"], context=WHOLE), 51)
        health = clock(lambda: service.http.get("/api/health").raise_for_status(), 51)
        yield tell(f"evaluate a setting with {rules:,} rules", timed)
        yield tell("  GET /api/health, for comparison", health)
        spent = Timed(timed.processor_s - health.processor_s, timed.wall_s - health.wall_s)
        yield tell("  the difference", spent, MAX_ONE_S)
        part = clock(evaluate(service, settings=["s0"], context=PART), 11)
        yield tell("  where one feature is open, with all that is possible", part)


def measure_lint(rules: int) -> Iterator[Line]:
    """Measure rules without effect in one setting, where values differ and where most are one of two."""
    for values in (2, 100):
        with RunningService(make_storage(1, rules, MANY, values)) as service:
            timed = clock(lambda service=service: service.http.get(LINT_PATH).raise_for_status(), 1)
            yield tell(f"lint a setting with {rules:,} rules of {values} values", timed, MAX_LINT_S)


def measure_consequences(rules: int) -> Iterator[Line]:
    """Measure what a change would do, as a dry run tells it: twenty regions, with twenty examples of each."""
    drawn = draw_rules(rules, MANY, 100)
    before = Behaviour(drawn, 0, ORDER)

    def find(after: list[Rule[object]]) -> None:
        for found in islice(find_consequences(before, Behaviour(after, 0, ORDER)), 20):
            list(islice(found.region.find_exceptions(), 20))
            list(islice(found.region.find_examples(), 20))

    weak = next(rule for rule in drawn if [feature for feature, _ in rule.conditions] == ["environment"])
    strong = next(rule for rule in drawn if [feature for feature, _ in rule.conditions] == ["theme"])
    size = f"of {rules:,} rules"
    changed = [rule._replace(value=rule.value == 0) if rule is strong else rule for rule in drawn]
    yield tell(f"consequences of another value of one {size}", clock(lambda: find(changed), 5))
    for what, rule in (("weak", weak), ("strong", strong)):
        others = [other for other in drawn if other is not rule]
        yield tell(f"  of deleting a {what} one", clock(lambda others=others: find(others), 5))


def main() -> int:
    """Measure and print; return 1 if an aim was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.evaluation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the settings and rules")
    share = 10 if parser.parse_args().quick else 1
    lines = [
        *measure_large(RULES_OF_LARGE // share),
        *measure_many(SETTINGS // share),
        *measure_lint(SETTINGS * RULES_EACH // share),
        *measure_consequences(RULES_OF_LARGE // share),
    ]
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
