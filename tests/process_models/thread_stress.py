"""All that a program can do with settings, by many threads at once: ``python -m tests.process_models.thread_stress``.

They read, explain, reload, create settings and drop them, set defaults, subscribe and cancel, while the service's rules
change without pause. Each of them checks what it is answered, against what the library promises of it. It shows more on
a Python without a global lock; on others the interpreter is made to change between threads as often as it can.
"""

import argparse
import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx2

from heksher import Setting, ThreadHeksherClient, main_client
from heksher.exceptions import MissingContextError
from tests.process_models.apps.reporting import say
from tests.support.fake_service import FakeService

INTERVAL_S = 0.01
SWITCH_INTERVAL_S = 1e-5
STOP_WITHIN_S = 30.0
TOLD_WITHIN_S = 20.0
# Settings that come and go, and features that get a default one after the other.
MADE = 20
DEFAULTED = 60

Step = Callable[[], None]


class TurnTakingService(FakeService):
    """A fake service that answers one request after the other, so that all of a change is in an answer or nothing."""

    def __init__(self, *features: str) -> None:
        super().__init__(*features)
        self.lock = threading.Lock()

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        with self.lock:
            response = super().handle(request)
            # Nobody asks what was called, and there will be hundreds of thousands.
            self.calls.clear()
            return response


class World:
    """What the threads share: a service, a client of it, and settings.

    Attributes:
        low: a setting that only grows.
        high: one that changes together with it, to the same value.
        written: what both were last changed to, at least.
        is_over: whether the threads are to end.
    """

    def __init__(self) -> None:
        self.features = ["user", *(f"f{number}" for number in range(DEFAULTED))]
        self.service = TurnTakingService(*self.features)
        self.low = Setting("low", int, ["user"], 0)
        self.high = Setting("high", int, ["user"], 0)
        self.defaulted = [Setting(f"s{feature}", int, [feature], 0) for feature in self.features[1:]]
        for number in range(MADE):
            self.service.add_rule(f"made{number}", 1000 + number, number, user="guest")
        for number, feature in enumerate(self.features[1:]):
            self.service.add_rule(f"s{feature}", 2000 + number, number, **{feature: "x"})
        self.written = 0
        self.is_over = threading.Event()
        args = self.service.client_args
        self.client = ThreadHeksherClient(
            self.service.url, INTERVAL_S, self.features, http_client_args=args, on_start_failure="raise"
        )

    def write(self) -> None:
        """Change what ``low`` and ``high`` are."""
        with self.service.lock:
            self.service.add_rule("low", 1, self.written + 1, user="guest")
            self.service.add_rule("high", 2, self.written + 1, user="guest")
        self.written += 1


def check(is_right: bool, fault: str) -> None:
    if not is_right:
        raise AssertionError(fault)


# ---- what the threads do: each function makes the step that a thread repeats


def change_rules(world: World) -> Step:
    def step() -> None:
        world.write()
        time.sleep(0.0005)

    return step


def read(world: World) -> Step:
    before = 0

    def step() -> None:
        nonlocal before
        value = world.low.get(user="guest")
        check(before <= value, f"low went back from {before} to {value}")
        check(0 == world.low.get(user="other"), "low has a value where no rule matches")
        before = value

    return step


def read_together(world: World) -> Step:
    def step() -> None:
        snapshot = world.client.snapshot()
        pair = snapshot.get(world.low, user="guest"), snapshot.get(world.high, user="guest")
        check(pair[0] == pair[1], f"a snapshot of two updates: {pair}")
        with world.client.modification_lock:
            pair = world.low.get(user="guest"), world.high.get(user="guest")
        check(pair[0] == pair[1], f"two updates under the lock: {pair}")

    return step


def explain(world: World) -> Step:
    def step() -> None:
        least = world.low.get(user="guest")
        value = world.low.explain(user="guest").value
        check(least <= value, f"explained {value} after {least} was read")
        # Other threads create settings, and the service has declared and sent some of them, whatever the moment.
        status = world.client.status
        check(status.state == "current", f"the state is {status.state}: {status.last_error}")

    return step


def reload(world: World) -> Step:
    def step() -> None:
        least = world.written
        world.client.reload()
        value = world.low.get(user="guest")
        check(least <= value, f"low is {value} after a reload that began when it was {least}")

    return step


