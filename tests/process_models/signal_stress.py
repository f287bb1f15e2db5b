"""Signals at random moments, and starts at once: ``python -m tests.process_models.signal_stress``.

The main thread makes every public call of a client, over and over, with one client after the other. A timer interrupts
it all the time, and the signal's handler makes a call of the same client, too. What would wait for itself may be
refused (``ClientStateError``), as may be what comes after ``close``; nothing may hang, and no other error may come.

Then ten threads at once start a client, again and again: each must come back after the start, with the same outcome.
"""

import argparse
import asyncio
import faulthandler
import io
import logging
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from heksher import AsyncHeksherClient, HeksherError, Setting, ThreadHeksherClient
from heksher.exceptions import ServiceError
from tests.process_models.apps.reporting import say
from tests.support.fake_service import QUERY, FakeService, answer

# When the next signal comes after a handler has ended: between these, in seconds.
DELAYS_S = (2e-5, 2e-3)
# After which time without a signal or a call this is a hang: the process says where its threads are, and ends.
HANG_S = 30.0
RANDOM = random.Random()  # noqa: S311 - for moments and calls, not for secrets
FEATURES = [f"f{number}" for number in range(40)]
THREADS = 10
ROUND_CALLS = 60
# Of so many signals, some have to come within each call.
MANY = 10_000

Client = ThreadHeksherClient | AsyncHeksherClient
Call = Callable[[Any], object]


def _set_defaults(client: Client) -> None:
    client.set_defaults(**{RANDOM.choice(FEATURES[1:]): "x"})


def _track_contexts(client: Client) -> None:
    client.track_contexts(f0=RANDOM.choice("abcdefgh"))


def _subscribe(client: Client) -> None:
    client.on_change(lambda _: None).cancel()
    client.on_status_change(lambda _: None).cancel()


def _make_setting(_: Client) -> None:
    Setting(f"made{RANDOM.randrange(5)}", int, ["f0"], 0).get(f0="a")


def _take_snapshot(client: Client) -> None:
    snapshot = client.snapshot()
    values = {snapshot.get(setting, f0="z") for setting in snapshot if setting.name in {"low", "high"}}
    if len(values) > 1:
        raise AssertionError(f"a snapshot of two updates: {values}")


# Calls that do not wait: of both clients.
PLAIN: Mapping[str, Call] = {
    "set_defaults": _set_defaults,
    "track_contexts": _track_contexts,
    "context_namespace": lambda client: client.context_namespace({"f0": "a"}),
    "untracked_reads": lambda client: dict(client.untracked_reads),
    "settings": lambda client: dict(client.settings),
    "snapshot": _take_snapshot,
    "status": lambda client: client.status.as_dict(),
    "on_change": _subscribe,
    "Setting": _make_setting,
}
# Calls that talk to the service.
WAITING = ("set_as_main", "reload", "ping", "get_settings")
CLOSING = {"thread": "close", "async": "aclose"}


class ChangingService(FakeService):
    """A fake service that answers each query with new values."""

    def __init__(self) -> None:
        super().__init__(*FEATURES)
        self._lock = threading.Lock()
        self._value = 0

    def handle(self, request):
        with self._lock:
            self._value += 1
            self.set_default("low", self._value)
            self.set_default("high", self._value)
            self.calls.clear()
            return super().handle(request)


