"""What readers and the event loop notice of updates.

Two things can go wrong while new rules arrive: the event loop stands still, or a thread that reads has to wait. And one
worse: a reader gets a mixture of old and new rules, which is looked for here by checking every answer.
"""

import asyncio
import gc
import random
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

import heksher
from benchmarks.fake_service import NEVER_S, URL, Service, encode, make_settings, running_client
from benchmarks.workloads import FEATURES, LARGE, Question, Rule, answer, ask, make_workload

TICK_S = 0.001
LONG_READ_NS = 1_000_000
# Rule sets that take turns; the first character of a value says which set it belongs to.
SETS = 6


class Reader:
    """Reads a setting without pause, in a thread of its own, and times every read.

    Attributes:
        count: how many reads were made.
        worst_ns: what the slowest one took.
        long_count: how many took more than a millisecond.
    """

    def __init__(self, setting: "heksher.Setting[str]") -> None:
        self.count = 0
        self.worst_ns = 0
        self.long_count = 0
        self._get = setting.get
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._is_stopped = True
        self._thread.join()

    def _run(self) -> None:
        get, clock = self._get, time.perf_counter_ns
        while not self._is_stopped:
            start_ns = clock()
            get(environment="prod", user="user_500", theme="dark")
            elapsed_ns = clock() - start_ns
            self.count += 1
            if elapsed_ns > LONG_READ_NS:
                self.long_count += 1
            self.worst_ns = max(self.worst_ns, elapsed_ns)


async def watch_loop_ms(work: Awaitable[object]) -> float:
    """Return the milliseconds by which the event loop was late at worst while something was awaited."""
    task = asyncio.ensure_future(work)
    worst_s = 0.0
    while not task.done():
        start_s = time.perf_counter()
        await asyncio.sleep(TICK_S)
        worst_s = max(worst_s, time.perf_counter() - start_s - TICK_S)
    await task
    return worst_s * 1000


async def measure_delays(count: int, reads: int) -> dict[str, float]:
    """Apply many rules in the async client: alone, then while a thread reads; return what was waited for.

    Returns:
        ``idle_ms``, ``alone_ms`` and ``reading_ms``: the event loop's worst delay when nothing happens, in an update,
        and in updates while a thread reads. ``quiet_ms`` and ``slowest_ms``: the thread's slowest read without and with
        updates. ``long_reads`` of ``reads`` took more than a millisecond during ``updates``.
    """
    (setting,) = make_settings(1)
    bodies = _make_bodies(setting.name, count)
    # A program has no copy of all rules besides the client's, for the garbage collector to look through as well.
    gc.collect()
    service = Service()
    service.body = encode({setting.name: ()})
    async with heksher.AsyncHeksherClient(URL, NEVER_S, FEATURES, http_client_args=service.client_args) as client:
        idle_ms = await watch_loop_ms(asyncio.sleep(0.3))
        service.body = bodies[1]
        alone_ms = await watch_loop_ms(client.reload())
        quiet = Reader(setting)
        await asyncio.sleep(0.5)
        quiet.stop()
        reader = Reader(setting)
        reading_ms, updates = 0.0, 0
        while reader.count < reads or updates < len(bodies):
            service.body = bodies[updates % len(bodies)]
            reading_ms = max(reading_ms, await watch_loop_ms(client.reload()))
            updates += 1
        reader.stop()
    return {
        "idle_ms": idle_ms,
        "alone_ms": alone_ms,
        "reading_ms": reading_ms,
        "quiet_ms": quiet.worst_ns / 1e6,
        "slowest_ms": reader.worst_ns / 1e6,
        "long_reads": reader.long_count,
        "reads": reader.count,
        "updates": updates,
    }


def _make_bodies(setting: str, count: int) -> list[bytes]:
    rules = make_workload(LARGE, count).rules
    return [encode({setting: rules}), encode({setting: [rules[0]._replace(value="v7"), *rules[1:]]})]


class MixedAnswerError(Exception):
    """A reader got an answer that no single rule set gives."""


class CheckedReaders:
    """Reads with every answer checked, while a writer updates without pause.

    Args:
        seed: of the rule sets; no two sets have a value in common.
    """

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311 - rule sets, not secrets
        (self._setting,) = make_settings(1)
        self._questions = [ask(e, u, t) for e in ("prod", "dev") for u in ("ann", "bob") for t in ("dark", "light")]
        sets = [_make_rules(rng, number) for number in range(SETS)]
        self._bodies = [
            encode({self._setting.name: rules}, default=f"{number}default") for number, rules in enumerate(sets)
        ]
        self._expected = [
            [_expect(rules, number, question) for question in self._questions] for number, rules in enumerate(sets)
        ]
        self._is_stopped = False
        self._problems: list[str] = []

    def run(self, thread_count: int, duration_s: float, *, is_updated: bool = True) -> dict[str, float]:
        """Read with some threads for a while; return reads and updates per second.

        Raises:
            MixedAnswerError: an answer was wrong.
        """
        service = Service()
        service.body = self._bodies[0]
        self._is_stopped = False
        counts = [0] * thread_count
        threads = [threading.Thread(target=self._read, args=(counts, number)) for number in range(thread_count)]
        with running_client(service) as client:
            start_s = time.perf_counter()
            for thread in threads:
                thread.start()
            updates = self._update(service, client.reload, start_s + duration_s, is_updated=is_updated)
            self._is_stopped = True
            for thread in threads:
                thread.join()
            elapsed_s = time.perf_counter() - start_s
        if self._problems:
            raise MixedAnswerError("; ".join(self._problems[:3]))
        return {"reads_per_s": sum(counts) / elapsed_s, "updates_per_s": updates / elapsed_s}

    def _update(self, service: Service, reload: Callable[[], None], end_s: float, *, is_updated: bool) -> int:
        updates = 0
        # At least one, however long a busy machine has taken to come here.
        while (time.perf_counter() < end_s or (is_updated and not updates)) and not self._problems:
            if not is_updated:
                time.sleep(TICK_S)
                continue
            updates += 1
            number = updates % SETS
            service.body = self._bodies[number]
            reload()
            # What was loaded is visible at once to who loaded it.
            for question, right in zip(self._questions, self._expected[number], strict=True):
                self._check(question, self._setting.get(**question.given), right)
        return updates

    def _read(self, counts: list[int], number: int) -> None:
        get = self._setting.get
        while not self._is_stopped:
            for place, question in enumerate(self._questions):
                given = get(**question.given)
                self._check(question, given, self._expected[int(given[0])][place])
            counts[number] += len(self._questions)

    def _check(self, question: Question, given: str, right: str) -> None:
        if given != right:
            self._problems.append(f"{question.context} gave {given!r}; the rule set of that value gives {right!r}")


def _make_rules(rng: random.Random, number: int) -> list[Rule]:
    values = {"environment": ("prod", "dev"), "user": ("ann", "bob"), "theme": ("dark", "light")}
    chosen = {
        tuple((feature, rng.choice(values[feature])) for feature in FEATURES if rng.random() < 0.5)  # noqa: PLR2004
        for _ in range(6)
    } - {()}
    return [Rule(dict(conditions), f"{number}v{place}") for place, conditions in enumerate(sorted(chosen))]


def _expect(rules: Sequence[Rule], number: int, question: Question) -> str:
    return answer([*rules, Rule({}, f"{number}default")], question.context)