def make_and_drop(world: World) -> Step:
    numbers = iter(range(10**9))

    def step() -> None:
        number = next(numbers) % MADE
        setting = Setting(f"made{number}", int, ["user"], -1)
        check(setting.get(user="guest") in {-1, number}, "a new setting has neither its default nor its rule's value")
        world.client.reload()
        value = setting.get(user="guest")
        check(value == number, f"made{number} is {value} after a reload")

    return step


def set_defaults(world: World) -> Step:
    waiting = list(enumerate(world.features[1:]))

    def step() -> None:
        # Spread over the whole time, more or less.
        time.sleep(0.02)
        if not waiting:
            return
        number, feature = waiting.pop()
        setting = world.defaulted[number]
        with suppress(MissingContextError):
            check(False, f"{feature} has no default, and yet a value: {setting.get()}")
        world.client.set_defaults(**{feature: "x"})
        value = setting.get()
        check(value == number, f"{feature} has a default, but the setting is {value}")

    return step


def subscribe(world: World) -> Step:
    def step() -> None:
        seen: list[tuple[int, int]] = []
        contexts = {"user": "guest"}
        subscription = world.low.on_change(lambda change: seen.append((change.before(), change.after())), contexts)
        deadline_s = time.monotonic() + TOLD_WITHIN_S
        while len(seen) < 3 and not world.is_over.is_set():
            check(time.monotonic() < deadline_s, "a subscriber was not told of changes")
            time.sleep(0.001)
        subscription.cancel()
        values = [value for pair in seen for value in pair]
        check(values == sorted(values), f"a subscriber was told of changes in the order {seen}")
        check(all(before < after for before, after in seen), f"a subscriber was told of a change that is none: {seen}")

    return step


# Each with the number of its threads.
ACTIVITIES: dict[Callable[[World], Step], int] = {
    change_rules: 1,
    read: 3,
    read_together: 1,
    explain: 1,
    reload: 2,
    make_and_drop: 2,
    set_defaults: 1,
    subscribe: 2,
}


class Stress:
    """Runs all activities for a time.

    Attributes:
        counts: how often each activity was repeated.
        faults: what went wrong, in words; empty if nothing did.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._lock = threading.Lock()

    def run(self, seconds: float) -> None:
        """Run all activities for so many seconds."""
        settings_before = len(main_client._settings)
        world = World()
        world.write()
        with world.client, _frequent_switches():
            world.client.reload()
            threads = [
                threading.Thread(target=self._repeat, args=(activity, world), name=activity.__name__, daemon=True)
                for activity, count in ACTIVITIES.items()
                for _ in range(count)
            ]
            for thread in threads:
                thread.start()
            world.is_over.wait(seconds)
            world.is_over.set()
            for thread in threads:
                thread.join(STOP_WITHIN_S)
            self.faults += [f"{thread.name} hangs" for thread in threads if thread.is_alive()]
        gc.collect()
        left = len(main_client._settings) - settings_before - 2 - DEFAULTED
        if left:
            self.faults.append(f"{left} settings that were dropped are still registered")

    def _repeat(self, activity: Callable[[World], Step], world: World) -> None:
        repetitions = 0
        try:
            step = activity(world)
            while not world.is_over.is_set():
                step()
                repetitions += 1
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is what this looks for
            self.faults.append(f"{activity.__name__}: {type(error).__name__}: {error}")
            world.is_over.set()
        with self._lock:
            self.counts[activity.__name__] += repetitions


@contextmanager
def _frequent_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def describe_python() -> str:
    """Say which Python this is, and whether threads run at the same time in it."""
    is_gil_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    lock = "with" if is_gil_enabled() else "without"
    return f"Python {sys.version.split()[0]}, {lock} a global interpreter lock"


def main(arguments: list[str]) -> int:
    """Run the stress; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.process_models.thread_stress", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long it takes (30)")
    stress = Stress()
    say(describe_python())
    stress.run(parser.parse_args(arguments).seconds)
    for activity, count in ACTIVITIES.items():
        say(f"{activity.__name__:<16} {count} threads {stress.counts[activity.__name__]:>9} times")
    say("\n".join(stress.faults) or "no faults")
    return 1 if stress.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