class SignalStress:
    """Interrupts the calls of one kind of client.

    Args:
        kind: ``"thread"`` or ``"async"``.
        signals: how many signals there are to be.

    Attributes:
        interrupted: how often each call was interrupted.
        handled: how often each call was made by the handler.
        refused: how many calls were refused.
        faults: what went wrong, in words; empty if nothing did.
    """

    def __init__(self, kind: str, signals: int) -> None:
        self.interrupted: Counter[str] = Counter()
        self.handled: Counter[str] = Counter()
        self.refused = 0
        self.faults: list[str] = []
        self._kind = kind
        self._signals = signals
        self._service = ChangingService()
        self._settings = [Setting(name, int, FEATURES, 0) for name in ("low", "high")]
        self._client: Any = None
        self._current = ""

    def run(self) -> None:
        """Make calls until there were enough signals. Ends the process if one hangs."""
        before = signal.signal(signal.SIGALRM, self._handle)
        try:
            if self._kind == "thread":
                self._run_threads()
            else:
                asyncio.run(self._run_loop())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            faulthandler.cancel_dump_traceback_later()

    def _arm(self) -> None:
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        if sum(self.interrupted.values()) < self._signals and not self.faults:
            signal.setitimer(signal.ITIMER_REAL, RANDOM.uniform(*DELAYS_S))

    def _handle(self, *_: object) -> None:
        self.interrupted[self._current] += 1
        # Closing is rare, so that there is something to interrupt.
        name = RANDOM.choice([*PLAIN, *WAITING] * 3 + [CLOSING[self._kind]])
        self.handled[name] += 1
        with self._judging(name):
            if name in PLAIN:
                PLAIN[name](self._client)
            elif self._kind == "thread":
                getattr(self._client, name)()
            else:
                self._loop.call_soon_threadsafe(self._spawn, name, self._client)
        self._arm()

    def _spawn(self, name: str, client: AsyncHeksherClient) -> None:
        task = self._loop.create_task(self._make_async(name, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _make_async(self, name: str, client: AsyncHeksherClient) -> None:
        with self._judging(name):
            await getattr(client, name)()

    @contextmanager
    def _judging(self, name: str) -> Iterator[None]:
        try:
            yield
        except HeksherError:
            self.refused += 1
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is what this looks for
            self.faults.append(f"{name}: {type(error).__name__}: {error}")

    @contextmanager
    def _calling(self, name: str) -> Iterator[None]:
        self._current = name
        with self._judging(name):
            yield

    def _is_over(self) -> bool:
        return bool(self.faults) or sum(self.interrupted.values()) >= self._signals

    def _plan(self) -> list[str]:
        return ["set_as_main", *RANDOM.choices([*PLAIN, *WAITING], k=ROUND_CALLS), CLOSING[self._kind]]

    def _renew(self, client_class: type[Any]) -> Any:
        self._current = "making a client"
        is_first = self._client is None
        self._client = make_client(client_class, self._service)
        if is_first:
            self._arm()
        return self._client

    def _run_threads(self) -> None:
        while not self._is_over():
            client = self._renew(ThreadHeksherClient)
            for name in self._plan():
                with self._calling(name):
                    PLAIN[name](client) if name in PLAIN else getattr(client, name)()

    async def _run_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        while not self._is_over():
            client = self._renew(AsyncHeksherClient)
            for name in self._plan():
                with self._calling(name):
                    if name in PLAIN:
                        PLAIN[name](client)
                    else:
                        await getattr(client, name)()
            while self._tasks:
                await asyncio.wait(self._tasks)


def make_client(client_class: type[Any], service: FakeService, **options: Any) -> Any:
    """Make a client of a fake service that updates without pause."""
    return client_class(service.url, 0.005, service.features, http_client_args=service.client_args, **options)


# ---- starts at once


def start_at_once(kind: str, starts: int) -> list[str]:
    """Have ten threads start a client at once, so many times; return what went wrong, in words."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def call(action: Callable[[], Any]) -> Any:
        result = action()
        return asyncio.run_coroutine_threadsafe(result, loop).result() if isinstance(result, Coroutine) else result

    with ThreadPoolExecutor(THREADS) as threads:
        faults = [
            fault for number in range(starts) for fault in _start_once(kind, threads, call, fails=number % 4 == 3)
        ]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    return faults


def _start_once(kind: str, threads: ThreadPoolExecutor, call: Callable[[Callable[[], Any]], Any], *, fails: bool):
    service = FakeService("a")
    service.set_default("s", 1)
    if fails:
        service.behaviours[QUERY] = answer(500)
    setting = Setting("s", int, ["a"], 0)
    client_class = ThreadHeksherClient if kind == "thread" else AsyncHeksherClient
    client = make_client(client_class, service, on_start_failure="raise")
    barrier = threading.Barrier(THREADS)

    def start() -> str:
        barrier.wait()
        # Others come while the first one is at it.
        time.sleep(RANDOM.uniform(0, 0.002))
        try:
            call(client.set_as_main)
        except ServiceError:
            return "failed"
        return f"started with {setting.get(a='x')}"

    calls: list[Future[str]] = [threads.submit(start) for _ in range(THREADS)]
    outcomes = {future.result(HANG_S) for future in calls}
    call(client.close if kind == "thread" else client.aclose)
    expected = {"failed" if fails else "started with 1"}
    return [] if outcomes == expected else [f"{kind}: ten threads {sorted(outcomes)}"]


def main(arguments: list[str]) -> int:
    """Run both; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.process_models.signal_stress", description=__doc__)
    parser.add_argument("--signals", type=int, default=10_000, help="how many signals for each client (10,000)")
    parser.add_argument("--starts", type=int, default=200, help="how many starts by ten threads for each client (200)")
    options = parser.parse_args(arguments)
    faults: list[str] = []
    # Logging has locks, too, so somebody has to listen.
    logging.basicConfig(stream=io.StringIO())
    for kind, closing in CLOSING.items():
        stress = SignalStress(kind, options.signals)
        stress.run()
        faults += stress.faults
        say(f"{kind}: {sum(stress.interrupted.values())} signals, {stress.refused} calls refused; interrupted:")
        say("  " + ", ".join(f"{name} {count}" for name, count in sorted(stress.interrupted.items())))
        # A short run cannot come upon each of them.
        missing = set() if options.signals < MANY else {*PLAIN, *WAITING, closing} - set(stress.interrupted)
        faults += [f"{kind}: {name} was never interrupted" for name in sorted(missing)]
        started = start_at_once(kind, options.starts)
        faults += started
        say(f"{kind}: {options.starts} starts by {THREADS} threads at once, {len(started)} of them with a fault")
    say("\n".join(faults) or "no faults")
    return 1 if faults else 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
